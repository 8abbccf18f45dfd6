//! Atomics and locks: those of loom where it goes through the interleavings of threads.

#[cfg(not(all(test, loom)))]
pub(super) use std::sync::{
    atomic::{AtomicU32, AtomicU64, Ordering},
    Mutex, MutexGuard,
};

#[cfg(all(test, loom))]
pub(super) use loom::sync::{
    atomic::{AtomicU32, AtomicU64, Ordering},
    Mutex, MutexGuard,
};
