//! Reading and writing of problems (servemix-problem/2) and plans (servemix-plan/2), as JSON, gzipped where the name
//! ends in `.gz`.

mod details;
mod parse;
mod plan;
mod plan_rows;
mod problem;
mod whole;
mod write;

pub use details::{
    Attainment as PlanAttainment, Basis, CurveRow, EngineDetails, EstimatedError, EstimatedErrors, MeasuredFile,
    PlanDetails, PublishedRetention, QueryTypeDetails,
};

use std::fs;
use std::path::Path;

use crate::{Error, Plan, Problem, Result};

/// Reads a problem from a servemix-problem/2 file, gzipped or not.
///
/// # Errors
/// [`Error::File`] where the file cannot be read, [`Error::Invalid`] as [`Problem::from_json`].
pub fn read_problem(path: impl AsRef<Path>) -> Result<Problem> {
    Problem::from_json(&read(path.as_ref())?)
}

/// Reads a plan for `problem` from a servemix-plan/2 or servemix-plan/1 file, gzipped or not.
///
/// # Errors
/// [`Error::File`] where the file cannot be read, [`Error::Invalid`] as [`Plan::from_json`].
pub fn read_plan(path: impl AsRef<Path>, problem: &Problem) -> Result<Plan> {
    Plan::from_json(&read(path.as_ref())?, problem)
}

/// Writes a problem to a file, whole or not at all; gzipped where its name ends in `.gz`.
///
/// # Errors
/// [`Error::File`] where it cannot be written; what was there before is as it was.
pub fn write_problem(path: impl AsRef<Path>, problem: &Problem) -> Result<()> {
    write_whole(path.as_ref(), problem.to_json().as_bytes())
}

/// Writes a plan for `problem` to a file, whole or not at all; gzipped where its name ends in `.gz`.
///
/// # Errors
/// [`Error::File`] where it cannot be written; what was there before is as it was.
pub fn write_plan(path: impl AsRef<Path>, plan: &Plan, problem: &Problem) -> Result<()> {
    write_whole(path.as_ref(), plan.to_json(problem).as_bytes())
}

fn file_error(path: &Path, error: &std::io::Error) -> Error {
    Error::File { path: path.display().to_string(), message: error.to_string() }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| file_error(path, &error))
}

fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    whole::write_whole(path, content).map_err(|error| file_error(path, &error))
}

#[cfg(test)]
mod tests;
