#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# All that can be said about the code without running it. Every check runs, so
# that one sees all complaints at once. Ends with `N passed, N failed`.

. "$(dirname "$0")/lib.sh"

passed=0 failed=0

check() {
	local name=$1
	shift
	if "$@" >&2; then
		say "ok      $name"
		passed=$((passed + 1))
	else
		say "FAILED  $name: $*"
		failed=$((failed + 1))
	fi
}

# Kernel code is formatted by the kernel's own rules.
check_kernel_format() {
	local source files
	source=$("$BUILD_SCRIPTS/source.sh" | tail -n 1)
	mapfile -t files < <(find "$REPO/rust" \( -name target -o -name fuzz \) -prune -o \
		-name '*.rs' ! -name bindings_generated.rs -print)
	[ ${#files[@]} -gt 0 ] || { say "error: there is no Rust file in $REPO/rust"; return 1; }
	/usr/bin/rustfmt --check --config-path "$source/.rustfmt.toml" "${files[@]}"
}

check_kernel_clippy() {
	# With everything that there is to look at.
	VARIANT=rust ARCH=x86_64 RELEASE=a CONFIG_EXTRA=$BUILD_SCRIPTS/config/vfio.config "$BUILD_SCRIPTS/image.sh" --clippy
}

use_cargo || die "there is no usable cargo; run 'make setup'"
cd "$REPO"
check "rustfmt, kernel code" check_kernel_format
check "unsafe code only where allowed" "$BUILD_SCRIPTS/unsafe-check.pl" rust
check "rustfmt, host code" cargo fmt --all --check
check "clippy, host code" cargo clippy --quiet --workspace --all-targets -- -D warnings
check "clippy, kernel code" check_kernel_clippy
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
