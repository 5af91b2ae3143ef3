# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the VM harness (tools/testing/vm) is told through the environment.
# Sourced after lib.sh, never run.

# The machine that images are for, and a file with more of their configuration.
# What the caller's environment says of these is for 'make image'.
IMAGE_ARCH=x86_64 IMAGE_CONFIG=

# Build an image and export its path: LU_IMAGE_<VARIANT>_<RELEASE>, in capitals
# and with underscores. A third argument takes the place of IMAGE_CONFIG.
export_image() {
	local variant=$1 release=$2 extra=${3:-$IMAGE_CONFIG} path name
	path=$(VARIANT=$variant RELEASE=$release ARCH=$IMAGE_ARCH CONFIG_EXTRA=$extra "$BUILD_SCRIPTS/image.sh" |
		tail -n 1) || return 1
	name=LU_IMAGE_${variant}_$release
	name=${name^^}
	export "${name//-/_}=$path"
	# shellcheck disable=SC2034 # For the caller.
	LAST_IMAGE=$path
}

# Export where the pristine source is, and the build that the image $1 is from,
# which has the kernel's own tools (usr/gen_init_cpio) and userspace headers
# (usr/include).
export_kernel_paths() {
	LU_KERNEL_SOURCE=$("$BUILD_SCRIPTS/source.sh" | tail -n 1) || return 1
	LU_KERNEL_OBJ=$(readlink "$(dirname "$1")/obj") || return 1
	export LU_KERNEL_SOURCE LU_KERNEL_OBJ
}

# Kernels that look after themselves, instead of the usual ones. They are slow, and
# KASAN takes an eighth of memory early in boot. By default the scratch regions would
# be twice of all that, and not always fit in. SLUB need not note who allocates, which
# KASAN does anyway: a tenth of the boot.
use_debug_kernels() {
	IMAGE_CONFIG=$BUILD_SCRIPTS/config/debug.config
	export LU_VM_PATIENCE=5 LU_VM_MEMORY_MIB=2560
	export LU_VM_CMDLINE='kho_scratch=125% page_poison=on debug_pagealloc=on slab_debug=FZP'
}

# The files of tests that want a kernel with config/vfio.config.
# shellcheck disable=SC2034 # For whoever sources this.
DEVICE_TESTS=(--test vfio --test vfio_handover)

# Run tests in virtual machines; the arguments are for the test runner.
run_vm_tests() {
	if cargo nextest --version >/dev/null 2>&1; then
		cargo nextest run -p lu-vm -p lu-qualify --no-fail-fast "$@"
	else
		say "cargo-nextest is not installed; 'cargo test' runs the VM tests instead."
		cargo test -p lu-vm -p lu-qualify --no-fail-fast "$@"
	fi
}
