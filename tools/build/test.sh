#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Test the scripts of this directory: what they print, what they refuse, and
# that a mount leaves no trace. Builds no kernel. Ends with `N passed, N failed`.

# shellcheck disable=SC2016,SC2030,SC2031 # Literal text; subshells on purpose.
. "$(dirname "$0")/lib.sh"

passed=0 failed=0
mkdir -p "$CACHE"
# In the cache, for hard links do not cross file systems.
SCRATCH=$(mktemp -d "$CACHE/.test.XXXXXX")
trap 'rm -rf "$SCRATCH"' EXIT
OUTPUT=$SCRATCH/output

ok() {
	say "ok      $1"
	passed=$((passed + 1))
}
not_ok() {
	say "FAILED  $1"
	[ ! -s "$OUTPUT" ] || sed 's/^/        | /' "$OUTPUT" >&2
	failed=$((failed + 1))
}

# Both run their command in a subshell, for functions that call die.
# holds WHAT COMMAND...: the command succeeds.
holds() {
	local what=$1
	shift
	if ("$@") >"$OUTPUT" 2>&1; then ok "$what"; else not_ok "$what"; fi
}
# refuses WHAT TEXT COMMAND...: the command fails and says TEXT.
refuses() {
	local what=$1 text=$2
	shift 2
	if ("$@") >"$OUTPUT" 2>&1; then
		printf 'it succeeded\n' >>"$OUTPUT"
		not_ok "$what"
	elif grep -qF -- "$text" "$OUTPUT"; then
		ok "$what"
	else
		printf 'it did not say: %s\n' "$text" >>"$OUTPUT"
		not_ok "$what"
	fi
}
same() {
	[ "$1" = "$2" ] || { printf 'expected: %s\nfound:    %s\n' "$1" "$2"; return 1; }
}

# Kind, mode, path and content of all below a directory, but not time stamps.
listing() {
	(cd "$1" && {
		find . -mindepth 1 ! -type f -printf '%y %m %p %l\n'
		find . -type f -printf '%y %m %p\n'
		find . -type f -print0 | xargs -0 sha256sum
	} | LC_ALL=C sort | sha256sum)
}

# The part of a kernel tree that a mount can touch, by hard links.
make_tree() {
	local entry
	mkdir -p "$1"
	for entry in Makefile Kbuild Kconfig init kernel include mm; do
		cp -al "$SOURCE/$entry" "$1/$entry"
	done
}

# A clone of this repository as far as mount.sh is concerned, with a header that
# the kernel has, one that it has not, and a patch that touches two files.
make_clone() {
	mkdir -p "$1/tools" "$1/rust" "$1/patches" "$1/include/linux/kho/abi" "$1/include/uapi/linux"
	cp -a "$BUILD_SCRIPTS" "$1/tools/build"
	printf 'obj-y :=\n' >"$1/Kbuild"
	printf '# empty\n' >"$1/Kconfig"
	printf '/* luo.h of %s */\n' "$1" >"$1/include/linux/kho/abi/luo.h"
	printf '/* new.h */\n' >"$1/include/linux/kho/abi/lu_test_new.h"
	printf '/* uapi */\n' >"$1/include/uapi/linux/liveupdate.h"
	printf '# a comment\nhook.patch\n' >"$1/patches/series"
	mkdir -p "$SCRATCH/edit/a/mm" "$SCRATCH/edit/b/mm"
	cp "$SOURCE/mm/memfd_luo.c" "$SOURCE/mm/memfd.c" "$SCRATCH/edit/a/mm/"
	for file in memfd_luo.c memfd.c; do
		sed '1a /* A hook. */' "$SCRATCH/edit/a/mm/$file" >"$SCRATCH/edit/b/mm/$file"
	done
	(cd "$SCRATCH/edit" && diff -u -r a b) >"$1/patches/hook.patch" || true
}

test_source() {
	local path again
	path=$("$BUILD_SCRIPTS/source.sh" 2>/dev/null | tail -n 1)
	holds "source prints a kernel tree of the right version" same "$LINUX_VERSION" "$(tree_version "$path")"
	again=$(http_proxy=http://127.0.0.1:9 "$BUILD_SCRIPTS/source.sh" 2>"$OUTPUT" | tail -n 1)
	holds "source serves from the cache without a network" same "$path" "$again"
	SOURCE=$path
}

test_round_trip() {
	local tree=$SCRATCH/tree clone=$SCRATCH/clone before pristine
	make_tree "$tree"
	make_clone "$clone"
	before=$(listing "$tree")
	pristine=$(sha256sum "$SOURCE/mm/memfd.c" "$SOURCE/include/linux/kho/abi/luo.h")
	holds "mount works" "$clone/tools/build/mount.sh" mount "$tree"
	holds "kernel/liveupdate is the repository" same "$clone" "$(readlink "$tree/kernel/liveupdate")"
	holds "a header takes the place of the kernel's" same "$clone/include/linux/kho/abi/luo.h" \
		"$(readlink "$tree/include/linux/kho/abi/luo.h")"
	holds "a header that the kernel lacks is there" grep -q new.h "$tree/include/linux/kho/abi/lu_test_new.h"
	holds "a header that the repository lacks is the kernel's" test ! -L "$tree/include/linux/kho/abi/block.h"
	holds "the patch is applied to its first file" grep -q 'A hook' "$tree/mm/memfd.c"
	holds "the patch is applied to its second file" grep -q 'A hook' "$tree/mm/memfd_luo.c"
	holds "the tree it shares files with is untouched" same "$pristine" \
		"$(sha256sum "$SOURCE/mm/memfd.c" "$SOURCE/include/linux/kho/abi/luo.h")"
	holds "a second mount changes nothing" same "$(listing "$tree")" \
		"$("$clone/tools/build/mount.sh" mount "$tree" 2>/dev/null; listing "$tree")"
	test_other_clone "$tree" "$clone"
	test_changes "$tree" "$clone"
	holds "unmount works" "$clone/tools/build/mount.sh" unmount "$tree"
	holds "unmount leaves the tree as it was" same "$before" "$(listing "$tree")"
	holds "a second unmount is no error" "$clone/tools/build/mount.sh" unmount "$tree"
	test_interrupted "$tree" "$clone" "$before"
	test_bad_patch "$tree" "$clone" "$before"
	test_few_headers "$tree" "$clone" "$before"
}

test_other_clone() {
	local tree=$1 first=$2 other=$SCRATCH/other
	make_clone "$other"
	refuses "mount refuses a tree of another clone and names it" "$first" "$other/tools/build/mount.sh" mount "$tree"
	holds "mount takes its place when told to" "$other/tools/build/mount.sh" mount "$tree" --remount
	holds "then the other clone's headers are there" grep -q "$other" "$tree/include/linux/kho/abi/luo.h"
	rm -rf "$other"
	holds "mount takes the place of a clone that is gone" "$first/tools/build/mount.sh" mount "$tree" --remount
	holds "then the first clone's headers are there" grep -q "$first" "$tree/include/linux/kho/abi/luo.h"
}

# What the repository has now counts, not what it had at the first mount.
test_changes() {
	local tree=$1 clone=$2
	rm "$clone/include/linux/kho/abi/lu_test_new.h"
	sed -i 's/A hook/Another hook/' "$clone/patches/hook.patch"
	holds "mount again after changes" "$clone/tools/build/mount.sh" mount "$tree"
	holds "a header that is gone is gone from the tree" test ! -L "$tree/include/linux/kho/abi/lu_test_new.h"
	holds "a patch that changed is applied anew" grep -q 'Another hook' "$tree/mm/memfd.c"
	holds "mount without patches" env PATCHES=no "$clone/tools/build/mount.sh" mount "$tree"
	holds "then they are out of the tree" same "$(sha256sum <"$SOURCE/mm/memfd.c")" "$(sha256sum <"$tree/mm/memfd.c")"
	holds "mount with them again" "$clone/tools/build/mount.sh" mount "$tree"
	holds "then they are back" grep -q 'Another hook' "$tree/mm/memfd.c"
}

# A mount that died: after its first step, and before its last.
test_interrupted() {
	local tree=$1 clone=$2 before=$3
	mkdir -p "$tree/.liveupdate-mainline/original/kernel"
	printf '%s\n' "$clone" >"$tree/.liveupdate-mainline/repository"
	holds "unmount after a mount that did next to nothing" "$clone/tools/build/mount.sh" unmount "$tree"
	holds "and the tree is as it was" same "$before" "$(listing "$tree")"
	"$clone/tools/build/mount.sh" mount "$tree" 2>/dev/null
	rm "$tree/.liveupdate-mainline/complete"
	holds "mount finishes one that was interrupted" "$clone/tools/build/mount.sh" mount "$tree"
	holds "and it unmounts" "$clone/tools/build/mount.sh" unmount "$tree"
	holds "and the tree is as it was" same "$before" "$(listing "$tree")"
}

test_bad_patch() {
	local tree=$1 clone=$2 before=$3
	sed 's/^ #include/ #exclude/; s/memfd_luo.c/kexec_none.c/' "$clone/patches/hook.patch" >"$clone/patches/bad.patch"
	printf 'bad.patch\n' >>"$clone/patches/series"
	refuses "mount names the patch that does not apply" "patches/bad.patch does not apply" \
		"$clone/tools/build/mount.sh" mount "$tree"
	refuses "and the file" "(in mm/kexec_none.c" "$clone/tools/build/mount.sh" mount "$tree"
	holds "and the tree is as it was" same "$before" "$(listing "$tree")"
}

# A repository need not have headers of each kind, or patches.
test_few_headers() {
	local tree=$1 clone=$2 before=$3
	rm -rf "$clone/include/linux" "$clone/patches"
	holds "mount without kho/abi headers and patches" "$clone/tools/build/mount.sh" mount "$tree"
	holds "the uapi header is in place" test -L "$tree/include/uapi/linux/liveupdate.h"
	rm -rf "$clone/include"
	holds "mount without any header" "$clone/tools/build/mount.sh" mount "$tree"
	holds "the uapi header is the kernel's" test ! -L "$tree/include/uapi/linux/liveupdate.h"
	holds "unmount of that" "$clone/tools/build/mount.sh" unmount "$tree"
	holds "and the tree is as it was" same "$before" "$(listing "$tree")"
}

test_refusals() {
	local tree=$SCRATCH/old mount=$BUILD_SCRIPTS/mount.sh
	mkdir -p "$tree/init" "$tree/kernel"
	touch "$tree/Kbuild" "$tree/init/Kconfig"
	refuses "mount wants KDIR" "KDIR is not set" "$mount" mount ''
	refuses "mount wants a directory" "no directory" "$mount" mount "$SCRATCH/none"
	refuses "mount wants a kernel tree" "no Linux source tree" "$mount" mount "$SCRATCH"
	printf 'VERSION = 6\nPATCHLEVEL = 12\n' >"$tree/Makefile"
	refuses "mount wants the right version" "is Linux 6.12" "$mount" mount "$tree"
	printf 'VERSION = %s\nPATCHLEVEL = %s\n' "${LINUX_VERSION%.*}" "${LINUX_VERSION#*.}" >"$tree/Makefile"
	refuses "mount wants a tree with live update" "does not build kernel/liveupdate" "$mount" mount "$tree"
	refuses "image wants a known variant" "VARIANT=frob" env VARIANT=frob "$BUILD_SCRIPTS/image.sh"
	refuses "image wants a known architecture" "ARCH=vax" env ARCH=vax "$BUILD_SCRIPTS/image.sh"
	refuses "image wants a sane release" "RELEASE='a b'" env RELEASE='a b' "$BUILD_SCRIPTS/image.sh"
	refuses "image wants a readable CONFIG_EXTRA" "CONFIG_EXTRA=/none" env CONFIG_EXTRA=/none "$BUILD_SCRIPTS/image.sh"
	refuses "demo wants known kernels" "'frob' is no kernel" env FROM=frob "$BUILD_SCRIPTS/demo.sh"
	refuses "there are two demos" "'frob' is nothing" "$BUILD_SCRIPTS/demo.sh" frob
	refuses "mainline has no devices to show" "not from mainline to rust" env FROM=mainline "$BUILD_SCRIPTS/demo.sh" vfio
	refuses "other machines must be known" "'vax' is no machine" "$BUILD_SCRIPTS/test-machines.sh" vax
	refuses "qualify wants known kernels" "'frob' is no kernel to qualify" env FROM=frob "$BUILD_SCRIPTS/qualify.sh"
	refuses "a matrix has kernels of its own" "do not go with it" \
		env MATRIX=1 FROM=mainline "$BUILD_SCRIPTS/qualify.sh"
	refuses "qualify wants images that exist" "no kernel image /none" env TO=/none "$BUILD_SCRIPTS/qualify.sh"
	refuses "bench wants a known extent" "BENCH=frob" env BENCH=frob "$BUILD_SCRIPTS/bench.sh"
	refuses "bench wants known kernels" "'frob' is nothing" "$BUILD_SCRIPTS/bench.sh" --only frob
	refuses "the cache must have a path that the kernel can be built in" "takes no spaces" \
		env XDG_CACHE_HOME='/tmp/a b' "$BUILD_SCRIPTS/source.sh"
}

# The checks of a build, on logs and configurations made up here.
test_kernel_checks() {
	. "$BUILD_SCRIPTS/kernel.sh"
	OUT=$SCRATCH/build LOG=$SCRATCH/log
	mkdir -p "$OUT/kernel/liveupdate"
	FRAGMENTS=("$SCRATCH/one.config" "$SCRATCH/two.config")
	printf 'CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\nCONFIG_S="x=y"\n' >"${FRAGMENTS[0]}"
	printf 'CONFIG_B=n\n' >"${FRAGMENTS[1]}"
	printf 'CONFIG_RUST=y\nCONFIG_A=y\nCONFIG_S="x=y"\n' >"$OUT/.config"
	holds "a configuration that has all that was asked for passes" verify_options
	printf 'CONFIG_RUST=y\nCONFIG_S="x=y"\n' >"$OUT/.config"
	refuses "an option that kconfig dropped is named" "CONFIG_A=y" verify_options
	printf 'CONFIG_RUST=y\nCONFIG_A=y\nCONFIG_B=y\nCONFIG_S="x=y"\n' >"$OUT/.config"
	refuses "an option that kconfig forced on is named" "CONFIG_B=n" verify_options

	printf '  CC      kernel/a.o\n  RUSTC   kernel/liveupdate/rust/liveupdate.o\n' >"$LOG"
	holds "a silent build passes" reject_warnings "$LOG"
	printf 'warning: unused variable: `x`\n --> ../kernel/liveupdate/rust/a.rs:1:2\n' >"$LOG"
	refuses "a warning of rustc fails the build" "unused variable" reject_warnings "$LOG"
	printf 'WARNING: modpost: vmlinux: section mismatch in reference: a (section: .text)\n' >"$LOG"
	refuses "a section mismatch fails the build" "section mismatch" reject_warnings "$LOG"
	printf '../kernel/liveupdate/rust/ffi/a.c:3:1: warning: no prototype [-Wmissing]\n' >"$LOG"
	refuses "a warning of clang fails the build" "no prototype" reject_warnings "$LOG"
	printf 'warning: needless\n --> ../kernel/liveupdate/rust/a.rs:1:2\n' >"$LOG"
	refuses "clippy's word on our code counts" "needless" reject_warnings "$LOG" kernel/liveupdate/
	printf 'warning: needless\n --> ../rust/kernel/a.rs:1:2\n  CLIPPY  kernel/liveupdate/rust/a.o\n' >"$LOG"
	holds "clippy's word on the kernel's code does not" reject_warnings "$LOG" kernel/liveupdate/
}

# An image is named by what it was built from.
test_listing() {
	REPO=$SCRATCH/clone
	. "$BUILD_SCRIPTS/kernel.sh"
	local first second
	first=$(repository_listing)
	mkdir -p "$REPO/qualify/rust-to-rust"
	touch "$REPO/tools/x" "$REPO/README.md" "$REPO/qualify/rust-to-rust/report.json"
	holds "neither a tool nor a report makes another kernel" same "$first" "$(repository_listing)"
	printf '// x\n' >"$REPO/rust/x.rs"
	second=$(repository_listing)
	holds "a source file does" test "$first" != "$second"
}

test_unsafe() {
	local dir=$SCRATCH/rust check=$BUILD_SCRIPTS/unsafe-check.pl
	mkdir -p "$dir/kernel" "$dir/ffi" "$dir/luo"
	printf 'unsafe fn f() {}\n' | tee "$dir/kernel/a.rs" "$dir/ffi/a.rs" "$dir/luo/exports.rs" >/dev/null
	# shellcheck disable=SC2016
	printf '%s\n' '#![deny(unsafe_code)]' '// unsafe' '/* a /* unsafe */ unsafe */' 'const A: &str = "unsafe \" unsafe";' \
		"const B: char = '\"'; const C: &str = r#\"unsafe \"x\" unsafe\"#;" "fn f<'a>(x: &'a str, y: char) { g('\\'') }" >"$dir/luo/a.rs"
	holds "unsafe is fine where it is allowed, and in comments and literals" "$check" "$dir"
	printf "fn f<'a>() {\n\tlet q = '\"'; unsafe { g() } // '\"'\n}\n" >"$dir/luo/b.rs"
	refuses "unsafe elsewhere is named with file and line" "luo/b.rs:2:" "$check" "$dir"
	mkdir "$SCRATCH/empty"
	refuses "a directory without Rust is no success" "no Rust file" "$check" "$SCRATCH/empty"
}

test_counting() {
	. "$BUILD_SCRIPTS/results.sh"
	local log=$SCRATCH/results
	{
		printf 'test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n'
		printf 'test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n'
		printf '     Summary [   3.0s] 9 tests run: 5 passed (1 slow), 3 failed, 1 timed out, 0 skipped\n'
		printf '4 passed, 1 failed\n'
	} >"$log"
	holds "results of all runners are added up" same "19 7" "$(count_results "$log")"
	LOGS=$SCRATCH
	holds "a stage that runs no test fails" eval 'stage none true; [ "$tests_failed" -eq 1 ]'
	holds "a stage that breaks off fails" eval 'stage broken sh -c "echo 3 passed, 0 failed; exit 1"; [ "$tests_failed" -eq 1 ]'
}

test_watch() {
	holds "watch passes on success" watch label "$SCRATCH/watch.log" true
	refuses "watch passes on failure" "exit status 3" watch label "$SCRATCH/watch.log" sh -c 'exit 3'
	holds "versions are compared as versions" version_ge 1.100.0 1.85.0
	holds "and not as text" eval '! version_ge 1.9.0 1.85.0'
}

# Run a group of tests that changes our variables in a subshell, and take over
# its counts.
apart() {
	rm -f "$SCRATCH/counts"
	("$1"; printf '%d %d\n' "$passed" "$failed" >"$SCRATCH/counts") || true
	if [ -f "$SCRATCH/counts" ]; then
		read -r passed failed <"$SCRATCH/counts"
	else
		: >"$OUTPUT"
		not_ok "$1 came to its end"
	fi
}

test_source
test_round_trip
test_refusals
apart test_kernel_checks
apart test_listing
test_unsafe
apart test_counting
test_watch
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
