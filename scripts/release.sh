#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
#
# Builds everything that a release has into dist/, and publishes nothing.
# docs/verify-a-release.md says what is in there.
#
#   scripts/release.sh snapshot [VERSION]   from what is in this folder, signed with a throw-away key
#   scripts/release.sh release [VERSION]    from the tag of the commit, signed with MINISIGN_KEY_FILE
#
# Without VERSION, a snapshot is v0.0.0-snapshot.g and the commit. A release needs VERSION
# if the commit has several tags, such as v0.1.0-rc.1 and v0.1.0. The release key is read
# from the file that MINISIGN_KEY_FILE names. If it has a password, MINISIGN_PASSWORD must
# be set. Neither is printed, and this script stores neither.
set -euo pipefail
cd "$(dirname "$0")/.."
# Other flags could change the bytes of the programs, and a workspace their dependencies.
# An empty GOFLAGS would not replace those of `go env -w`.
export GOFLAGS=-trimpath GOWORK=off GOFIPS140=off
keys= building=

say() { echo "release: $*"; }
fail() {
	say "$*" >&2
	exit 1
}
finish() {
	local status=$?
	[ -z "$keys" ] || rm -rf "$keys"
	[ "$status" = 0 ] || [ -z "$building" ] || say "the release failed after ${SECONDS}s (exit code $status); dist/ is incomplete" >&2
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

# No value of GOEXPERIMENT overrides one of `go env -w` with the default.
experiments=$("${GO:-go}" env GOEXPERIMENT)
[ -z "$experiments" ] || fail "GOEXPERIMENT is $experiments, which changes the programs: unset it, also with go env -u GOEXPERIMENT"

# The archives have all files in these folders. Git ignores files that readers of the
# documents create there, such as a secret-id, so a clean clone can have them.
ignored=$(git ls-files --others --ignored --exclude-standard docs examples)
[ -z "$ignored" ] || fail "the archives would have files that git ignores, remove them with git clean -Xi docs examples: ${ignored//$'\n'/ }"

commit=$(git rev-parse --short=12 HEAD)
case ${1:-} in
snapshot)
	changed=$(git -c status.showUntrackedFiles=normal status --porcelain)
	version=${2:-v0.0.0-snapshot.g$commit${changed:+.changed}}
	export GORELEASER_CURRENT_TAG=$version
	keys=$(mktemp -d)
	bin/minisign -G -W -s "$keys/throw-away.key" -p "$keys/minisign.pub" >/dev/null
	export MINISIGN_KEY_FILE=$keys/throw-away.key
	;;
release)
	# goreleaser would choose v0.1.0-rc.1 rather than v0.1.0.
	version=$(git tag --points-at HEAD --list "${2:-v*}")
	case $version in
	'') fail "the commit $commit has no tag ${2:-v*}: type git tag -s ${2:-v0.1.0}, or build a snapshot with make release-snapshot" ;;
	*$'\n'*) fail "the commit $commit has several tags, choose one with make release VERSION=${version%%$'\n'*}: ${version//$'\n'/ }" ;;
	esac
	export GORELEASER_CURRENT_TAG=$version
	# goreleaser does not see them if git's status.showUntrackedFiles is "no".
	untracked=$(git ls-files --others --exclude-standard docs examples)
	[ -z "$untracked" ] || fail "the archives would have files that are not in git: ${untracked//$'\n'/ }"
	# The notes of a pre-release have the changes of the next version.
	[[ $version == *-* ]] || grep -qxE "## ${version//./\\.}( .*)?" CHANGELOG.md ||
		fail "the release notes would have no changes: begin a section with the line \"## $version\" in CHANGELOG.md, and commit it before the tag"
	# Users who read the pages in the archives would not look for the release.
	stale=
	while IFS= read -r page; do
		text=$(tr '\n' ' ' <"$page") # The sentence can be on two lines.
		[[ $text != *'no release yet'* ]] || stale+=" $page"
	done < <(git ls-files README.md SECURITY.md CONTRIBUTING.md 'docs/*.md' 'examples/*.md')
	[[ $version == *-* || -z $stale ]] ||
		fail "these pages say that there is no release yet, correct them, and commit that before the tag:$stale"
	[ -f "${MINISIGN_KEY_FILE:-}" ] ||
		fail "MINISIGN_KEY_FILE must name the file with the release key: see docs/verify-a-release.md"
	[ -f minisign.pub ] ||
		fail "the public key minisign.pub is not in the repository: see docs/verify-a-release.md"
	;;
*)
	fail "type scripts/release.sh snapshot [VERSION], or scripts/release.sh release [VERSION]"
	;;
esac

say "building $version: eight platforms, two programs; 15 minutes on two cores the first time, one to two after that"
building=yes SECONDS=0
bin/goreleaser release --clean --skip=publish,announce $([ "$1" = release ] || echo --snapshot)

# Users of a snapshot verify with the throw-away key, users of a release with the key in
# the repository. The wrong key, or the wrong password, must not be noticed by users first.
cp "${keys:-.}/minisign.pub" dist/minisign.pub
bin/minisign -V -q -p dist/minisign.pub -m dist/SHA256SUMS || fail "dist/minisign.pub does not verify the signature"
say "$version is in dist/, after $((SECONDS / 60))m$((SECONDS % 60))s"
