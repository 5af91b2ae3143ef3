#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Everything that can fail: scripts, formatting and lints, host tests, kernels,
# and tests in virtual machines. Ends with a verdict and `N passed, N failed`.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/harness.sh"
. "$(dirname "$0")/results.sh"

build_images() {
	export_image mainline a && export_kernel_paths "$LAST_IMAGE" || return 1
	export_image mainline b && export_image rust a && export_image rust b && export_image rust-cmemfd a
}

# Kernels of hosts that assign devices, in place of those above.
build_device_images() {
	IMAGE_CONFIG=$BUILD_SCRIPTS/config/vfio.config
	export_image rust a && export_kernel_paths "$LAST_IMAGE" && export_image rust b
}

test_devices() {
	ARCH=x86_64 run_vm_tests "${DEVICE_TESTS[@]}" -- --include-ignored
}

# no_kernels KERNELS TESTS: count it as one failure that TESTS could not be run.
no_kernels() {
	tests_failed=$((tests_failed + 1))
	tests_bad+=("$1 (their logs are in $LOGS); so the $2 were not run")
}

test_host() {
	cargo test --workspace --exclude lu-vm --exclude lu-qualify --no-fail-fast
}

mkdir -p "$LOGS"
cd "$REPO"
use_cargo || die "there is no usable cargo; run 'make setup'"
stage "build scripts" "$BUILD_SCRIPTS/test.sh"
stage "host tests" test_host
say
say "=== kernels"
# Not a stage: the paths it exports must stay in this shell.
if build_images; then
	stage "checks" "$BUILD_SCRIPTS/check.sh"
	ARCH=x86_64 stage "VM tests" run_vm_tests
else
	no_kernels kernels "VM tests"
	stage "checks" "$BUILD_SCRIPTS/check.sh"
fi
say
say "=== kernels for devices"
if build_device_images; then
	stage "VM tests with devices" test_devices
else
	no_kernels "kernels for devices" "VM tests with devices"
fi
verdict
