//! The C interface of `servemix-core`; `include/servemix.h` is made from it and states the rules for its callers.
//!
//! Unsafe code stands in this crate only: what a pointer is made of is decided in `entry.rs`, and every exported function
//! runs in `entry::call` or `entry::quietly`, which catch panics.

// The header states what callers must ensure, once for all functions.
#![allow(clippy::missing_safety_doc)]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod entry;
mod plan;
mod planner;
mod problem;
mod router;
mod transition;

use std::ffi::c_char;

pub use plan::*;
pub use planner::*;
pub use problem::*;
pub use router::*;
pub use transition::*;

// The header lets any number of threads use one handle at once.
const fn may_be_shared<T: Send + Sync>() {}
const _: () = {
    may_be_shared::<Problem>();
    may_be_shared::<Plan>();
    may_be_shared::<Planner>();
    may_be_shared::<Router>();
    may_be_shared::<Transition>();
};

/// All went well.
pub const SERVEMIX_OK: i32 = 0;
/// The input is not valid; the message names the entry.
pub const SERVEMIX_ERROR_INVALID_INPUT: i32 = 1;
/// A file could not be read or written.
pub const SERVEMIX_ERROR_FILE: i32 = 2;
/// A defect of servemix, never of the input.
pub const SERVEMIX_ERROR_INTERNAL: i32 = 3;

/// Version of the library, such as "0.1.0".
#[no_mangle]
pub extern "C" fn servemix_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// What went wrong in the last call on this thread that returned an error; "" before the first. Valid until the next
/// call on this thread that returns an error.
#[no_mangle]
pub extern "C" fn servemix_last_error() -> *const c_char {
    entry::last_error()
}

/// Frees a text that a function has made.
#[no_mangle]
pub unsafe extern "C" fn servemix_string_free(text: *mut c_char) {
    entry::quietly((), || {
        if !text.is_null() {
            // SAFETY: by the rules of the header it came from `entry::give_text` and is freed once.
            drop(unsafe { std::ffi::CString::from_raw(text) });
        }
    });
}
