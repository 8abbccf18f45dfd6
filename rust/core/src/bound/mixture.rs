//! What a mixture of patterns deploys on average.

use crate::{Deployment, Problem};

use super::domain::{Decision, Domain};

/// Averages this close to whole numbers are whole.
pub(crate) const WHOLE: f64 = 1e-6;

/// A configuration in the mixture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) configuration: u32,
    /// Share of the pair that it has, in (0, 1].
    pub(crate) weight: f64,
    /// Replicas on average over the whole pair.
    pub(crate) replicas: f64,
}

/// The configurations in use, in the order in which they were met.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mixture {
    pub(crate) entries: Vec<Entry>,
}

impl Mixture {
    pub(crate) fn add(&mut self, configuration: u32, weight: f64, replicas: f64) {
        match self.entries.iter_mut().find(|entry| entry.configuration == configuration) {
            Some(entry) => {
                entry.weight += weight;
                entry.replicas += weight * replicas;
            }
            None => self.entries.push(Entry { configuration, weight, replicas: weight * replicas }),
        }
    }

    /// Of each pair the configuration with the largest weight, its replicas made whole by `round`.
    pub(crate) fn rounded(&self, problem: &Problem, round: impl Fn(f64) -> f64) -> Vec<Deployment> {
        let mut chosen: Vec<Entry> = Vec::new();
        for entry in &self.entries {
            let pair = problem.pair(entry.configuration as usize);
            match chosen.iter_mut().find(|known| problem.pair(known.configuration as usize) == pair) {
                Some(known) if known.weight < entry.weight => *known = *entry,
                Some(_) => {}
                None => chosen.push(*entry),
            }
        }
        let whole = |entry: &Entry| {
            let a = entry.configuration as usize;
            let replicas = round(entry.replicas).clamp(0.0, f64::from(problem.replica_limit(a))) as u32;
            let least = if replicas > 0 { problem.min_replicas(a) } else { 0 };
            Deployment { configuration: entry.configuration, replicas: replicas.max(least) }
        };
        chosen.iter().map(whole).filter(|deployment| deployment.replicas > 0).collect()
    }

    /// The decision that the mixture is nearest to having made, for a dive.
    pub(crate) fn nearest_decision(&self, problem: &Problem, domain: &Domain) -> Option<Decision> {
        let part = |value: f64| value - value.floor();
        let open = |entry: &&Entry| {
            let undecided = part(entry.replicas) > WHOLE && part(entry.replicas) < 1.0 - WHOLE;
            undecided || entry.weight < 1.0 - WHOLE
        };
        let key = |entry: &Entry| if part(entry.replicas) > WHOLE { part(entry.replicas) } else { entry.weight };
        let entry = self.entries.iter().filter(open).max_by(|a, b| key(a).total_cmp(&key(b)))?;
        let a = entry.configuration as usize;
        let replicas = ((entry.replicas - WHOLE).ceil().max(1.0) as u32).min(domain.max[a]);
        let decided = domain.forced[problem.pair(a)] && domain.min[a] >= replicas;
        (!decided && replicas > 0).then_some(Decision::AtLeast(entry.configuration, replicas))
    }
}
