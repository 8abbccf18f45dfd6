//! Changes of replicas, and moves made of them.

/// A change of one configuration's replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    /// Configuration.
    pub(crate) configuration: u32,
    /// Replicas before.
    pub(crate) from: u32,
    /// Replicas after.
    pub(crate) to: u32,
}

/// Up to three changes made together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Move {
    /// Positions in the elementary changes of the neighbourhood; the first `len` count.
    pub(crate) changes: [u16; 3],
    /// Number of changes.
    pub(crate) len: u8,
    /// Index in [`OPERATORS`](super::OPERATORS).
    pub(crate) operator: u8,
    /// Lower bound on the total cost after the move, USD.
    pub(crate) bound_usd: f64,
}
