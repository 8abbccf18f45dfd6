//! What every exported function goes through: panics caught, errors turned into codes, pointers checked.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{c_char, CStr, CString};
use std::mem::MaybeUninit;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::{ptr, slice};

use servemix_core::{Error, Result};

use crate::{SERVEMIX_ERROR_INTERNAL, SERVEMIX_OK};

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// Runs what may fail and returns its code.
#[inline]
pub(crate) fn call(work: impl FnOnce() -> Result<()>) -> i32 {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => SERVEMIX_OK,
        Ok(Err(error)) => fail(error.code(), &error.to_string()),
        Err(panic) => fail(SERVEMIX_ERROR_INTERNAL, &format!("internal error: {}", panic_message(panic.as_ref()))),
    }
}

/// Runs what cannot fail; the result is `otherwise` where it panics all the same.
pub(crate) fn quietly<T>(otherwise: T, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(otherwise)
}

#[cold]
fn fail(code: i32, message: &str) -> i32 {
    let message = text(message);
    // A thread that is going down has no message left to set.
    let _ = LAST_ERROR.try_with(|last| *last.borrow_mut() = message);
    code
}

pub(crate) fn last_error() -> *const c_char {
    LAST_ERROR.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic without a message")
}

/// A string for C; it ends where the text has a NUL.
pub(crate) fn text(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}

fn is_null(name: &str) -> Error {
    Error::invalid(name, "is NULL")
}

/// What a handle refers to.
///
/// # Safety
/// `handle` is NULL or valid for the whole call.
#[inline]
pub(crate) unsafe fn get<'h, T>(handle: *const T, name: &str) -> Result<&'h T> {
    // SAFETY: as the caller ensures.
    unsafe { handle.as_ref() }.ok_or_else(|| is_null(name))
}

/// Where a result goes.
///
/// # Safety
/// `pointer` is NULL or valid for writing, for the whole call, and nothing else uses what it refers to.
#[inline]
pub(crate) unsafe fn place<'p, T>(pointer: *mut T, name: &str) -> Result<&'p mut MaybeUninit<T>> {
    // SAFETY: as the caller ensures; what is there may be anything.
    unsafe { pointer.cast::<MaybeUninit<T>>().as_mut() }.ok_or_else(|| is_null(name))
}

/// Gives the caller what `make` makes, or NULL where it fails.
///
/// # Safety
/// As [`place`].
pub(crate) unsafe fn give<T>(pointer: *mut *mut T, name: &str, make: impl FnOnce() -> Result<T>) -> Result<()> {
    // SAFETY: as the caller ensures.
    let place = unsafe { place(pointer, name) }?;
    place.write(ptr::null_mut());
    place.write(Box::into_raw(Box::new(make()?)));
    Ok(())
}

/// Takes back what [`give`] gave.
///
/// # Safety
/// `handle` is NULL or came from [`give`], and is not used any more.
pub(crate) unsafe fn free<T>(handle: *mut T) {
    quietly((), || {
        if !handle.is_null() {
            // SAFETY: as the caller ensures.
            drop(unsafe { Box::from_raw(handle) });
        }
    });
}

/// Elements that the caller holds; none where there are to be none, whatever the pointer.
///
/// # Safety
/// `pointer` is NULL or valid for `length` elements for the whole call.
pub(crate) unsafe fn elements<'e, T>(pointer: *const T, length: usize, name: &str) -> Result<&'e [T]> {
    match (length, pointer.is_null()) {
        (0, _) => Ok(&[]),
        (_, true) => Err(is_null(name)),
        // SAFETY: as the caller ensures.
        _ => Ok(unsafe { slice::from_raw_parts(pointer, length) }),
    }
}

/// Room for as many elements of the caller's, made zero.
///
/// # Safety
/// `pointer` is NULL or valid for writing `length` elements for the whole call, and nothing else uses them.
pub(crate) unsafe fn room<'e>(pointer: *mut u32, length: usize, name: &str) -> Result<&'e mut [u32]> {
    match (length, pointer.is_null()) {
        (0, _) => Ok(&mut []),
        (_, true) => Err(is_null(name)),
        _ => {
            // SAFETY: as the caller ensures; no value is read before it was written.
            unsafe { pointer.write_bytes(0, length) };
            // SAFETY: as the caller ensures.
            Ok(unsafe { slice::from_raw_parts_mut(pointer, length) })
        }
    }
}

/// Copies a column into the caller's memory, which holds `capacity` elements; a NULL pointer leaves the column out.
///
/// # Safety
/// `pointer` is NULL or valid for writing `capacity` elements, and nothing else uses them.
pub(crate) unsafe fn copy<T: Copy>(
    values: impl ExactSizeIterator<Item = T>,
    pointer: *mut T,
    capacity: usize,
    name: &str,
) -> Result<()> {
    if pointer.is_null() {
        return Ok(());
    }
    if capacity < values.len() {
        let message = format!("has room for {capacity} elements where {} are needed", values.len());
        return Err(Error::invalid(name, message));
    }
    for (n, value) in values.enumerate() {
        // SAFETY: as the caller ensures, and `n` is below the capacity.
        unsafe { pointer.add(n).write(value) };
    }
    Ok(())
}

/// A name that the caller gives.
///
/// # Safety
/// `pointer` is NULL or a string that ends in NUL.
pub(crate) unsafe fn string<'s>(pointer: *const c_char, name: &str) -> Result<&'s str> {
    if pointer.is_null() {
        return Err(is_null(name));
    }
    // SAFETY: as the caller ensures.
    let bytes = unsafe { CStr::from_ptr(pointer) };
    bytes.to_str().map_err(|_| Error::invalid(name, "is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SERVEMIX_ERROR_FILE, SERVEMIX_ERROR_INVALID_INPUT};

    fn message() -> String {
        // SAFETY: a string of this thread that ends in NUL, and no call in between.
        unsafe { CStr::from_ptr(last_error()) }.to_string_lossy().into_owned()
    }

    #[test]
    fn panics_become_codes_and_their_message_is_kept_for_this_thread() {
        assert_eq!(call(|| panic!("no {}", "idea")), SERVEMIX_ERROR_INTERNAL);
        assert_eq!(message(), "internal error: no idea");
        std::thread::scope(|scope| _ = scope.spawn(|| assert_eq!(message(), "")));
        assert_eq!(quietly(7, || panic!("no idea")), 7);
    }

    #[test]
    fn the_codes_are_those_of_the_core() {
        for (error, code) in [
            (Error::invalid("rates[0]", "is\0bad"), SERVEMIX_ERROR_INVALID_INPUT),
            (Error::File { path: "p".into(), message: "m".into() }, SERVEMIX_ERROR_FILE),
            (Error::Internal("defect".into()), SERVEMIX_ERROR_INTERNAL),
        ] {
            assert_eq!(call(|| Err(error)), code);
        }
        assert_eq!(call(|| Ok(())), SERVEMIX_OK);
        call(|| Err(Error::invalid("rates[0]", "is\0bad")));
        assert_eq!(message(), "rates[0]: is");
    }
}
