# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# What the scripts of this directory share: where things are kept, how they
# speak, the lock, and the tools they call. Sourced, never run.

set -euo pipefail

# Tables below are edited here alone; every script reads them.
readonly DEB_SUITE=trixie-backports
readonly DEB_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
readonly LINUX_VERSION=7.3
readonly LINUX_PACKAGE=linux-source-$LINUX_VERSION
readonly LLVM_VERSION=22
readonly LLVM_BIN=/usr/lib/llvm-$LLVM_VERSION/bin
readonly LLVM_LIB=/usr/lib/llvm-$LLVM_VERSION/lib
readonly BINDGEN_VERSION=0.73.2
readonly BINDGEN_MIN=0.71.1
readonly CARGO_MIN=1.85.0

# The make that called us is for people; its flags must not reach cargo or the
# kernel's make.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
BUILD_SCRIPTS=$REPO/tools/build
LOGS=$REPO/logs
CACHE=${XDG_CACHE_HOME:-${HOME:?HOME is not set, so there is no place for the cache; set XDG_CACHE_HOME}/.cache}/rust-liveupdate

# No script ends without a word: what fails and is not dealt with is named.
set -E
trap 'printf "error: %s, line %s: this failed: %s\n" "${BASH_SOURCE[0]}" "$LINENO" "$BASH_COMMAND" >&2' ERR

# Everything but a result goes to stderr, so that a result can be captured.
say() { printf '%s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
	printf 'error: %s\n' "$1" >&2
	shift
	[ $# -eq 0 ] || printf '       %s\n' "$@" >&2
	exit 1
}

case $CACHE in
/*) ;;
*) die "the cache directory '$CACHE' is not an absolute path; set XDG_CACHE_HOME to one" ;;
esac
case $CACHE in
*[[:space:]:]*) die "the kernel cannot be built below '$CACHE': its build takes no spaces or colons in paths" \
	"Set XDG_CACHE_HOME to another place." ;;
esac

# One make at a time works on the cache. A script that holds the lock calls the
# others with LU_LOCKED set, since a second flock would wait for the first.
lock_cache() {
	[ -z "${LU_LOCKED:-}" ] || return 0
	mkdir -p "$CACHE"
	exec 9>"$CACHE/lock"
	if ! flock -n 9; then
		say "Another make is working in $CACHE; waiting for it to finish."
		flock 9
	fi
	export LU_LOCKED=1
}

# Is version $1 at least $2?
version_ge() {
	[ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# The second word of `TOOL --version` is the version of cargo and bindgen alike.
tool_version() {
	"$1" --version 2>/dev/null | sed -n '1s/^[^ ]* v\{0,1\}\([0-9.]*\).*/\1/p'
}

tool_at_least() {
	local found
	found=$(tool_version "$1") || return 1
	[ -n "$found" ] && version_ge "$found" "$2"
}

# The bindgen that the kernel's build uses: ours, or a recent enough one in PATH.
find_bindgen() {
	local candidate
	for candidate in "$CACHE/tools/bin/bindgen" "$(command -v bindgen || true)"; do
		if [ -n "$candidate" ] && tool_at_least "$candidate" "$BINDGEN_MIN"; then
			printf '%s\n' "$candidate"
			return 0
		fi
	done
	return 1
}

# A cargo that the workspace can be built with: the one in PATH, else Debian's.
# Debian's goes with Debian's rustc, so that one has to come first in PATH too.
use_cargo() {
	if ! tool_at_least cargo "$CARGO_MIN"; then
		tool_at_least /usr/bin/cargo "$CARGO_MIN" || return 1
		PATH=/usr/bin:$PATH
		export PATH
	fi
}

# VERSION.PATCHLEVEL of a kernel tree.
tree_version() {
	sed -n 's/^VERSION = //p;s/^PATCHLEVEL = //p' "$1/Makefile" | paste -sd.
}

elapsed() {
	local seconds=$1
	if [ "$seconds" -lt 60 ]; then
		printf '%d s' "$seconds"
	else
		printf '%d min %02d s' $((seconds / 60)) $((seconds % 60))
	fi
}

# Run a command with its output in a file, and say every while how far it is:
# watch LABEL LOG COMMAND... A terminal gets one line that renews itself, a file
# one line each quarter of a minute. Objects are counted by kbuild's own lines.
watch() {
	local label=$1 log=$2 start=$SECONDS said=$SECONDS pid status=0 count last
	shift 2
	mkdir -p "$(dirname "$log")"
	: >"$log"
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	# Bash shields background commands from Ctrl-C, so pass it on.
	trap 'kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; exit 130' INT TERM HUP
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.5
		if [ -t 2 ] || [ $((SECONDS - said)) -ge 15 ]; then
			said=$SECONDS
			count=$(grep -cE '^  [A-Z]' "$log" || true)
			last=$(tail -n 1 "$log" | tr -d '\r' | tr -s ' \t' ' ' | cut -c 1-60)
			if [ -t 2 ]; then
				printf '\r\033[K%s: %s, %s steps |%s' "$label" "$(elapsed $((SECONDS - start)))" "$count" "$last" >&2
			else
				say "$label: $(elapsed $((SECONDS - start))), $count steps |$last"
			fi
		fi
	done
	wait "$pid" || status=$?
	trap - INT TERM HUP
	[ ! -t 2 ] || printf '\r\033[K' >&2
	if [ "$status" -eq 0 ]; then
		say "$label: done in $(elapsed $((SECONDS - start)))"
	else
		say "$label: FAILED after $(elapsed $((SECONDS - start))), exit status $status"
	fi
	return "$status"
}

# The part of a log that tells what went wrong: from its first error on, and how
# it ended. Parallel builds go on for a while after the line that matters.
show_failure() {
	local log=$1 first lines
	lines=$(wc -l <"$log")
	first=$(grep -nE -m 1 '(^|[^a-z_])(error(\[|:)|undefined (symbol|reference)|panicked at)|\*\*\*|^FAIL|FAILED' "$log" | cut -d: -f1 || true)
	if [ -n "$first" ] && [ "$first" -lt $((lines - 30)) ]; then
		sed -n "$((first > 3 ? first - 3 : 1)),$((first + 25))p" "$log" >&2
		say "..."
		tail -n 8 "$log" >&2
	else
		tail -n 35 "$log" >&2
	fi
	say "The full log is $log"
}
