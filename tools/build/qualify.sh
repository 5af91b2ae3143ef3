#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Qualify live updates from one kernel to another. From the environment:
#
#	FROM, TO    the kernels: rust, mainline, or the path of an image
#	MATRIX=1    all pairs of rust and mainline instead
#	DEBUG=1     kernels built here look after themselves, see config/debug.config
#	CONFIG_EXTRA
#	            a file with more of the configuration of kernels built here
#	ARCH        x86_64 or arm64
#	SCENARIOS   parts of the names of scenarios, separated by blanks
#	QUICK=1     leave out those that take long
#	SEED        makes the random choices of an earlier run
#	REPORT      the directory for the report

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/harness.sh"

FROM=${FROM:-rust} TO=${TO:-rust}
OPTIONS=()

check_kernel() {
	case $1 in
	rust | mainline) ;;
	*/*) [ -f "$1" ] || die "there is no kernel image $1" ;;
	*) die "'$1' is no kernel to qualify" "FROM and TO are rust, mainline or the path of an image, with a / in it." ;;
	esac
}

# Built with a suffix of their own, so that a live update can be seen.
build() {
	case $1 in
	rust | mainline) export_image "$1" "$2" && export_kernel_paths "$LAST_IMAGE" ;;
	esac
}

build_all() {
	if [ -n "${MATRIX:-}" ]; then
		build mainline a && build mainline b && build rust a && build rust b
	else
		build "$FROM" a && build "$TO" b
	fi
}

if [ -n "${MATRIX:-}" ]; then
	[ "$FROM$TO" = rustrust ] || die "MATRIX=1 is all pairs of rust and mainline; FROM and TO do not go with it"
	OPTIONS+=(--matrix)
	default_report=$REPO/qualify/matrix
else
	check_kernel "$FROM"
	check_kernel "$TO"
	OPTIONS+=(--from "$FROM" --to "$TO")
	default_report=$REPO/qualify/$(basename "$FROM")-to-$(basename "$TO")
fi
# shellcheck disable=SC2034 # For export_image.
IMAGE_ARCH=${ARCH:-x86_64} IMAGE_CONFIG=${CONFIG_EXTRA:-}
if [ -n "${DEBUG:-}" ]; then
	[ -z "${CONFIG_EXTRA:-}" ] || die "DEBUG and CONFIG_EXTRA exclude each other"
	use_debug_kernels
	default_report+=-debug
fi
[ "$IMAGE_ARCH" = x86_64 ] || default_report+=-$IMAGE_ARCH
[ -z "${QUICK:-}" ] || OPTIONS+=(--quick)
[ -z "${SEED:-}" ] || OPTIONS+=(--seed "$SEED")
words=()
[ -z "${SCENARIOS:-}" ] || read -ra words <<<"$SCENARIOS"

use_cargo || die "there is no usable cargo; run 'make setup'"
# Programs for the guests are built from its headers, whoever built the kernels.
LU_KERNEL_SOURCE=$("$BUILD_SCRIPTS/source.sh" | tail -n 1) || die "there is no kernel source"
export LU_KERNEL_SOURCE
build_all || die "the kernels could not be built"
cd "$REPO"
export ARCH=$IMAGE_ARCH
exec cargo run --quiet --release -p lu-qualify --bin qualify -- "${OPTIONS[@]}" \
	--out "${REPORT:-$default_report}" "${words[@]}"
