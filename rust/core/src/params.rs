//! Settings of a solve.

use crate::tuning::Tuning;
use crate::{Error, Result};

/// The largest number of threads that may be asked for.
pub const MAX_THREADS: usize = 1024;

/// Which parts of the heuristics run; all do by default. Turning one off is for ablation studies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switches {
    /// M1: for a (query type, model, tier), the cheapest TP/PP that satisfies memory and latency. Off: the smallest TP/PP.
    pub tp_selection: bool,
    /// M2: candidates ranked by added cost per share of demand that they can really cover. Off: by added cost alone.
    pub coverage_ranking: bool,
    /// M3: an active (model, tier) moves to a larger TP/PP before a new pair is opened.
    pub tp_upgrade: bool,
    /// AGH: several construction orders, the best plan kept. Off: one.
    pub multi_start: bool,
    /// AGH: local search.
    pub local_search: bool,
    /// AGH: lightly used deployments are emptied into others and their GPUs released.
    pub consolidation: bool,
    /// AGH: the routing of the chosen deployments is solved as a linear program.
    pub routing_lp: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            tp_selection: true,
            coverage_ranking: true,
            tp_upgrade: true,
            multi_start: true,
            local_search: true,
            consolidation: true,
            routing_lp: true,
        }
    }
}

impl Switches {
    /// The names of the switches, as [`Switches::set`] takes them.
    pub const NAMES: [&'static str; 7] = [
        "tp_selection",
        "coverage_ranking",
        "tp_upgrade",
        "multi_start",
        "local_search",
        "consolidation",
        "routing_lp",
    ];

    /// Turns the switch called `name` on or off.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no such switch.
    pub fn set(&mut self, name: &str, on: bool) -> Result<()> {
        let switch = match name {
            "tp_selection" => &mut self.tp_selection,
            "coverage_ranking" => &mut self.coverage_ranking,
            "tp_upgrade" => &mut self.tp_upgrade,
            "multi_start" => &mut self.multi_start,
            "local_search" => &mut self.local_search,
            "consolidation" => &mut self.consolidation,
            "routing_lp" => &mut self.routing_lp,
            _ => return Err(Error::invalid(name, format!("is not a switch; there are {}", Self::NAMES.join(", ")))),
        };
        *switch = on;
        Ok(())
    }
}

/// Settings of a solve. Only `time_limit_s` can make two runs with the same seed differ.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SolveParams {
    /// Seed of every random choice; 0 by default.
    pub seed: u64,
    /// Wall-clock limit in seconds; none by default, when the method runs to its own end.
    pub time_limit_s: Option<f64>,
    /// Threads to use; 1 by default, and the plan does not depend on it.
    pub threads: usize,
    /// Limit on iterations; each method documents what counts as one. None by default.
    pub max_iterations: Option<u64>,
    /// The solve may stop where the relative gap to a known bound is at most this; 1e-4 by default.
    pub rel_gap: f64,
    /// Whether a lower bound is computed beside the plan; off by default (always on for a method that proves).
    pub bound: bool,
    /// Parts of the heuristics to run; all by default.
    pub switches: Switches,
    /// Numbers that steer method AGH, for benchmarks.
    pub tuning: Tuning,
}

impl Default for SolveParams {
    fn default() -> Self {
        Self {
            seed: 0,
            time_limit_s: None,
            threads: 1,
            max_iterations: None,
            rel_gap: 1e-4,
            bound: false,
            switches: Switches::default(),
            tuning: Tuning::default(),
        }
    }
}

impl SolveParams {
    /// Checks that every setting is in range.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the setting that is not.
    pub fn validate(&self) -> Result<()> {
        self.tuning.validate()?;
        if let Some(seconds) = self.time_limit_s {
            // Infinity is the natural way to say "no limit".
            if seconds.is_nan() || seconds < 0.0 {
                return Err(Error::invalid("time_limit", format!("must not be negative, got {seconds}")));
            }
        }
        if !(1..=MAX_THREADS).contains(&self.threads) {
            let message = format!("must be between 1 and {MAX_THREADS}, got {}", self.threads);
            return Err(Error::invalid("threads", message));
        }
        if !(0.0..=f64::MAX).contains(&self.rel_gap) {
            return Err(Error::invalid("rel_gap", format!("must be finite and not negative, got {}", self.rel_gap)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_every_named_switch_can_be_set() {
        assert_eq!(SolveParams::default().validate(), Ok(()));
        for name in Switches::NAMES {
            let mut switches = Switches::default();
            assert_eq!(switches.set(name, false), Ok(()));
            assert_ne!(switches, Switches::default());
        }
        assert!(Switches::default().set("no_such_switch", false).is_err());
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let cases = [
            ("time_limit", SolveParams { time_limit_s: Some(-1.0), ..SolveParams::default() }),
            ("time_limit", SolveParams { time_limit_s: Some(f64::NAN), ..SolveParams::default() }),
            ("threads", SolveParams { threads: 0, ..SolveParams::default() }),
            ("rel_gap", SolveParams { rel_gap: f64::INFINITY, ..SolveParams::default() }),
        ];
        for (name, params) in cases {
            assert!(matches!(params.validate(), Err(Error::Invalid { entry, .. }) if entry == name), "{name}");
        }
    }
}
