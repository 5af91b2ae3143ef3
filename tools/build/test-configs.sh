#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Kernels that lack a part of this repository, or all of it, or are for another
# architecture, build without a warning. Ends with `N passed, N failed`.

. "$(dirname "$0")/lib.sh"

passed=0 failed=0
EXTRA=$(mktemp)
trap 'rm -f "$EXTRA"' EXIT

# builds NAME ARCH OPTION...: a kernel of this repository with these options.
builds() {
	local name=$1 arch=$2
	shift 2
	{ [ $# -eq 0 ] || printf '%s\n' "$@"; } >"$EXTRA"
	if ARCH=$arch VARIANT=rust RELEASE=a CONFIG_EXTRA=$EXTRA "$BUILD_SCRIPTS/image.sh" >/dev/null; then
		say "ok      $name"
		passed=$((passed + 1))
	else
		say "FAILED  $name"
		failed=$((failed + 1))
	fi
}

# What depends on an option has to be switched off by name: image.sh takes it for
# lost otherwise.
NO_LUO=(CONFIG_LIVEUPDATE=n CONFIG_LIVEUPDATE_MEMFD_RUST=n CONFIG_LIVEUPDATE_KUNIT_TEST=n CONFIG_LIVEUPDATE_TEST=n)
NO_KHO=("${NO_LUO[@]}" CONFIG_KEXEC_HANDOVER=n CONFIG_KEXEC_HANDOVER_DEBUG=n CONFIG_KEXEC_HANDOVER_DEBUGFS=n
	CONFIG_TEST_KEXEC_HANDOVER=n)

builds "without LUO" x86_64 "${NO_LUO[@]}"
builds "without KHO" x86_64 "${NO_KHO[@]}"
builds "without debugfs and debug checks of KHO" x86_64 CONFIG_KEXEC_HANDOVER_DEBUG=n CONFIG_KEXEC_HANDOVER_DEBUGFS=n
builds "without memory nodes, without delayed initialisation" x86_64 CONFIG_NUMA=n CONFIG_X86_64_ACPI_NUMA=n \
	CONFIG_ACPI_NUMA=n CONFIG_DEFERRED_STRUCT_PAGE_INIT=n
PATCHES=no builds "without the hooks of patches/" x86_64 CONFIG_PCI_LIVEUPDATE=n
builds "arm64 without LUO" arm64 "${NO_LUO[@]}"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
