//! Which replica counts of each configuration are still considered.

use crate::{Deployment, Problem};

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

    /// Whether every count of `deployments` is in its range and every pair that must be deployed is.
    pub(crate) fn contains(&self, problem: &Problem, deployments: &[Deployment]) -> bool {
        let has = |pair: usize| deployments.iter().any(|d| problem.pair(d.configuration as usize) == pair);
        deployments.iter().all(|d| self.allows(d.configuration as usize, d.replicas))
            && (0..self.forced.len()).filter(|&pair| self.forced[pair]).all(has)
    }

    /// Whether `replicas` of configuration `a` are in its range.
    #[inline]
    pub fn allows(&self, a: usize, replicas: u32) -> bool {
        (self.min[a]..=self.max[a]).contains(&replicas) && replicas > 0
    }
}

/// A decision that narrows a domain. Its two sides leave out nothing between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// At most so many replicas of a configuration; 0 closes it.
    AtMost(u32, u32),
    /// At least so many, 1 or more, which closes the other configurations of the pair.
    AtLeast(u32, u32),
    /// No configuration of the pair is deployed.
    Closed(u32),
    /// Some configuration of the pair is deployed.
    Forced(u32),
}

impl Decision {
    /// Shrinks `domain` by this decision.
    pub(crate) fn apply(self, problem: &Problem, domain: &mut Domain) {
        match self {
            Self::AtMost(a, replicas) => domain.max[a as usize] = domain.max[a as usize].min(replicas),
            Self::AtLeast(a, replicas) => {
                let pair = problem.pair(a as usize);
                for &other in problem.pair_configurations(pair) {
                    if other != a {
                        domain.max[other as usize] = 0;
                    }
                }
                domain.min[a as usize] = domain.min[a as usize].max(replicas);
                domain.forced[pair] = true;
            }
            Self::Closed(pair) => {
                for &a in problem.pair_configurations(pair as usize) {
                    domain.max[a as usize] = 0;
                }
            }
            Self::Forced(pair) => domain.forced[pair as usize] = true,
        }
    }
}
