// SPDX-License-Identifier: GPL-2.0

//! Fuzz target: see `fuzz_entry::pci`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_entry::pci(data));
