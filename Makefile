# SPDX-License-Identifier: GPL-2.0
#
# The front door for people. The kernel's build reads Kbuild instead.

BUILD := tools/build

MAKEFLAGS += --no-print-directory
# Scripts take their parameters from the environment.
export VARIANT ARCH RELEASE CONFIG_EXTRA JOBS FROM TO UPDATE TESTS BENCH PATCHES
export MATRIX DEBUG SCENARIOS QUICK SEED REPORT

.PHONY: help
help:
	@echo 'Linux live update (KHO and LUO) in Rust: this directory is kernel/liveupdate.'
	@echo
	@echo 'See it work'
	@echo '  make demo [FROM=V] [TO=V]   boot a kernel in QEMU, preserve real data, live-update'
	@echo '                              into another kernel, get the data back'
	@echo '  make demo-vfio              the same with an assigned PCI device, which a driver in'
	@echo '                              userspace has do DMA before and after'
	@echo '  make test                   check, build and test everything; ends with a verdict'
	@echo '  make qualify [FROM=K] [TO=K] [SCENARIOS=NAMES] [QUICK=1] [DEBUG=1]'
	@echo '                              does a live update work from this kernel to that one? K is'
	@echo '                              rust, mainline or the path of an image; MATRIX=1 does all'
	@echo '                              pairs of rust and mainline. Leaves a report in qualify/'
	@echo '  make bench [BENCH=quick] [ARGS=...]'
	@echo '                              measure it side by side with mainline; ARGS=--help says more'
	@echo
	@echo 'Tests that take too long for that'
	@echo '  make test-arm64 [TESTS=NAMES]  live updates on arm64'
	@echo '  make test-debug [TESTS=NAMES]  live updates of a kernel with KASAN, lockdep and the like'
	@echo '  make test-vfio [TESTS=NAMES]   live updates of machines with assigned PCI devices'
	@echo '  make test-vfio-debug           the same, of a kernel with KASAN, lockdep and the like'
	@echo '  make test-vfio-modules         the same, with VFIO in modules'
	@echo '  make test-configs              kernels without LUO, without KHO'
	@echo
	@echo 'Put it into a kernel tree of your own (Linux 7.3)'
	@echo '  make mount KDIR=DIR         DIR/kernel/liveupdate becomes this repository;'
	@echo '                              REMOUNT=1 takes the place of another clone,'
	@echo '                              PATCHES=no leaves out the hooks in C drivers'
	@echo '  make unmount KDIR=DIR       leave the tree as it was'
	@echo
	@echo 'Build kernels here; each prints a path as its last line'
	@echo '  make image [VARIANT=V] [ARCH=A] [RELEASE=R] [CONFIG_EXTRA=FILE]'
	@echo '                              a bootable image, version 7.3.x-V-R'
	@echo '  make kernel                 the same as: make image VARIANT=rust'
	@echo '  make source                 fetch the pristine kernel source; UPDATE=1 asks for a newer one'
	@echo
	@echo 'Housekeeping'
	@echo '  make check                  formatting, clippy, where unsafe code is'
	@echo '  make setup                  install the Debian packages needed (all targets do this)'
	@echo '  make clean                  remove build output of this clone'
	@echo '  make distclean              remove also all cached kernels and sources'
	@echo
	@echo '  V is rust (default), mainline (the C implementation of the same source), or'
	@echo '  rust-cmemfd (rust with the C memfd handler). A is x86_64 (default) or arm64.'
	@echo '  R is a or b or any suffix (default a). JOBS=N limits parallel compilers.'
	@echo '  Logs are in logs/, kernels and sources in $${XDG_CACHE_HOME:-~/.cache}/rust-liveupdate.'

.PHONY: setup
setup:
	@$(BUILD)/setup.sh

.PHONY: source
source: setup
	@$(BUILD)/source.sh

.PHONY: mount
mount:
	@$(BUILD)/mount.sh mount '$(KDIR)' $(if $(REMOUNT),--remount)

.PHONY: unmount
unmount:
	@$(BUILD)/mount.sh unmount '$(KDIR)'

.PHONY: image
image: setup
	@$(BUILD)/image.sh

.PHONY: kernel
kernel: VARIANT = rust
kernel: image

.PHONY: check
check: setup
	@$(BUILD)/check.sh

.PHONY: demo
demo: setup
	@$(BUILD)/demo.sh

.PHONY: demo-vfio
demo-vfio: setup
	@$(BUILD)/demo.sh vfio

.PHONY: test
test: setup
	@$(BUILD)/run-tests.sh

.PHONY: test-arm64
test-arm64: ARCH = arm64
test-arm64: setup
	@$(BUILD)/test-machines.sh arm64

.PHONY: test-debug
test-debug: setup
	@$(BUILD)/test-machines.sh debug

.PHONY: test-vfio
test-vfio: setup
	@$(BUILD)/test-machines.sh vfio

.PHONY: test-vfio-debug
test-vfio-debug: setup
	@$(BUILD)/test-machines.sh vfio-debug

.PHONY: test-vfio-modules
test-vfio-modules: setup
	@$(BUILD)/test-machines.sh vfio-modules

.PHONY: test-configs
test-configs: setup
	@$(BUILD)/test-configs.sh

.PHONY: qualify
qualify: setup
	@$(BUILD)/qualify.sh

.PHONY: bench
bench: setup
	@$(BUILD)/bench.sh --json logs/bench.json --svg logs/bench.svg $(ARGS)

.PHONY: clean
clean:
	@$(BUILD)/clean.sh

.PHONY: distclean
distclean:
	@$(BUILD)/clean.sh --all
