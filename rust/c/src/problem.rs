//! Problems.

use std::ffi::c_char;

use crate::entry::{call, elements, free, get, give, quietly, string};

/// A problem: query types, models, GPU tiers, configurations and routes, validated.
pub struct Problem {
    pub(crate) inner: servemix_core::Problem,
}

/// Makes a problem from the content of a servemix-problem/2 file, gzipped or not, of `length` bytes.
#[no_mangle]
pub unsafe extern "C" fn servemix_problem_from_json(
    json: *const c_char,
    length: usize,
    problem: *mut *mut Problem,
) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        give(problem, "problem", || {
            let content = elements(json.cast::<u8>(), length, "json")?;
            Ok(Problem { inner: servemix_core::Problem::from_json(content)? })
        })
    })
}

/// Reads a problem from a servemix-problem/2 file, gzipped or not.
#[no_mangle]
pub unsafe extern "C" fn servemix_problem_read(path: *const c_char, problem: *mut *mut Problem) -> i32 {
    // SAFETY: the rules of the header.
    call(|| unsafe {
        give(problem, "problem", || Ok(Problem { inner: servemix_core::read_problem(string(path, "path")?)? }))
    })
}

/// Frees a problem.
#[no_mangle]
pub unsafe extern "C" fn servemix_problem_free(problem: *mut Problem) {
    // SAFETY: the rules of the header.
    unsafe { free(problem) };
}

/// A count of a problem; 0 for NULL.
unsafe fn count(problem: *const Problem, of: impl FnOnce(&servemix_core::Problem) -> usize) -> usize {
    // SAFETY: the rules of the header.
    quietly(0, || unsafe { get(problem, "problem") }.map_or(0, |problem| of(&problem.inner)))
}

/// Number of query types; 0 for NULL.
#[no_mangle]
pub unsafe extern "C" fn servemix_problem_num_query_types(problem: *const Problem) -> usize {
    // SAFETY: the rules of the header.
    unsafe { count(problem, |inner| inner.num_query_types()) }
}

/// Number of GPU tiers; 0 for NULL.
#[no_mangle]
pub unsafe extern "C" fn servemix_problem_num_tiers(problem: *const Problem) -> usize {
    // SAFETY: the rules of the header.
    unsafe { count(problem, |inner| inner.tiers.name.len()) }
}

/// Number of GPU pools; 0 for NULL.
#[no_mangle]
pub unsafe extern "C" fn servemix_problem_num_pools(problem: *const Problem) -> usize {
    // SAFETY: the rules of the header.
    unsafe { count(problem, |inner| inner.num_pools()) }
}

/// Number of configurations; 0 for NULL.
#[no_mangle]
pub unsafe extern "C" fn servemix_problem_num_configurations(problem: *const Problem) -> usize {
    // SAFETY: the rules of the header.
    unsafe { count(problem, |inner| inner.num_configurations()) }
}
