#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Build the kernels that the benchmark compares and run it; arguments are its
# own, `bench.sh --help` lists them. BENCH=quick takes minutes instead of an hour.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/harness.sh"

case ${BENCH:-full} in
full) ;;
quick) set -- --quick "$@" ;;
*) die "BENCH=$BENCH is not known; it is full or quick" ;;
esac

# Which kernels the arguments leave to us: none if there is an image or only help.
variants="mainline rust" previous=
for argument in "$@"; do
	case $previous,$argument in
	*,--image | *,--image=* | *,--help | *,-h) variants= ;;
	--only,* | *,--only=*) [ -z "$variants" ] || variants=${argument#--only=} ;;
	esac
	previous=$argument
done
use_cargo || die "there is no usable cargo; run 'make setup'"
for variant in $variants; do
	case $variant in
	rust | mainline) ;;
	# The same kernel, told to write another format.
	rust-extents) variant=rust ;;
	*) die "'$variant' is nothing to measure; --only takes rust, rust-extents or mainline" ;;
	esac
	export_image "$variant" a "$BUILD_SCRIPTS/config/bench.config" || die "the kernel to measure ($variant) could not be built"
done
# The benchmark itself limits the guests that run at once.
LU_VM_JOBS=${LU_VM_JOBS:-$(nproc)}
export LU_VM_JOBS
cd "$REPO"
exec cargo run --quiet --release -p lu-bench --bin bench -- "$@"
