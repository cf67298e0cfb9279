#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Installs the languages of examples/clients and examples/webhook, and systemd's checker
# for examples/systemd, if they are not on PATH, from the packages of Debian or Ubuntu.
# Everything needs Go, so Go is not among them.
set -euo pipefail

missing=()
while read -r program package; do
	command -v "$program" >/dev/null || missing+=("$package")
done <<-END
	java default-jdk-headless
	node nodejs
	python3 python3
	ruby ruby
	systemd-analyze systemd
END
if [ "${#missing[@]}" = 0 ]; then
	echo "runtimes: nothing is missing"
	exit
fi
if ! command -v apt-get >/dev/null; then
	echo "runtimes: there is no apt-get here: install these in another way: ${missing[*]}" >&2
	exit 1
fi
root=()
[ "$(id -u)" = 0 ] || root=(sudo)
echo "runtimes: installing ${missing[*]}"
${root[@]+"${root[@]}"} apt-get update -qq
${root[@]+"${root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
