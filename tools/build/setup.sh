#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Install what building and testing need on Debian 12. Does nothing, quickly,
# when all of it is there. ARCH=arm64 adds what only that architecture needs.

. "$(dirname "$0")/lib.sh"

PACKAGES=(
	# The kernel's compilers. Debian 12 carries these versions for its browsers.
	"clang-$LLVM_VERSION" "lld-$LLVM_VERSION" "llvm-$LLVM_VERSION" "libclang-$LLVM_VERSION-dev"
	rustc-web rust-web-src rustfmt-web rust-web-clippy
	# What the kernel's build calls.
	flex bison bc libelf-dev libssl-dev cpio kmod xz-utils rsync gcc libc6-dev make perl python3 patch
	# What the source, the tests and cargo need.
	ca-certificates debian-archive-keyring qemu-system-x86 busybox-static
)
[ "${ARCH:-x86_64}" != arm64 ] || PACKAGES+=(qemu-system-arm gcc-aarch64-linux-gnu libc6-dev-arm64-cross)

missing_packages() {
	local package
	for package in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] ||
			printf '%s\n' "$package"
	done
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "packages are missing and there is neither root nor sudo to install them" \
			"As root, run: apt-get update && apt-get install -y ${missing[*]}"
	fi
}

install_packages() {
	local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
	say "Installing Debian packages: $*"
	# A broken foreign source in the system's list must not stop us: if it
	# mattered, the installation below fails and says what is missing.
	as_root "${apt[@]}" update -q >&2 || warn "apt-get update did not succeed for all sources; going on"
	as_root "${apt[@]}" install -y -q --no-install-recommends "$@" >&2 ||
		die "apt-get could not install the packages named above" \
			"clang-$LLVM_VERSION and rustc-web come from bookworm-security: check that /etc/apt has it," \
			"and that this machine is a Debian 12; then run 'make setup' again."
}

install_bindgen() {
	say "Building bindgen $BINDGEN_VERSION with cargo (two minutes or so, once)."
	watch "bindgen" "$LOGS/bindgen.log" \
		cargo install --locked --force --root "$CACHE/tools" --version "$BINDGEN_VERSION" bindgen-cli || {
		show_failure "$LOGS/bindgen.log"
		die "bindgen, which the kernel's build needs, could not be built"
	}
}

command -v dpkg-query >/dev/null ||
	die "this is no Debian system; the packages needed are listed in tools/build/setup.sh"

if ! tool_at_least cargo "$CARGO_MIN" && ! tool_at_least /usr/bin/cargo "$CARGO_MIN"; then
	PACKAGES+=(cargo-web)
fi
mapfile -t missing < <(missing_packages "${PACKAGES[@]}")
if [ ${#missing[@]} -gt 0 ]; then
	lock_cache
	install_packages "${missing[@]}"
fi
use_cargo || die "no cargo of version $CARGO_MIN or newer, though Debian's cargo-web should be one"
if ! find_bindgen >/dev/null; then
	lock_cache
	find_bindgen >/dev/null || install_bindgen
fi
