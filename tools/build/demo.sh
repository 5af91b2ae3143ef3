#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Build the two kernels of a demo and run it. FROM and TO name their variants. The
# argument says what is shown:
#
#	files    many files, which is the default
#	vfio     an assigned device

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/harness.sh"

FROM=${FROM:-rust} TO=${TO:-rust}
for variant in "$FROM" "$TO"; do
	case $variant in
	rust | mainline | rust-cmemfd) ;;
	*) die "'$variant' is no kernel to start from or to end in; FROM and TO are rust, mainline or rust-cmemfd" ;;
	esac
done
case ${1:-files} in
files) DEMO=(demo --from "$FROM" --to "$TO") ;;
vfio)
	[ "$FROM $TO" = "rust rust" ] ||
		die "a device goes from rust to rust only, not from $FROM to $TO" "There is no code for that but this repository's."
	DEMO=(demo-vfio)
	# shellcheck disable=SC2034 # For export_image.
	IMAGE_CONFIG=$BUILD_SCRIPTS/config/vfio.config
	;;
*) die "'$1' is nothing that is shown; it is files or vfio" ;;
esac
use_cargo || die "there is no usable cargo; run 'make setup'"
[ -f "$REPO/Cargo.toml" ] || die "there is no Cargo.toml in $REPO"

export_image "$FROM" a || die "the kernel to start from ($FROM) could not be built"
export_kernel_paths "$LAST_IMAGE"
export_image "$TO" b || die "the kernel to end in ($TO) could not be built"
cd "$REPO"
exec cargo run --quiet --release -p lu-demo --bin "${DEMO[0]}" -- "${DEMO[@]:1}"
