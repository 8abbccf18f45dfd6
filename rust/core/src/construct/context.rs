//! What every step of the construction looks at: [`Context`].

use super::candidates::Candidates;
use super::work::Work;
use crate::{Problem, Switches};

/// What every step of the construction looks at.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) problem: &'a Problem,
    pub(super) candidates: &'a Candidates,
    pub(super) switches: Switches,
    /// A configuration that may not get more replicas than it has, or [`NONE`].
    pub(super) closed: u32,
    /// A fill that is sure to end above this cost is given up.
    pub(super) most_usd: f64,
    pub(super) work: &'a Work,
}
