// SPDX-License-Identifier: GPL-2.0

//! Boots kernels in QEMU, live-updates them, and checks what must hold.
//!
//! A test names the kernel before, the kernel after, the program that runs in both, and what the
//! console must show:
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use lu_vm::{Direction, LiveUpdate, Program};
//!
//! LiveUpdate::new("sessions_survive", Direction::MainlineToRust)
//!     .program(Program::mainline_liveupdate("luo_kexec_simple"))
//!     .after_update("SIMPLE KEXEC TEST PASSED")
//!     .run()?;
//! # Ok(())
//! # }
//! ```
//!
//! Whatever the test asks for, a panic, a warning, a lockdep, RCU or sanitizer complaint anywhere on
//! the console fails it; see [`splat`]. QEMU runs without KVM, so any machine will do.

pub mod acpi;
pub mod arch;
pub mod chain;
pub mod console;
pub mod cpio;
pub mod devices;
pub mod failure;
pub mod gdb;
pub mod guest;
pub mod handover;
pub mod images;
pub mod initramfs;
pub mod jump;
pub mod kernel;
pub mod kimage;
pub mod ktap;
pub mod live_update;
pub mod pci_table;
pub mod places;
pub mod rust;
pub mod splat;
pub mod vm;

pub use arch::Arch;
pub use chain::Chain;
pub use console::Transcript;
pub use console::number_behind;
pub use console::numbers_behind;
pub use devices::{Device, Devices};
pub use failure::Failure;
pub use failure::GuestFailure;
pub use failure::TestResult;
pub use gdb::Debugger;
pub use guest::Program;
pub use handover::{FOLIO, Handover, NoteField, PFN, Structure};
pub use images::{Build, Direction, Image, Variant};
pub use initramfs::Initramfs;
pub use jump::{run_at_jump, run_debugged};
pub use kernel::{Kernel, Pair};
pub use kimage::PAGE;
pub use ktap::Ktap;
pub use live_update::{LiveUpdate, SingleKernel};
pub use pci_table::{Bdf, PciEntry, PciTable};
pub use splat::Splats;
pub use vm::{Boot, Vm};
