// SPDX-License-Identifier: GPL-2.0

//! What programs of this repository need as the `/init` of a virtual machine, and what the host needs
//! to understand them.
//!
//! A program says something by one line of JSON behind a prefix of its own, written to the kernel's
//! log: the kernel then keeps it in one piece on the console, and in order with its own lines.

pub mod init;
pub mod kmsg;
pub mod machine;
pub mod message;
