#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Build the two kernels of the demo and run it. FROM and TO name their variants.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/harness.sh"

FROM=${FROM:-rust} TO=${TO:-rust}
for variant in "$FROM" "$TO"; do
	case $variant in
	rust | mainline | rust-cmemfd) ;;
	*) die "'$variant' is no kernel to start from or to end in; FROM and TO are rust, mainline or rust-cmemfd" ;;
	esac
done
use_cargo || die "there is no usable cargo; run 'make setup'"
[ -f "$REPO/Cargo.toml" ] || die "there is no Cargo.toml in $REPO"

export_image "$FROM" a || die "the kernel to start from ($FROM) could not be built"
export_kernel_paths "$LAST_IMAGE"
export_image "$TO" b || die "the kernel to end in ($TO) could not be built"
cd "$REPO"
exec cargo run --quiet --release -p lu-demo --bin demo -- --from "$FROM" --to "$TO"
