//! Settings of a planner.

use crate::tuning::PlannerTuning;
use crate::{Error, Problem, Result};

/// Seconds until a started replica serves, where nothing else is said: to rent a machine, load weights and warm up.
const START_S: f64 = 300.0;

/// What starting a replica costs and takes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TransitionCosts {
    /// USD per replica started; 0 by default.
    pub start_usd: f64,
    /// USD per GB of weights that a started replica loads; 0 by default.
    pub start_usd_per_gb: f64,
    /// Seconds until a started replica serves; 0 by default. Its rental counts meanwhile.
    pub start_s: f64,
    /// Seconds more per GB of weights that it loads; 0 by default.
    pub start_s_per_gb: f64,
}

impl TransitionCosts {
    /// Checks that every figure is in range.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the one that is not.
    pub fn validate(&self) -> Result<()> {
        check_range("start_usd", self.start_usd)?;
        check_range("start_usd_per_gb", self.start_usd_per_gb)?;
        check_range("start_s", self.start_s)?;
        check_range("start_s_per_gb", self.start_s_per_gb)
    }

    /// Seconds until one started replica of configuration `a` serves.
    pub fn replica_s(&self, problem: &Problem, a: usize) -> f64 {
        self.start_s + self.start_s_per_gb * problem.configurations.weights_gb[a]
    }

    /// Cost of starting one replica of configuration `a`, USD: the fees and the rental until it serves.
    pub fn replica_usd(&self, problem: &Problem, a: usize) -> f64 {
        let fees_usd = self.start_usd + self.start_usd_per_gb * problem.configurations.weights_gb[a];
        fees_usd + self.replica_s(problem, a) / 3600.0 * problem.replica_usd(a) / problem.horizon_h
    }
}

/// Settings of a [`crate::Planner`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PlannerParams {
    /// Seed of every random choice; 0 by default.
    pub seed: u64,
    /// What starting replicas costs; by default 300 s of rental each, in which they do not serve yet.
    pub transition: TransitionCosts,
    /// Hours over which a change has to pay for itself; by default the horizon. Shorter ones make plans hold longer.
    pub payback_h: Option<f64>,
    /// A change is made only where it saves more than this, USD over the payback time, start-up paid; 0 by default.
    pub min_saving_usd: f64,
    /// As `min_saving_usd`, as a share of the present cost; 0.01 by default. Where queries go unserved that another
    /// plan would serve, a change need not save so much.
    pub min_saving_share: f64,
    /// Where deployments change, they are chosen for rates higher by up to this share, so that the next rise of the traffic
    /// need not change them again; 0.05 by default, 0 for none.
    pub headroom: f64,
    /// Most that headroom may cost, as a share of the cost without; 0.01 by default. What it did cost is what a change
    /// must save beyond `min_saving_share`. With very many replicas headroom costs its share; with few it is often free.
    pub max_headroom_cost_share: f64,
    /// Most replicas started and stopped in one replan, forced ones not counted; no limit by default. A change that takes more is
    /// made over several calls, those parts of it first that serve queries, then those that save most.
    pub max_changes: Option<u32>,
    /// Numbers that steer the search, for benchmarks.
    pub tuning: PlannerTuning,
}

impl Default for PlannerParams {
    fn default() -> Self {
        Self {
            seed: 0,
            transition: TransitionCosts { start_s: START_S, ..TransitionCosts::default() },
            payback_h: None,
            min_saving_usd: 0.0,
            min_saving_share: 0.01,
            headroom: 0.05,
            max_headroom_cost_share: 0.01,
            max_changes: None,
            tuning: PlannerTuning::default(),
        }
    }
}

impl PlannerParams {
    /// Few changes of deployments at little more cost, for a planner that follows measured rates; what `servemix run` uses.
    ///
    /// A change has to pay for itself within 6 minutes and save 5 %; headroom of 10 % may cost 5 %. Replan every 20 minutes, and at
    /// once where the routing for new rates is degraded. `benches/planner_policy.py` has what it comes to on a week of rates.
    pub fn steady() -> Self {
        Self {
            payback_h: Some(0.1),
            min_saving_share: 0.05,
            headroom: 0.1,
            max_headroom_cost_share: 0.05,
            ..Self::default()
        }
    }

    /// Checks that every setting is in range.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the setting that is not.
    pub fn validate(&self) -> Result<()> {
        self.transition.validate()?;
        self.tuning.validate()?;
        check_range("min_saving_usd", self.min_saving_usd)?;
        check_range("min_saving_share", self.min_saving_share)?;
        check_range("headroom", self.headroom)?;
        check_range("max_headroom_cost_share", self.max_headroom_cost_share)?;
        match self.payback_h {
            Some(hours) if !(hours > 0.0 && hours <= 1e30) => {
                Err(Error::invalid("payback_h", format!("must be finite and greater than zero, got {hours}")))
            }
            _ => Ok(()),
        }
    }
}

fn check_range(name: &str, value: f64) -> Result<()> {
    if (0.0..=1e30).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(name, format!("must be finite and not negative, got {value}")))
}
