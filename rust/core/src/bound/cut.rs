//! Valid inequalities over whole deployments, which a mixture of patterns can violate.

use std::sync::Arc;

use super::cover::Cover;
use super::load::LoadCut;
use super::rounding::RoundingCut;
use crate::Problem;

/// A valid inequality in the form `Σ … ≤ most` over replicas, deployments and unserved query types.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cut {
    Rounding(RoundingCut),
    Cover(Arc<Cover>),
    Load(Arc<LoadCut>),
}

impl Cut {
    /// The right-hand side.
    pub(crate) fn most(&self) -> f64 {
        match self {
            Self::Rounding(cut) => cut.most,
            Self::Cover(cover) => -cover.least,
            Self::Load(cut) => -cut.least,
        }
    }

    /// Coefficient of a replica of configuration `a`.
    pub(crate) fn of_replica(&self, problem: &Problem, a: usize) -> f64 {
        match self {
            Self::Rounding(cut) => cut.of_replica(problem, a),
            Self::Cover(_) => 0.0,
            Self::Load(cut) => -cut.of_replica(a),
        }
    }

    /// Coefficient of a deployment of configuration `a`, whatever its replicas.
    pub(crate) fn of_deployment(&self, problem: &Problem, a: usize) -> f64 {
        match self {
            Self::Rounding(cut) => cut.of_deployment(problem, a),
            Self::Cover(cover) => -cover.of_deployment(a),
            Self::Load(_) => 0.0,
        }
    }

    /// Coefficient of query type `i` where it goes unserved.
    pub(crate) fn of_unserved(&self, i: usize) -> f64 {
        match self {
            Self::Rounding(_) => 0.0,
            Self::Cover(cover) => -cover.of_unserved(i),
            Self::Load(cut) => -cut.of_unserved(i),
        }
    }
}
