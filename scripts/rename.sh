#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Changes the module path: in every go.mod, in the imports, and in the rules of the linter
# that name packages. Nothing else has the module path. The name of the plugin stays,
# because Vault's catalog, mounts and policies have it.
#
#   scripts/rename.sh github.com/acme/vault-plugin-secrets-finicity
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
	[ -z "$1" ] || echo "rename: $1" >&2
	echo "usage: make rename MODULE=github.com/acme/vault-plugin-secrets-finicity" >&2
	exit 2
}
if [ $# != 1 ] || ! [[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9._~/-]*[A-Za-z0-9]$ ]]; then
	usage ""
fi
new=$1
old=$(awk '$1 == "module" {print $2; exit}' go.mod)
pattern=${old//./\\.}

# Without a host, the path could be that of a package of the standard library. The path
# before the first move has no host, and stays allowed.
[[ $new =~ ^([^/]*\.[^/]*/|vault-plugin-secrets-finicity$) ]] || usage "$new does not begin with a host"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
reason=$(cd "$scratch" && GOWORK=off "${GO:-go}" mod init "$new" 2>&1) || usage "$reason"

# change EXPRESSION FILE...: sed -i differs between systems, except with a suffix.
change() {
	sed -i.renamed -E "$@"
	for file in "${@:2}"; do rm "$file.renamed"; done
}

# naming NAME: the files of this name that have the old path, without build output.
naming() {
	find . \( -path ./.git -o -path ./bin -o -path ./dist -o -name testdata \) -prune -o -type f -name "$1" -exec grep -lF "$old" {} +
}

# With the path of a dependency, or the beginning of one, nothing could tell the imports
# of this module from those of the dependency.
foreign=$(find . \( -path ./.git -o -path ./bin -o -path ./dist -o -name testdata \) -prune -o -type f \( -name '*.go' -o -name go.mod \) \
	-exec awk -v new="$new/" -v old="$old/" '
		/^[[:space:]]*(import )?([[:alnum:]_.]+ )?"[^"]+"$/ || /^[[:space:]]*(require )?[^ ]+ v[0-9]/ {
			for (i = 1; i <= NF; i++) {
				gsub(/"/, "", $i)
				if (index($i "/", new) == 1 && index($i "/", old) != 1) { print $i; exit }
			}
		}' {} +)
[ -z "$foreign" ] || usage "$new is also the path of ${foreign%%$'\n'*}, or the beginning of it"

modules=() sources=()
while IFS= read -r file; do modules+=("$file"); done < <(naming go.mod)
while IFS= read -r file; do sources+=("$file"); done < <(naming '*.go')
change "s#^module $pattern(/.*)?\$#module $new\\1#" "${modules[@]}"
# An import is alone on its line, after an optional name. A string that has the name of the
# plugin is not.
change "s#^([[:space:]]*(import )?([[:alnum:]_.]+ )?\")$pattern(/[^\"]*)?\"\$#\\1$new\\4\"#" "${sources[@]}"
change "s#^( *(- |- pkg: |module-path: ))$pattern(/.*|\\\$)?\$#\\1$new\\3#" .golangci.yml
echo "The module is now $new. Review the change with: git diff --stat"
