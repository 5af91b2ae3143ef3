// SPDX-License-Identifier: GPL-2.0

//! Kexec HandOver: memory that stays where it is while one kernel replaces another.
//!
//! The outgoing side ([`outgoing`]) records which blocks of pages the next kernel must leave alone,
//! in a radix tree whose bytes the next kernel reads. The incoming side ([`early`]) reads the tree
//! that the previous kernel left, before there is a page allocator, keeps those pages from
//! everyone, and marks the first one of each block; [`restore`] gives a marked block back to
//! whoever asks for it.
//!
//! What the previous kernel left is input. If it cannot be trusted as a whole, then what it says
//! is preserved stays reserved all the same, nothing can be restored ([`incoming`] is off), and the
//! outgoing side works as ever.
//!
//! C counterpart: `kernel/liveupdate/kexec_handover.c` of mainline.

#![cfg_attr(
    not(CONFIG_LIVEUPDATE_MEMFD_RUST),
    allow(
        dead_code,
        unused_imports,
        reason = "LUO and its handlers use all of it"
    )
)]

mod debugfs;
mod discard;
mod early;
#[allow(unsafe_code, reason = "entry points for C")]
mod exports;
mod handed;
mod incoming;
mod ingest;
mod kexec;
mod metadata;
pub(crate) mod outgoing;
mod preserved;
pub(crate) mod restore;
mod scratch;
mod start;
mod subtree;
pub(crate) mod vmalloc;

#[cfg(CONFIG_LIVEUPDATE_KUNIT_TEST)]
mod tests;

pub(crate) use discard::Discard;
pub(crate) use handed::Handed;
pub(crate) use incoming::is_enabled;
pub(crate) use incoming::is_kho_boot;
pub(crate) use outgoing::Batch;
pub(crate) use preserved::Preserved;
pub(crate) use restore::Restorer;
pub(crate) use subtree::add_subtree;
pub(crate) use subtree::retrieve_subtree;
