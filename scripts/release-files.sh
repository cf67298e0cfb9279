#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Writes the files of a release that depend on all of its binaries. goreleaser runs it in
# dist/ once the binaries are there, and before it writes and signs SHA256SUMS.
#
#   release-files.sh VERSION COMMIT SECONDS GO     the version without v, the commit, its time, and the go command
set -euo pipefail
version=$1 commit=$2 created=$3 go=$4
tools=../bin plugin=vault-plugin-secrets-finicity

# The names are those in the archives, so that `sha256sum -c` works after unpacking. Vault
# and OpenBao register a plugin by this checksum, and not by that of an archive.
sha256sum "$plugin"_*/"$plugin"* fake-finicity_*/fake-finicity* >BINARY_SHA256SUMS
cp ../bin/release/THIRD_PARTY_LICENSES.txt .

: >IMAGE_DIGESTS
for name in "$plugin" fake-finicity; do
	arguments=()
	# No other container could reach the loopback interface of this one.
	[ "$name" != fake-finicity ] || arguments=(-argument=-allow-remote)
	digest=$("$tools/image" -out "images/$name" -name "$name" -version "v$version" -revision "$commit" -created "$created" \
		-license ../LICENSE -license THIRD_PARTY_LICENSES.txt \
		${arguments[@]+"${arguments[@]}"} amd64="${name}_${version}_linux_amd64/$name" arm64="${name}_${version}_linux_arm64/$name")
	echo "$digest  images/$name" >>IMAGE_DIGESTS
done

checksum() { awk -v file="${plugin}_${version}_linux_$1/$plugin" '$2 == file {print $1}' BINARY_SHA256SUMS; }
# changes prints the section of CHANGELOG.md for a version.
changes() {
	awk -v heading="## $1" '/^## /{inside = ($0 == heading || index($0, heading " ") == 1); next} inside && (NF || found) {found = 1; print}' ../CHANGELOG.md
}
# The workflow replaces REPOSITORY: only the site that hosts it knows its address.
pages=https://REPOSITORY/blob/v$version
# A pre-release has the changes of its version, which is the next one until it has a number.
text=$(changes "v$version")
text=${text:-$(changes "v${version%%-*}")}
text=${text:-$(changes Unreleased)}
# Links to files of the repository lead nowhere from the page of the release.
text=$(sed -e "s|](\([A-Za-z]\)|]($pages/\1|g" -e "s|]($pages/\(https*:\)|](\1|g" <<<"$text")
release=$("$go" version "${plugin}_${version}_linux_amd64/$plugin" | awk '{print $2}')
cat >RELEASE_NOTES.md <<NOTES
# $plugin v$version

[Verify the release]($pages/docs/verify-a-release.md), put the binary into the plugin
directory of every node, and register it. On linux/amd64:

\`\`\`sh
vault plugin register -sha256=$(checksum amd64) -version=v$version secret $plugin
\`\`\`

On linux/arm64:

\`\`\`sh
vault plugin register -sha256=$(checksum arm64) -version=v$version secret $plugin
\`\`\`

To upgrade, put the binary beside the old one as \`$plugin-v$version\`, add
\`-command=$plugin-v$version\` to the command, and follow
[the upgrade page]($pages/docs/upgrade.md).

The checksums for other platforms are in BINARY_SHA256SUMS. The digest of the image is
\`$(awk 'NR == 1 {print $1}' IMAGE_DIGESTS)\`. This release was built with $release from the commit $commit.

## Changes

$text
NOTES
