#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Runs the demo, and draws its output as docs/pictures/demo.svg. All secrets and tokens
# in it are values of the mock server. If the demo fails, the picture does not change.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
picture=$root/docs/pictures/demo.svg
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

bash "$root/scripts/demo.sh" >"$made/output" || {
	cat "$made/output" >&2
	exit 1
}
# Without animation, the picture shows the sixth step, the rotation.
(cd "$root" && "${GO:-go}" run ./tools/recording -still 6) <"$made/output" >"$made/demo.svg"
cp "$made/demo.svg" "$picture"
printf 'Wrote %s\n' "${picture#"$root"/}"
