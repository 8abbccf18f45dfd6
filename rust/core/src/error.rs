//! The one error type of the crate.

/// What can go wrong in this crate. An infeasible problem is not an error: see [`crate::Status`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input is not a valid problem, plan or setting; `entry` names the offending place.
    #[error("{entry}: {message}")]
    Invalid {
        /// Where, as a path into the input, such as `routes.busy_s[17]`.
        entry: String,
        /// What is wrong with it.
        message: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {message}")]
    File {
        /// The path of the file.
        path: String,
        /// What the operating system said.
        message: String,
    },
    /// A defect of this crate, never of the input.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// An [`Error::Invalid`] for `entry`.
    pub fn invalid(entry: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { entry: entry.into(), message: message.into() }
    }

    /// A number for programs: 1 for invalid input, 2 for files, 3 for internal errors; the same in C and, as the
    /// attribute `code` of exceptions, in Python. A code never changes its meaning.
    pub fn code(&self) -> i32 {
        match self {
            Self::Invalid { .. } => 1,
            Self::File { .. } => 2,
            Self::Internal(_) => 3,
        }
    }
}

/// Shorthand for results with this crate's [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;
