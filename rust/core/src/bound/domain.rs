//! Which replica counts of each configuration are still considered.

use crate::Problem;

/// Ranges of replicas: the whole problem at first, a part of it in a branch or after fixing.
#[derive(Debug, Clone, PartialEq)]
pub struct Domain {
    /// Least replicas of each configuration where it is deployed, at least 1.
    pub min: Vec<u32>,
    /// Most replicas of each configuration; 0 where it may not be deployed.
    pub max: Vec<u32>,
    /// Pairs (model, tier) of which some configuration must be deployed.
    pub forced: Vec<bool>,
}

impl Domain {
    /// Everything that the problem allows.
    pub fn of(problem: &Problem) -> Self {
        let limit = |a| match problem.route_table().of_configuration(a).is_empty() {
            true => 0,
            false => problem.replica_limit(a),
        };
        Self {
            min: (0..problem.num_configurations()).map(|a| problem.min_replicas(a)).collect(),
            max: (0..problem.num_configurations()).map(limit).collect(),
            forced: vec![false; problem.num_pairs()],
        }
    }

    /// Whether configuration `a` may be deployed.
    #[inline]
    pub fn is_open(&self, a: usize) -> bool {
        self.max[a] >= self.min[a] && self.max[a] > 0
    }

    /// Number of configurations that may be deployed.
    pub fn num_open(&self) -> usize {
        (0..self.max.len()).filter(|&a| self.is_open(a)).count()
    }

    /// Whether `replicas` of configuration `a` are in its range.
    #[inline]
    pub fn allows(&self, a: usize, replicas: u32) -> bool {
        (self.min[a]..=self.max[a]).contains(&replicas) && replicas > 0
    }
}
