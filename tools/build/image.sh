#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Build a kernel and print the path of its bootable image as the last line.
# Reads from the environment:
#
#	VARIANT       rust (this repository), mainline (its C implementation), or
#	              rust-cmemfd (this repository with mainline's memfd handler)
#	ARCH          x86_64 or arm64
#	RELEASE       last part of the kernel's version string: 7.3.4-VARIANT-RELEASE
#	CONFIG_EXTRA  a file with more configuration options
#	JOBS          how many compilers at a time
#
# With --clippy it runs the kernel's clippy over kernel/liveupdate instead, and
# prints nothing but what it found.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/kernel.sh"

# Raised when images built before would no longer be what this script builds.
readonly FORMAT=1
readonly KEEP_IMAGES=8
# Whoever asked for an image may still be using it: a benchmark takes an hour.
readonly KEEP_MINUTES=240

VARIANT=${VARIANT:-rust} ARCH=${ARCH:-x86_64} RELEASE=${RELEASE:-a}
CONFIG_EXTRA=${CONFIG_EXTRA:-} JOBS=${JOBS:-$(nproc)}
CLIPPY=
[ "${1:-}" != --clippy ] || CLIPPY=1

case $VARIANT in
rust | rust-cmemfd) TREE=rust ;;
mainline) TREE=mainline ;;
*) die "VARIANT=$VARIANT is not known; it is rust, mainline or rust-cmemfd" ;;
esac
case $ARCH in
x86_64) TARGET=bzImage IMAGE=arch/x86/boot/bzImage ;;
arm64) TARGET=Image IMAGE=arch/arm64/boot/Image ;;
*) die "ARCH=$ARCH is not known; it is x86_64 or arm64" ;;
esac
[[ $RELEASE =~ ^[A-Za-z0-9._-]{1,24}$ ]] ||
	die "RELEASE='$RELEASE' cannot be part of a version string; use up to 24 letters, digits, dots and dashes"
[ -z "$CONFIG_EXTRA" ] || [ -r "$CONFIG_EXTRA" ] || die "CONFIG_EXTRA=$CONFIG_EXTRA cannot be read"
if [ "$TREE" = rust ] && { [ ! -f "$REPO/Kbuild" ] || [ ! -f "$REPO/Kconfig" ]; }; then
	die "VARIANT=$VARIANT needs Kbuild and Kconfig in $REPO, and they are not both there"
fi

SOURCE=$("$BUILD_SCRIPTS/source.sh" | tail -n 1)
STORE=$CACHE/$(basename "$SOURCE")
BINDGEN=$(find_bindgen) || die "there is no usable bindgen; run 'make setup'"
FRAGMENTS=("$BUILD_SCRIPTS/config/base.config" "$BUILD_SCRIPTS/config/$ARCH.config" "$BUILD_SCRIPTS/config/$VARIANT.config")
[ -z "$CONFIG_EXTRA" ] || FRAGMENTS+=("$CONFIG_EXTRA")
KDIR=$STORE/tree-$TREE
TOOLS=$(toolchain_id)
CONFIG_HASH=$(cat "${FRAGMENTS[@]}" <(printf '%s\n' "$VARIANT" "$TOOLS") | sha256sum | cut -c 1-10)
# The build must be a direct child of its source tree: then the kernel names its
# sources by relative paths, and objects serve another tree's build as they are.
OUT=$KDIR/build-$VARIANT-$ARCH-$CONFIG_HASH${CLIPPY:+-clippy}
NAME=$VARIANT-$ARCH-$RELEASE
LISTING=
[ "$TREE" != rust ] || LISTING=$(repository_listing)
KEY=$(printf '%s\n' "$FORMAT" "$CONFIG_HASH" "$LISTING" "${PATCHES:-yes}" | sha256sum | cut -c 1-12)
RESULT=$STORE/images/$NAME-$KEY

has_modules() {
	grep -qx CONFIG_MODULES=y "$OUT/.config"
}

# What modprobe would load for vfio-pci, in that order: modules/0.ko and so on.
publish_modules() {
	local result=$1 release module number=0
	has_modules || return 0
	release=$(cat "$OUT/include/config/kernel.release")
	kmake INSTALL_MOD_PATH="$result/root" modules_install >"$LOGS/modules-$NAME.log" 2>&1 || {
		show_failure "$LOGS/modules-$NAME.log"
		die "the modules of $NAME could not be installed"
	}
	mkdir "$result/modules"
	while read -r _ module _; do
		cp "$module" "$result/modules/$number.ko"
		number=$((number + 1))
	done < <(modprobe -d "$result/root" -S "$release" --show-depends vfio-pci | awk '!seen[$2]++')
	rm -rf "$result/root"
	[ "$number" -gt 0 ] || die "modprobe finds no module vfio-pci among those of $NAME"
}

# Copy the image out under a name that says what it was built from. Another
# build in the same place, of another clone perhaps, does not disturb it.
publish() {
	local temporary
	mkdir -p "$STORE/images"
	temporary=$(mktemp -d "$STORE/images/.new.XXXXXX")
	cp "$OUT/$IMAGE" "$OUT/System.map" "$temporary/"
	cp "$OUT/.config" "$temporary/config"
	cp "$OUT/include/config/kernel.release" "$temporary/release"
	publish_modules "$temporary"
	ln -s "$OUT" "$temporary/obj"
	chmod 755 "$temporary"
	rm -rf "$RESULT"
	mv -T "$temporary" "$RESULT"
	find "$STORE/images" -maxdepth 1 -name "$NAME-????????????" -printf '%T@ %p\n' | sort -rn |
		tail -n +$((KEEP_IMAGES + 1)) | cut -d' ' -f2- | while read -r image; do
		find "$image" -maxdepth 0 -mmin +$KEEP_MINUTES -exec rm -rf {} +
	done
}

build_image() {
	local log=$LOGS/kernel-$NAME.log targets=("$TARGET" headers)
	! has_modules || targets+=(modules)
	say "Building kernel $NAME ($(basename "$SOURCE")); the full log is $log"
	if ! watch "kernel $NAME" "$log" kmake -j"$JOBS" LOCALVERSION="-$VARIANT-$RELEASE" "${targets[@]}"; then
		show_failure "$log"
		die "the kernel $NAME did not build"
	fi
	[ "$TREE" = mainline ] || reject_warnings "$log"
}

run_clippy() {
	local log=$LOGS/clippy-$NAME.log
	say "Running the kernel's clippy over kernel/liveupdate; the full log is $log"
	if ! watch "clippy" "$log" kmake -j"$JOBS" CLIPPY=1 LOCALVERSION="-$VARIANT-$RELEASE" kernel/liveupdate/; then
		show_failure "$log"
		die "kernel/liveupdate does not build under clippy"
	fi
	reject_warnings "$log" kernel/liveupdate/
}

if [ -z "$CLIPPY" ] && [ -f "$RESULT/$(basename "$IMAGE")" ]; then
	touch "$RESULT"
else
	lock_cache
	prepare_tree
	prepare_output
	configure
	keep_objtool
	if [ -n "$CLIPPY" ]; then
		run_clippy
		mark_built
		exit 0
	fi
	build_image
	mark_built
	# The name of the image is that of what was there before, which it may have waited for.
	[ "$TREE" != rust ] || [ "$LISTING" = "$(repository_listing)" ] ||
		die "$REPO changed while the kernel $NAME was built from it" "Build it again."
	publish
fi
say "Kernel $(cat "$RESULT/release") ($VARIANT, $ARCH)"
printf '%s\n' "$RESULT/$(basename "$IMAGE")"
