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
pub(crate) type StaticMutex<T> = StaticLock<bindings::mutex, T>;

/// A reader-writer semaphore in a static, around the data that it protects.
///
/// C counterpart: `DECLARE_RWSEM()`.
pub(crate) type StaticRwSem<T> = StaticLock<bindings::rw_semaphore, T>;

/// Possession of a [`StaticMutex`].
pub(crate) type MutexGuard<T> = Guard<Mutex, T>;

/// Shared possession of a [`StaticRwSem`].
pub(crate) type ReadGuard<T> = Guard<Read, T>;

/// Sole possession of a [`StaticRwSem`].
pub(crate) type WriteGuard<T> = Guard<Write, T>;

/// A C lock.
pub(crate) trait RawLock: Sized {
    /// Makes it an unlocked lock.
    ///
    /// # Safety
    ///
    /// All three pointers are valid for ever, and nobody uses the lock yet.
    unsafe fn init(raw: *mut Self, name: *const c_char, key: *mut bindings::lock_class_key);
}

impl RawLock for bindings::mutex {
    unsafe fn init(raw: *mut Self, name: *const c_char, key: *mut bindings::lock_class_key) {
        // SAFETY: By the caller's promise.
        unsafe { bindings::__mutex_init(raw, name, key) };
    }
}

impl RawLock for bindings::rw_semaphore {
    unsafe fn init(raw: *mut Self, name: *const c_char, key: *mut bindings::lock_class_key) {
        // SAFETY: By the caller's promise.
        unsafe { bindings::__init_rwsem(raw, name, key) };
    }
}

/// A way of holding a C lock.
///
/// # Safety
///
/// From [`acquire`](Self::acquire) to [`release`](Self::release) nobody holds the lock in a way
/// that is [`Exclusive`]; if this way is, nobody else holds it at all.
pub(crate) unsafe trait Hold {
    /// The lock.
    type Raw: RawLock + 'static;

    /// Takes the lock. May sleep.
    ///
    /// # Safety
    ///
    /// The lock is initialised, and is never moved.
    unsafe fn acquire(raw: *mut Self::Raw);

    /// Gives the lock back.
    ///
    /// # Safety
    ///
    /// This thread holds the lock in this way, and from now on does not.
    unsafe fn release(raw: *mut Self::Raw);
}

/// A way of holding a lock that keeps everyone else out.
pub(crate) trait Exclusive: Hold {}

/// Holding a mutex.
pub(crate) struct Mutex;

// SAFETY: A mutex is held by one thread at a time.
unsafe impl Hold for Mutex {
    type Raw = bindings::mutex;

    #[inline]
    unsafe fn acquire(raw: *mut Self::Raw) {
        // SAFETY: By the caller's promise.
        unsafe { bindings::mutex_lock(raw) };
    }

    #[inline]
    unsafe fn release(raw: *mut Self::Raw) {
        // SAFETY: By the caller's promise.
        unsafe { bindings::mutex_unlock(raw) };
    }
}

impl Exclusive for Mutex {}

/// Holding a semaphore together with other readers.
pub(crate) struct Read;

// SAFETY: Readers keep writers out.
unsafe impl Hold for Read {
    type Raw = bindings::rw_semaphore;

    #[inline]
    unsafe fn acquire(raw: *mut Self::Raw) {
        // SAFETY: By the caller's promise.
        unsafe { bindings::down_read(raw) };
    }

    #[inline]
    unsafe fn release(raw: *mut Self::Raw) {
        // SAFETY: By the caller's promise.
        unsafe { bindings::up_read(raw) };
    }
}

/// Holding a semaphore alone.
pub(crate) struct Write;

// SAFETY: A writer keeps everyone else out.
unsafe impl Hold for Write {
    type Raw = bindings::rw_semaphore;

    #[inline]
    unsafe fn acquire(raw: *mut Self::Raw) {
        // SAFETY: By the caller's promise.
        unsafe { bindings::down_write(raw) };
    }

    #[inline]
    unsafe fn release(raw: *mut Self::Raw) {
        // SAFETY: By the caller's promise.
        unsafe { bindings::up_write(raw) };
    }
}

impl Exclusive for Write {}

/// A lock in a static, around the data that it protects.
///
/// # Invariants
///
/// `raw` is initialised if `ready` is not zero.
pub(crate) struct StaticLock<R, T> {
    ready: Atomic<u32>,
    raw: Opaque<R>,
    key: Opaque<bindings::lock_class_key>,
    name: &'static CStr,
    data: UnsafeCell<T>,
}

// SAFETY: The mutex gives access to `data` to one thread at a time.
unsafe impl<T: Send> Sync for StaticMutex<T> {}

// SAFETY: Readers share `data` only as `&T`, a writer has it alone.
unsafe impl<T: Send + Sync> Sync for StaticRwSem<T> {}

impl<R, T> StaticLock<R, T> {
    /// Makes an unlocked lock; `name` is what lockdep calls it.
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
}

impl<R: RawLock, T> StaticLock<R, T> {
    /// Takes the lock in the way `H`.
    #[inline]
    fn hold<H: Hold<Raw = R>>(&'static self) -> Guard<H, T> {
        if self.ready.load(Acquire) == 0 {
            self.initialise();
        }
        // SAFETY: By the type invariant `raw` is initialised; it is never moved, being in a static.
        unsafe { H::acquire(self.raw.get()) };
        // INVARIANT: It was just taken.
        Guard {
            lock: self,
            _not_send: PhantomData,
        }
    }

    #[cold]
    fn initialise(&'static self) {
        // SAFETY: `ready` is in a static, and `init` takes what follows it. The callee calls it only
        // if `ready` is zero, one caller at a time, and sets `ready` after it, which establishes the
        // type invariant.
        unsafe {
            bindings::lu_init_once(
                self.ready.as_ptr(),
                Some(Self::init),
                (&raw const *self).cast_mut().cast(),
            )
        };
    }

    /// Initialises `raw`.
    ///
    /// # Safety
    ///
    /// `this` is a lock in a static, which nobody can have taken yet.
    unsafe extern "C" fn init(this: *mut c_void) {
        // SAFETY: By the caller's promise.
        let this = unsafe { &*this.cast::<Self>() };

        // SAFETY: All pointers are into a static, and nobody has taken the lock.
        unsafe { R::init(this.raw.get(), this.name.as_char_ptr(), this.key.get()) };
    }
}

impl<T> StaticMutex<T> {
    /// Takes the mutex. May sleep.
    #[inline]
    pub(crate) fn lock(&'static self) -> MutexGuard<T> {
        self.hold()
    }
}

impl<T> StaticRwSem<T> {
    /// Takes the semaphore together with other readers. May sleep.
    #[inline]
    pub(crate) fn read(&'static self) -> ReadGuard<T> {
        self.hold()
    }

    /// Takes the semaphore alone. May sleep.
    ///
    /// Forgetting the guard keeps everyone else out for ever.
    #[inline]
    pub(crate) fn write(&'static self) -> WriteGuard<T> {
        self.hold()
    }
}

/// Possession of a lock.
///
/// # Invariants
///
/// This thread holds `lock` in the way `H`.
pub(crate) struct Guard<H: Hold, T: 'static> {
    lock: &'static StaticLock<H::Raw, T>,
    _not_send: PhantomData<NotThreadSafe>,
}

impl<H: Hold, T> Deref for Guard<H, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the type invariant nobody has the data as `&mut T` but through this guard.
        unsafe { &*self.lock.data.get() }
    }
}

impl<H: Exclusive, T> DerefMut for Guard<H, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariant nobody else has the data.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<H: Hold, T> Drop for Guard<H, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant; the guard is gone after this.
        unsafe { H::release(self.lock.raw.get()) };
    }
}
