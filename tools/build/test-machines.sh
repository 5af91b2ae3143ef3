#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests in virtual machines that `make test` has no time for. One argument:
#
#	arm64    live updates on arm64, in all directions
#	debug    a kernel of this repository that looks after itself, see
#	         config/debug.config, with itself
#	vfio     a kernel of this repository that assigns devices, see
#	         config/vfio.config, with itself
#	vfio-debug
#	         the same, and it looks after itself
#	vfio-modules
#	         the same, with VFIO in modules
#
# TESTS may hold parts of the names of the tests to run, separated by blanks. Ends
# with a verdict and `N passed, N failed`.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/harness.sh"
. "$(dirname "$0")/results.sh"

# The guests of luoctl's tests are for x86_64 only, and no image here has mainline's
# memfd handler.
OPTIONS=(--skip c_memfd_handler)
# What the test runner itself is told: which files of tests, if not all.
RUNNER=()
NAMES=()
export LU_VM_PATIENCE=1 LU_VM_MEMORY_MIB=1024 LU_VM_CMDLINE=

choose_machine() {
	case $1 in
	arm64)
		IMAGE_ARCH=arm64
		VARIANTS=(mainline rust)
		OPTIONS+=(--skip luoctl)
		LU_VM_PATIENCE=3
		;;
	debug)
		VARIANTS=(rust)
		NAMES=(rust_to_rust on_rust)
		OPTIONS+=(--include-ignored)
		use_debug_kernels
		;;
	vfio | vfio-debug)
		IMAGE_CONFIG=$BUILD_SCRIPTS/config/vfio.config
		VARIANTS=(rust)
		RUNNER=("${DEVICE_TESTS[@]}")
		OPTIONS+=(--include-ignored)
		if [ "$1" = vfio-debug ]; then
			use_debug_kernels
			IMAGE_CONFIG=$BUILD_SCRIPTS/config/vfio.config
			cat "$IMAGE_CONFIG" "$BUILD_SCRIPTS/config/debug.config" >"$LOGS/vfio-debug.config"
			IMAGE_CONFIG=$LOGS/vfio-debug.config
			RUNNER+=(--test vfio_faults)
		fi
		;;
	vfio-modules)
		cat "$BUILD_SCRIPTS/config/vfio.config" "$BUILD_SCRIPTS/config/vfio-modules.config" >"$LOGS/vfio-modules.config"
		IMAGE_CONFIG=$LOGS/vfio-modules.config
		VARIANTS=(rust)
		RUNNER=(--test vfio --test vfio_modules)
		NAMES=(preserve module abort)
		# It is modprobe, not our init, that looks for parameters of modules on the
		# kernel's command line.
		OPTIONS+=(--include-ignored --skip running)
		;;
	*) die "'$1' is no machine to test on; it is arm64, debug, vfio, vfio-debug or vfio-modules" ;;
	esac
	[ -z "${TESTS:-}" ] || read -ra NAMES <<<"$TESTS"
}

build_images() {
	local variant
	for variant in "${VARIANTS[@]}"; do
		export_image "$variant" a && export_kernel_paths "$LAST_IMAGE" && export_image "$variant" b || return 1
	done
}

test_vm() {
	ARCH=$IMAGE_ARCH run_vm_tests "${RUNNER[@]}" -- "${NAMES[@]}" "${OPTIONS[@]}"
}

mkdir -p "$LOGS"
choose_machine "${1:-}"
cd "$REPO"
use_cargo || die "there is no usable cargo; run 'make setup'"
build_images || die "the kernels could not be built"
stage "VM tests $1" test_vm
verdict
