//! The one wrapper of everything that takes time: detach from the interpreter, catch panics, hear Ctrl-C, map errors.

use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use servemix_core::{CancelToken, Result};

use crate::error;

/// How often a long call on the main thread asks the interpreter for signals. Rare enough that waiting for other
/// Python threads costs nothing noticeable, often enough for a person at the keyboard.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

/// The exception of a signal handler, once it has raised one.
type Raised = Arc<Mutex<Option<PyErr>>>;

/// Runs `work`, which is short, detached from the interpreter.
pub(crate) fn call<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    finish(py, py.detach(|| catch_unwind(AssertUnwindSafe(work))))
}

/// Runs `work` detached from the interpreter with a token that is cancelled by `cancel` or by a signal, such as Ctrl-C,
/// whose Python handler raises. `threads` is the number of threads that `work` uses.
///
/// With one thread the work stays on this one and asks for signals through its token, so that a short call pays
/// nothing; with more it moves to a thread of its own, since it may wait for the others without polling.
pub(crate) fn call_with_token<T: Send>(
    py: Python<'_>,
    cancel: Option<&CancelToken>,
    threads: usize,
    work: impl FnOnce(&CancelToken) -> Result<T> + Send,
) -> PyResult<T> {
    let parent = cancel.cloned().unwrap_or_default();
    if !is_main_thread(py)? {
        return call(py, || work(&parent));
    }
    let raised = Raised::default();
    let outcome = if threads == 1 {
        let asked = Arc::clone(&raised);
        let token = parent.child_with_poll(SIGNAL_INTERVAL, move || signal_raises(&asked));
        py.detach(|| catch_unwind(AssertUnwindSafe(|| work(&token))))
    } else {
        let token = parent.child();
        py.detach(|| on_own_thread(&token, &raised, || work(&token)))
    };
    let raised = raised.lock().unwrap_or_else(PoisonError::into_inner).take();
    match raised {
        Some(error) => Err(error),
        None => finish(py, outcome),
    }
}

type Outcome<T> = std::thread::Result<Result<T>>;

fn on_own_thread<T: Send>(token: &CancelToken, raised: &Raised, work: impl FnOnce() -> Result<T> + Send) -> Outcome<T> {
    std::thread::scope(|scope| {
        let (running, ended) = channel::<()>();
        let worker = scope.spawn(move || {
            let outcome = catch_unwind(AssertUnwindSafe(work));
            drop(running);
            outcome
        });
        while ended.recv_timeout(SIGNAL_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            if !token.is_cancelled() && signal_raises(raised) {
                token.cancel();
            }
        }
        worker.join().and_then(|outcome| outcome)
    })
}

fn signal_raises(raised: &Raised) -> bool {
    match Python::attach(|py| py.check_signals()) {
        Ok(()) => false,
        Err(error) => {
            *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            true
        }
    }
}

fn finish<T>(py: Python<'_>, outcome: Outcome<T>) -> PyResult<T> {
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error::to_py(py, &error)),
        Err(panic) => Err(error::internal(py, panic_message(panic.as_ref()))),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic without a message")
}

// Signals reach Python on its main thread alone.
fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    static MAIN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static CURRENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let main = MAIN.import(py, "threading", "main_thread")?.call0()?;
    Ok(main.is(&CURRENT.import(py, "threading", "current_thread")?.call0()?))
}
