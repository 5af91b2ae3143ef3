// SPDX-License-Identifier: GPL-2.0

//! Locks that live in statics and need no initialisation call.
//!
//! The kernel crate's `global_lock!` asks its user to run an `unsafe` initialiser before the first
//! use. Code that is entered from C at many places has no such point, so these locks initialise
//! themselves the first time that they are taken.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ops::DerefMut;

use kernel::prelude::*;
use kernel::sync::atomic::Acquire;
use kernel::sync::atomic::Atomic;
use kernel::types::NotThreadSafe;
use kernel::types::Opaque;

use super::bindings;

/// A mutex in a static, around the data that it protects.
///
/// C counterpart: `DEFINE_MUTEX()`.
///
/// # Invariants
///
/// `raw` is an initialised `struct mutex` if `ready` is not zero.
pub(crate) struct StaticMutex<T> {
    ready: Atomic<u32>,
    raw: Opaque<bindings::mutex>,
    key: Opaque<bindings::lock_class_key>,
    name: &'static CStr,
    data: UnsafeCell<T>,
}

// SAFETY: The mutex gives access to `data` to one thread at a time.
unsafe impl<T: Send> Sync for StaticMutex<T> {}

impl<T> StaticMutex<T> {
    /// Makes an unlocked mutex; `name` is what lockdep calls it.
    pub(crate) const fn new(name: &'static CStr, data: T) -> Self {
        // INVARIANT: `ready` is zero.
        Self {
            ready: Atomic::new(0),
            raw: Opaque::uninit(),
            key: Opaque::uninit(),
            name,
            data: UnsafeCell::new(data),
        }
    }

    /// Takes the mutex. May sleep.
    #[inline]
    pub(crate) fn lock(&'static self) -> MutexGuard<T> {
        if self.ready.load(Acquire) == 0 {
            self.initialise();
        }
        // SAFETY: By the type invariant `raw` is initialised; it is never moved, being in a static.
        unsafe { bindings::mutex_lock(self.raw.get()) };
        MutexGuard {
            mutex: self,
            _not_send: PhantomData,
        }
    }

    #[cold]
    fn initialise(&'static self) {
        // SAFETY: All pointers are into a static. The callee serialises callers and sets `ready`
        // once it has initialised `raw`, which establishes the type invariant.
        unsafe {
            bindings::lu_static_mutex_init(
                self.raw.get(),
                self.name.as_char_ptr(),
                self.key.get(),
                self.ready.as_ptr(),
            )
        };
    }
}

/// Possession of a [`StaticMutex`].
pub(crate) struct MutexGuard<T: 'static> {
    mutex: &'static StaticMutex<T>,
    _not_send: PhantomData<NotThreadSafe>,
}

impl<T> Deref for MutexGuard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: The guard means that this thread holds the mutex.
        unsafe { &*self.mutex.data.get() }
    }
}

impl<T> DerefMut for MutexGuard<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: The guard means that this thread holds the mutex.
        unsafe { &mut *self.mutex.data.get() }
    }
}

impl<T> Drop for MutexGuard<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The guard means that this thread holds the mutex.
        unsafe { bindings::mutex_unlock(self.mutex.raw.get()) };
    }
}

/// A reader-writer semaphore in a static, around the data that it protects.
///
/// C counterpart: `DECLARE_RWSEM()`.
///
/// # Invariants
///
/// `raw` is an initialised `struct rw_semaphore` if `ready` is not zero.
pub(crate) struct StaticRwSem<T> {
    ready: Atomic<u32>,
    raw: Opaque<bindings::rw_semaphore>,
    key: Opaque<bindings::lock_class_key>,
    name: &'static CStr,
    data: UnsafeCell<T>,
}

// SAFETY: Readers share `data` only as `&T`, a writer has it alone.
unsafe impl<T: Send + Sync> Sync for StaticRwSem<T> {}

impl<T> StaticRwSem<T> {
    /// Makes an unlocked semaphore; `name` is what lockdep calls it.
    pub(crate) const fn new(name: &'static CStr, data: T) -> Self {
        // INVARIANT: `ready` is zero.
        Self {
            ready: Atomic::new(0),
            raw: Opaque::uninit(),
            key: Opaque::uninit(),
            name,
            data: UnsafeCell::new(data),
        }
    }

    /// Takes the semaphore together with other readers. May sleep.
    #[inline]
    pub(crate) fn read(&'static self) -> ReadGuard<T> {
        // SAFETY: `ready()` returns an initialised semaphore that never moves.
        unsafe { bindings::down_read(self.ready()) };
        ReadGuard {
            sem: self,
            _not_send: PhantomData,
        }
    }

    /// Takes the semaphore alone. May sleep.
    ///
    /// Forgetting the guard keeps everyone else out for ever.
    #[inline]
    pub(crate) fn write(&'static self) -> WriteGuard<T> {
        // SAFETY: `ready()` returns an initialised semaphore that never moves.
        unsafe { bindings::down_write(self.ready()) };
        WriteGuard {
            sem: self,
            _not_send: PhantomData,
        }
    }

    /// The C semaphore, initialised.
    #[inline]
    fn ready(&'static self) -> *mut bindings::rw_semaphore {
        if self.ready.load(Acquire) == 0 {
            // SAFETY: All pointers are into a static. The callee serialises callers and sets
            // `ready` once it has initialised `raw`, which establishes the type invariant.
            unsafe {
                bindings::lu_static_rwsem_init(
                    self.raw.get(),
                    self.name.as_char_ptr(),
                    self.key.get(),
                    self.ready.as_ptr(),
                )
            };
        }
        self.raw.get()
    }
}

/// Shared possession of a [`StaticRwSem`].
pub(crate) struct ReadGuard<T: 'static> {
    sem: &'static StaticRwSem<T>,
    _not_send: PhantomData<NotThreadSafe>,
}

impl<T> Deref for ReadGuard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: The guard keeps writers out.
        unsafe { &*self.sem.data.get() }
    }
}

impl<T> Drop for ReadGuard<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The guard means that this thread holds the semaphore for reading.
        unsafe { bindings::up_read(self.sem.raw.get()) };
    }
}

/// Sole possession of a [`StaticRwSem`].
pub(crate) struct WriteGuard<T: 'static> {
    sem: &'static StaticRwSem<T>,
    _not_send: PhantomData<NotThreadSafe>,
}

impl<T> Deref for WriteGuard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: The guard keeps everyone else out.
        unsafe { &*self.sem.data.get() }
    }
}

impl<T> DerefMut for WriteGuard<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: The guard keeps everyone else out.
        unsafe { &mut *self.sem.data.get() }
    }
}

impl<T> Drop for WriteGuard<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The guard means that this thread holds the semaphore for writing.
        unsafe { bindings::up_write(self.sem.raw.get()) };
    }
}
