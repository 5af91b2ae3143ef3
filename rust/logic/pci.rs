// SPDX-License-Identifier: GPL-2.0

//! The table of PCI devices that the previous kernel preserved.
//!
//! It is a slice of the caller's, put in order once by [`Table::new`], which also finds what cannot be
//! true in it. C counterpart: the XArray of `drivers/pci/liveupdate.c` in the series on the mailing
//! lists.

use core::ops::DerefMut;

use crate::abi::pci::Address;
use crate::abi::pci::PciDevSer;
use crate::logic::sort::sort_by_key;

/// A device of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    address: Address,
    state: State,
}

/// What is known of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is preserved, for this many endpoints. Not zero.
    Kept(u16),
    /// What the previous kernel says of it cannot be true.
    Unusable,
    /// All endpoints that needed it are finished.
    Finished,
    /// It was removed from the running system.
    Gone,
}

impl Device {
    /// Takes an entry; [`None`] if it stands for no device.
    pub fn new(entry: &PciDevSer) -> Option<Self> {
        let state = State::Kept(entry.refcount);

        (entry.refcount > 0).then_some(Self {
            address: entry.address(),
            state,
        })
    }

    /// Where it is.
    pub fn address(&self) -> Address {
        self.address
    }

    /// What is known of it.
    pub fn state(&self) -> State {
        self.state
    }
}

/// The devices, in the order of their addresses.
///
/// # Invariants
///
/// The slice is sorted by address, and no address is in it twice but as [`State::Unusable`].
#[derive(Debug)]
pub struct Table<S>(S);

impl<S: DerefMut<Target = [Device]>> Table<S> {
    /// Takes the devices in any order. Those whose address is there more than once are
    /// [unusable](State::Unusable): two entries may say different things.
    pub fn new(mut devices: S) -> Self {
        sort_by_key(&mut devices, |device| device.address);
        for same in devices.chunk_by_mut(|a, b| a.address == b.address) {
            if same.len() > 1 {
                for device in same {
                    device.state = State::Unusable;
                }
            }
        }
        // INVARIANT: Just sorted; chunks of more than one are unusable.
        Self(devices)
    }

    fn position(&self, address: Address) -> Option<usize> {
        self.0
            .binary_search_by_key(&address, |device| device.address)
            .ok()
    }

    /// What is known of the device at `address`; [`None`] if it is not in the table.
    pub fn state(&self, address: Address) -> Option<State> {
        let device = self.0.get(self.position(address)?)?;

        Some(device.state)
    }

    /// Whether the device at `address` is kept: neither finished, nor removed, nor unusable.
    pub fn keeps(&self, address: Address) -> bool {
        matches!(self.state(address), Some(State::Kept(_)))
    }

    /// Gives up on the device at `address`, which turned out not to be what the previous kernel says.
    pub fn reject(&mut self, address: Address) {
        self.set(address, State::Unusable);
    }

    /// Notes that the device at `address` was removed. What is found there later is another one.
    pub fn remove(&mut self, address: Address) {
        if let Some(State::Kept(_)) = self.state(address) {
            self.set(address, State::Gone);
        }
    }

    fn set(&mut self, address: Address, state: State) {
        if let Some(device) = self.position(address).and_then(|at| self.0.get_mut(at)) {
            device.state = state;
        }
    }

    /// Notes that an endpoint which needed the device at `address` is finished; `is_endpoint` if it
    /// was that device itself, for which there can be no other.
    ///
    /// Returns what is known of it now; [`None`] if it was not preserved.
    pub fn finish(&mut self, address: Address, is_endpoint: bool) -> Option<State> {
        let at = self.position(address)?;
        let device = self.0.get_mut(at)?;
        let State::Kept(endpoints) = device.state else {
            return None;
        };

        device.state = match endpoints.checked_sub(1) {
            Some(left @ 1..) if !is_endpoint => State::Kept(left),
            _ => State::Finished,
        };
        Some(device.state)
    }

    /// All devices.
    pub fn iter(&self) -> impl Iterator<Item = &Device> {
        self.0.iter()
    }
}

#[cfg(test)]
#[path = "tests/pci.rs"]
mod tests;
