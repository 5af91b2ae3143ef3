// SPDX-License-Identifier: GPL-2.0

//! Does a live update work from this kernel to that one?
//!
//! The answer is a set of [`scenario`]s, each a file in `scenarios/`: a way to use live update that
//! people depend on, or one that has gone wrong before. A [`runner`] runs those that the two kernels
//! have what it takes for, which their [`facts`] say, and a [`report`] shows what came of them.

pub mod chain;
pub mod damage;
pub mod facts;
pub mod failure_modes;
pub mod kernels;
pub mod outcome;
pub mod report;
pub mod run;
pub mod runner;
pub mod scale;
pub mod scenario;
mod scenarios;

pub use run::Run;
pub use scenario::Effort;
pub use scenario::Need;
pub use scenario::Peer;
pub use scenario::Scenario;
pub use scenario::Shape;
pub use scenario::Side;
pub use scenario::Signs;
