# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Steps of a kernel build, for image.sh, which sets the variables used here:
# SOURCE, STORE, KDIR, TREE, OUT, VARIANT, ARCH, FRAGMENTS, TOOLS, BINDGEN,
# LISTING, JOBS. Sourced, never run.

# What the objects depend on besides sources and configuration.
toolchain_id() {
	"$LLVM_BIN/clang" --version | head -n 1
	/usr/bin/rustc --version
	"$BINDGEN" --version
}

# The kernel's make. It gets an environment of its own: variables of the make
# that called us, such as ARCH or MAKEFLAGS, must not reach it.
kmake() {
	env -i HOME="$HOME" PATH="$LLVM_BIN:/usr/sbin:/usr/bin:/sbin:/bin" LC_ALL=C.UTF-8 \
		TMPDIR="${TMPDIR:-/tmp}" LIBCLANG_PATH="$LLVM_LIB" \
		make -C "$KDIR" O="$OUT" ARCH="$ARCH" LLVM=1 \
		RUSTC=/usr/bin/rustc HOSTRUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc \
		RUSTFMT=/usr/bin/rustfmt CLIPPY_DRIVER=/usr/bin/clippy-driver BINDGEN="$BINDGEN" "$@"
}

# Hash and path of every file of this repository that a kernel build may read.
repository_listing() {
	(cd "$REPO" && find . \
		\( -name .git -o -name target -o -name fuzz -o -path ./tools -o -path ./Documentation -o -path ./logs \
		-o -path ./qualify -o -path ./.ci -o -path ./.mount -o -path ./LICENSES \) -prune -o \
		-type f ! -name '*.o' ! -name '*.a' ! -name '.*' ! -name '*.md' ! -name 'Cargo.*' \
		! -path ./Makefile ! -name bindings_generated.rs ! -name modules.order -print0 |
		LC_ALL=C sort -z | xargs -0 -r sha256sum)
}

# The tree of this variant: hard links to the pristine one, so it costs seconds
# and hardly any space. For rust it has this clone mounted, whichever was before.
prepare_tree() {
	local temporary
	if [ ! -f "$KDIR/Makefile" ]; then
		say "Making the $TREE source tree from $SOURCE (hard links)."
		mkdir -p "$STORE"
		rm -rf "$STORE"/.tree.*
		temporary=$(mktemp -d "$STORE/.tree.XXXXXX")
		cp -al "$SOURCE/." "$temporary/"
		mv -T "$temporary" "$KDIR"
	fi
	[ "$TREE" != rust ] || "$BUILD_SCRIPTS/mount.sh" mount "$KDIR" --remount
}

# Forget how the objects that depend on the files named on stdin were built, and
# all of kernel/liveupdate. kbuild then makes them anew.
forget_objects() {
	local paths
	paths=$(mktemp)
	sed -e '/^$/d' >"$paths"
	rm -rf "${OUT:?}/kernel/liveupdate"
	if [ -s "$paths" ]; then
		{ grep -rlFf "$paths" --include='.*.cmd' "$OUT" || true; } | xargs -r rm -f
	fi
	rm -f "$paths"
}

# Kbuild goes by time stamps. A clone that replaces another may bring files that
# are older than the objects and yet differ from what those were built from.
forget_stale() {
	local old=$OUT/.lu-listing path stale=()
	[ "$TREE" = rust ] && [ -f "$old" ] || return 0
	# Lines that are in one listing only: files changed, gone or new.
	while read -r _ path; do
		path=${path#./}
		if [ ! -e "$REPO/$path" ] || [ ! "$REPO/$path" -nt "$old" ]; then
			stale+=("$path")
		fi
	done < <(printf '%s\n' "$LISTING" | LC_ALL=C sort | LC_ALL=C comm -3 - <(LC_ALL=C sort "$old") | sed 's/^\t//')
	if [ ${#stale[@]} -gt 0 ]; then
		printf '%s\n' "${stale[@]}" | sed -n '/^include\//p' | forget_objects
	fi
}

# How many lines differ between what is asked for now and what was for a build.
distance() {
	{ cat "$1/.lu-requested" 2>/dev/null || true; } | LC_ALL=C sort |
		LC_ALL=C comm -3 - <(requested_options | LC_ALL=C sort) | wc -l
}

# A finished build to start from: of this tree, or of the other one, which differs
# in few objects only. Of several it is the one that was asked for most of what is
# asked for now: hardly any object of a debug kernel serves an ordinary one. It
# must come from the same compilers.
find_seed() {
	local candidate found best='' least=0
	for candidate in "$KDIR"/build-*-"$ARCH"-* "$STORE"/tree-*/build-*-"$ARCH"-*; do
		# Objects that clippy left are not optimised as those of a build.
		[ "${candidate%-clippy}" = "$candidate" ] || continue
		[ -f "$candidate/.lu-built" ] && [ "$candidate" != "$OUT" ] &&
			[ "$(cat "$candidate/.lu-built")" = "$TOOLS" ] || continue
		found=$(distance "$candidate")
		if [ -z "$best" ] || [ "$found" -lt "$least" ]; then
			best=$candidate least=$found
		fi
	done
	[ -n "$best" ] && printf '%s\n' "$best"
}

# Builds with configurations or compilers of weeks ago only take up space.
drop_old_builds() {
	local stamp
	while read -r stamp; do
		rm -rf "$(dirname "$stamp")"
	done < <(find "$KDIR" -mindepth 2 -maxdepth 2 -path '*/build-*/.config' -mtime +14)
}

prepare_output() {
	local seed
	if [ ! -d "$OUT" ]; then
		drop_old_builds
		if seed=$(find_seed); then
			say "Starting from the objects of $(basename "$seed")."
			rm -rf "$KDIR"/.lu-seed
			cp -a "$seed" "$KDIR/.lu-seed"
			rm -f "$KDIR/.lu-seed/.lu-built"
			touch "$KDIR/.lu-seed/.lu-fresh"
			mv -T "$KDIR/.lu-seed" "$OUT"
			# Where the two trees differ, time stamps tell nothing.
			if [ "$(dirname "$seed")" != "$KDIR" ]; then
				rm -f "$OUT/.lu-listing"
				{ cat "$OUT/.lu-touched" "$KDIR/.liveupdate-mainline/touched" 2>/dev/null || true; } | forget_objects
			fi
		else
			mkdir -p "$OUT"
		fi
	fi
	forget_stale
}

# objtool has absolute paths built in, so a copied build makes it anew; and every
# object depends on it. It is the same program as before, so give it back its
# old time stamp.
keep_objtool() {
	local tool=$OUT/tools/objtool stamp
	[ -f "$OUT/.lu-fresh" ] || return 0
	if [ -f "$tool/objtool" ]; then
		stamp=$(stat -c @%.9Y "$tool/objtool")
		watch objtool "$LOGS/objtool.log" kmake -j"$JOBS" tools/objtool || {
			show_failure "$LOGS/objtool.log"
			die "the kernel's objtool did not build"
		}
		find "$tool" -type f -newermt "$stamp" -exec touch -d "$stamp" {} +
	fi
	rm "$OUT/.lu-fresh"
}

# Remember what this build was made of.
mark_built() {
	if [ "$TREE" = rust ]; then
		printf '%s\n' "$LISTING" >"$OUT/.lu-listing"
		cp "$KDIR/.liveupdate-mainline/touched" "$OUT/.lu-touched"
	fi
	requested_options >"$OUT/.lu-requested"
	printf '%s\n' "$TOOLS" >"$OUT/.lu-built"
}

# What the fragments ask for, the last word on each option.
requested_options() {
	sed -n -e 's/^# \(CONFIG_[A-Z0-9_a-z]*\) is not set.*/\1=n/p' -e '/^CONFIG_/p' "${FRAGMENTS[@]}" |
		awk -F= '{ if (!($1 in value)) order[++n] = $1; value[$1] = substr($0, length($1) + 2) }
			END { for (i = 1; i <= n; i++) print order[i] "=" value[order[i]] }'
}

# Whether the kernel works without this option, and these tools do not allow it.
is_spared() {
	[ "$1" = CONFIG_RUST_INLINE_HELPERS ] || return 1
	! grep -qx CONFIG_RUSTC_CLANG_LLVM_COMPATIBLE=y "$OUT/.config" || return 1
	say "rustc and clang are of different LLVM versions: C helpers are not inlined into Rust code."
}

# kconfig drops what it cannot satisfy without a word. Say which, and stop.
verify_options() {
	local line name value lost=()
	while read -r line; do
		name=${line%%=*} value=${line#*=}
		if [ "$value" = n ]; then
			! grep -qE "^$name=" "$OUT/.config" || lost+=("$name=n, but it is $(grep -E "^$name=" "$OUT/.config" | cut -d= -f2)")
		elif ! grep -qxF "$line" "$OUT/.config" && ! is_spared "$name"; then
			lost+=("$line")
		fi
	done < <(requested_options)
	[ ${#lost[@]} -gt 0 ] || return 0
	if ! grep -qx CONFIG_RUST=y "$OUT/.config"; then
		say "CONFIG_RUST did not survive; 'make rustavailable' of the kernel says:"
		kmake rustavailable 2>&1 | tail -n 15 >&2 || true
		die "the kernel's build does not take this Rust toolchain; see the lines above"
	fi
	die "the kernel's configuration does not honour what was asked for:" "${lost[@]}" \
		"A dependency of these options is missing; see 'depends on' in the tree's Kconfig files."
}

configure() {
	local log=$LOGS/config-$VARIANT-$ARCH.log
	mkdir -p "$LOGS"
	{ kmake tinyconfig && requested_options >>"$OUT/.config" && kmake olddefconfig; } >"$log" 2>&1 </dev/null || {
		show_failure "$log"
		die "the kernel could not be configured"
	}
	verify_options
}

# Numbers of the log lines that begin a warning; with a second argument, only of
# warnings about paths that begin so. rustc names the place a few lines further
# down, clang and modpost at once.
find_warnings() {
	awk -v where="${2:-}" '
		/(^|[ :])([Ww]arning|WARNING)(:|\[)|[Ss]ection mismatch/ {
			start = NR
			if (where == "" || $0 ~ "^[^ ]*" where)
				print NR
		}
		where != "" && start && NR - start <= 4 && $0 ~ "^ *--> [^ ]*" where { print start }' "$1"
}

# Fail on warnings in a build of ours. What was warned about must be compiled
# again next time, or the second try would pass in silence.
reject_warnings() {
	local log=$1 where=${2:-} lines=() line
	mapfile -t lines < <(find_warnings "$log" "$where")
	[ ${#lines[@]} -gt 0 ] || return 0
	for line in "${lines[@]:0:10}"; do
		say "--- $log, line $line:"
		sed -n "${line},$((line + 8))p" "$log" >&2
	done
	rm -rf "${OUT:?}/kernel/liveupdate" "$OUT/vmlinux.o" "$OUT/vmlinux.symvers"
	die "the build printed ${#lines[@]} warnings; it must be silent" "The full log is $log"
}
