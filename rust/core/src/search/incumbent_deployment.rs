//! What runs already, for a search that changes it: what starting more costs.

/// Replicas that run before the search, per configuration. Starting more is part of a state's total, but of no limit.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct IncumbentDeployment {
    /// Replicas that run, which start for nothing; those of one operating point run at every other of the same replicas, too.
    pub(crate) replicas: Vec<u32>,
    /// Cost of starting one more, USD.
    pub(crate) start_usd: Vec<f64>,
}

impl IncumbentDeployment {
    /// Cost of starting what `replicas` of configuration `a` need beyond what runs, USD.
    #[inline]
    pub(crate) fn starting_usd(&self, a: usize, replicas: u32) -> f64 {
        f64::from(replicas.saturating_sub(self.replicas[a])) * self.start_usd[a]
    }
}
