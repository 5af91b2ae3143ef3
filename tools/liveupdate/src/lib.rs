// SPDX-License-Identifier: MIT OR Apache-2.0

//! A typed client for `/dev/liveupdate`.
//!
//! A live update replaces the running kernel by kexec and keeps chosen state in memory. A program
//! puts the file descriptors it wants to keep into a named *session* of the old kernel, each under
//! a *token*; in the new kernel it asks for the session by name and for each file by token.
//!
//! Before the update:
//!
//! ```no_run
//! use std::fs::File;
//! use liveupdate::{Device, Token, kexec};
//! use rustix::fs::{MemfdFlags, memfd_create};
//!
//! let session = Device::open()?.create_session("database")?;
//! let heap = memfd_create("heap", MemfdFlags::CLOEXEC)?;
//! session.preserve_fd(Token(1), &heap)?;
//!
//! kexec::load(&File::open("/boot/vmlinuz-new")?, None::<File>, "kho=on liveupdate=on")?;
//! // The session must still be open here: it lives as long as its descriptor.
//! let error = kexec::reboot(); // Comes back only if it failed.
//! eprintln!("{error}\n{}", error.help());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! After it:
//!
//! ```no_run
//! use liveupdate::{Device, Token};
//!
//! let session = Device::open()?.retrieve_session("database")?;
//! let heap = session.retrieve_fd(Token(1))?;
//! session.finish()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A session is a [`Session<Outgoing>`](Session) or a [`Session<Incoming>`](Session), so that what
//! a session cannot do does not compile. Errors say what failed on what, and [`Error::help`] says
//! what to do next.

pub mod abi;
mod device;
mod error;
pub mod kexec;
mod name;
mod session;
mod sys;

pub use device::DEVICE_PATH;
pub use device::Device;
pub use error::Error;
pub use error::Result;
pub use name::NameError;
pub use name::SessionName;
pub use name::Token;
pub use session::AnySession;
pub use session::Direction;
pub use session::FinishError;
pub use session::Incoming;
pub use session::Outgoing;
pub use session::Session;
