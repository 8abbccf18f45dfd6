//! The constraints that a person set, in a person's words, and the problem without one of them.

use crate::problem::LARGEST_NUMBER;
use crate::{Problem, ProblemData};

/// A constraint that can be part of a conflict or be relaxed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Constraint {
    /// The latency SLO of a query type.
    LatencySlo(u32),
    /// The error SLO of a query type.
    ErrorSlo(u32),
    /// The share of a query type that must be served.
    MaxUnmet(u32),
    /// The budget.
    Budget,
    /// The storage capacity.
    Storage,
    /// The GPUs of a pool.
    Pool(u32),
    /// The most replicas of every configuration.
    MaxReplicas,
    /// The KV-cache memory of every replica.
    Memory,
    /// The latency SLOs of all query types.
    EveryLatencySlo,
    /// The error SLOs of all query types.
    EveryErrorSlo,
    /// The shares of all query types that must be served.
    EveryMaxUnmet,
    /// The GPUs of all pools.
    EveryPool,
}

/// More replicas than any limit that a person means.
const MANY_REPLICAS: u32 = 1_000_000;

impl Constraint {
    /// Every constraint that `problem` really has, in the order in which they are told.
    pub fn of(problem: &Problem) -> Vec<Self> {
        let types = || 0..problem.num_query_types() as u32;
        let served = types().filter(|&i| problem.query_types.max_unmet[i as usize] < 1.0);
        let mut constraints: Vec<Self> = served.map(Self::MaxUnmet).collect();
        constraints.extend(types().map(Self::LatencySlo));
        constraints.extend(types().map(Self::ErrorSlo));
        let limited = |limit: f64| limit.is_finite();
        constraints.extend(limited(problem.budget_usd).then_some(Self::Budget));
        constraints.extend(limited(problem.storage_gb).then_some(Self::Storage));
        let pools = (0..problem.num_pools()).filter(|&pool| limited(problem.pools.max_gpus[pool]));
        constraints.extend(pools.map(|pool| Self::Pool(pool as u32)));
        constraints.extend([Self::MaxReplicas, Self::Memory]);
        constraints
    }

    /// Of each kind that several constraints are of, all of them together.
    pub(crate) fn of_whole_kinds(problem: &Problem) -> Vec<Self> {
        let all = Self::of(problem);
        let kinds = [Self::EveryLatencySlo, Self::EveryErrorSlo, Self::EveryMaxUnmet, Self::EveryPool];
        kinds.into_iter().filter(|whole| all.iter().filter(|one| one.kind() == whole.kind()).count() > 1).collect()
    }

    /// The word for its kind in files and in Python.
    pub fn kind(self) -> &'static str {
        match self {
            Self::LatencySlo(_) | Self::EveryLatencySlo => "latency_slo_s",
            Self::ErrorSlo(_) | Self::EveryErrorSlo => "error_slo",
            Self::MaxUnmet(_) | Self::EveryMaxUnmet => "max_unmet",
            Self::Budget => "budget_usd",
            Self::Storage => "storage_gb",
            Self::Pool(_) | Self::EveryPool => "max_gpus",
            Self::MaxReplicas => "max_replicas",
            Self::Memory => "kv_cache_gb",
        }
    }

    /// The name of the query type or pool that it belongs to.
    pub fn entry(self, problem: &Problem) -> Option<&str> {
        match self {
            Self::LatencySlo(i) | Self::ErrorSlo(i) | Self::MaxUnmet(i) => Some(&problem.query_types.name[i as usize]),
            Self::Pool(pool) => Some(&problem.pools.name[pool as usize]),
            _ => None,
        }
    }

    /// Its value; 1, as a factor, where it stands for many.
    pub fn value(self, data: &ProblemData) -> f64 {
        match self {
            Self::LatencySlo(i) => data.query_types.latency_slo_s[i as usize],
            Self::ErrorSlo(i) => data.query_types.error_slo[i as usize],
            Self::MaxUnmet(i) => data.query_types.max_unmet[i as usize],
            Self::Budget => data.budget_usd,
            Self::Storage => data.storage_gb,
            Self::Pool(pool) => data.pools.max_gpus[pool as usize],
            Self::EveryMaxUnmet => data.query_types.max_unmet.iter().copied().fold(1.0, f64::min),
            _ => 1.0,
        }
    }

    /// Gives it another value. Where it stands for many this is a factor on all of them, except that
    /// [`Constraint::EveryMaxUnmet`] raises all to at least the value.
    pub fn set(self, data: &mut ProblemData, value: f64) {
        // A number that no problem may hold allows no more than the largest that it may.
        let scale = |numbers: &mut [f64]| numbers.iter_mut().for_each(|n| *n = (*n * value).min(LARGEST_NUMBER));
        match self {
            Self::LatencySlo(i) => data.query_types.latency_slo_s[i as usize] = value,
            Self::ErrorSlo(i) => data.query_types.error_slo[i as usize] = value,
            Self::MaxUnmet(i) => data.query_types.max_unmet[i as usize] = value.clamp(0.0, 1.0),
            Self::Budget => data.budget_usd = value,
            Self::Storage => data.storage_gb = value,
            Self::Pool(pool) => data.pools.max_gpus[pool as usize] = value,
            Self::MaxReplicas => {
                for replicas in &mut data.configurations.max_replicas {
                    *replicas = (f64::from(*replicas) * value).min(f64::from(MANY_REPLICAS)) as u32;
                }
            }
            Self::Memory => scale(&mut data.configurations.kv_cache_gb),
            Self::EveryLatencySlo => scale(&mut data.query_types.latency_slo_s),
            Self::EveryErrorSlo => scale(&mut data.query_types.error_slo),
            Self::EveryMaxUnmet => {
                data.query_types.max_unmet.iter_mut().for_each(|most| *most = most.max(value.clamp(0.0, 1.0)));
            }
            Self::EveryPool => data.pools.max_gpus.iter_mut().for_each(|gpus| *gpus *= value),
        }
    }

    /// A value at which it rules out nothing.
    pub fn loosest(self, data: &ProblemData) -> f64 {
        let largest_of = |i: u32, column: &[f64]| {
            let of_type = data.routes.query_type.iter().zip(column).filter(|(query_type, _)| **query_type == i);
            of_type.map(|(_, value)| *value).fold(self.value(data), f64::max)
        };
        match self {
            Self::LatencySlo(i) => largest_of(i, &data.routes.latency_s),
            Self::ErrorSlo(i) => largest_of(i, &data.routes.error),
            Self::MaxUnmet(_) | Self::EveryMaxUnmet => 1.0,
            Self::Budget | Self::Storage | Self::Pool(_) => f64::INFINITY,
            Self::MaxReplicas | Self::EveryPool => f64::from(MANY_REPLICAS),
            Self::EveryLatencySlo => largest_factor(&data.query_types.latency_slo_s, &|i| Self::LatencySlo(i), data),
            Self::EveryErrorSlo => largest_factor(&data.query_types.error_slo, &|i| Self::ErrorSlo(i), data),
            Self::Memory => {
                // Enough for all traffic at once on one replica.
                let rate = |i: u32| data.query_types.rate_per_h[i as usize] / 3600.0;
                let largest = data.routes.query_type.iter().zip(&data.routes.kv_gb_s).map(|(&i, gb_s)| rate(i) * gb_s);
                let needed = largest.fold(0.0, f64::max) * data.query_types.name.len() as f64;
                let smallest = data.configurations.kv_cache_gb.iter().copied().fold(f64::INFINITY, f64::min);
                if smallest.is_finite() {
                    (needed / smallest).max(1.0)
                } else {
                    1.0
                }
            }
        }
    }

    /// What it asks for, in words.
    pub fn describe(self, problem: &Problem) -> String {
        let value = self.value(problem);
        let name = self.entry(problem).unwrap_or_default();
        match self {
            Self::LatencySlo(_) => format!("latency SLO of {name:?}: at most {} s", number(value)),
            Self::ErrorSlo(_) => format!("error SLO of {name:?}: at most {} %", number(100.0 * value)),
            Self::MaxUnmet(_) => format!("at least {} % of {name:?} must be served", number(100.0 * (1.0 - value))),
            Self::Budget => format!("budget: at most ${}", number(value)),
            Self::Storage => format!("storage: at most {} GB", number(value)),
            Self::Pool(_) => format!("pool {name:?}: at most {} GPUs", number(value)),
            Self::MaxReplicas => "max_replicas of the configurations".into(),
            Self::Memory => "KV-cache memory of the replicas".into(),
            Self::EveryLatencySlo => "latency SLOs of all query types".into(),
            Self::EveryErrorSlo => "error SLOs of all query types".into(),
            Self::EveryMaxUnmet => "share of every query type that must be served".into(),
            Self::EveryPool => "GPUs of all pools".into(),
        }
    }

    /// The change of its value to `to`, in words.
    pub fn describe_change(self, problem: &Problem, to: f64) -> String {
        let from = self.value(problem);
        let name = self.entry(problem).unwrap_or_default();
        match self {
            Self::LatencySlo(_) => format!("latency SLO of {name:?} {} → {} s", number(from), number(to)),
            Self::ErrorSlo(_) => {
                format!("error SLO of {name:?} {} → {} %", number(100.0 * from), number(100.0 * to))
            }
            Self::MaxUnmet(_) => {
                format!("unserved share of {name:?} {} → {} %", number(100.0 * from), number(100.0 * to))
            }
            Self::Budget => format!("budget +${} (${} → ${})", number(to - from), number(from), number(to)),
            Self::Storage => format!("storage +{} GB ({} → {} GB)", number(to - from), number(from), number(to)),
            Self::Pool(_) => {
                format!("{} more GPUs in pool {name:?} ({} → {})", number(to - from), number(from), number(to))
            }
            Self::MaxReplicas => format!("max_replicas of every configuration × {}", number(to)),
            Self::Memory => format!("KV-cache memory of every replica × {}", number(to)),
            Self::EveryLatencySlo => format!("every latency SLO × {}", number(to)),
            Self::EveryErrorSlo => format!("every error SLO × {}", number(to)),
            Self::EveryMaxUnmet => format!("up to {} % of every query type unserved", number(100.0 * to)),
            Self::EveryPool => format!("GPUs of every pool × {}", number(to)),
        }
    }
}

/// The factor on all of `slos` that lets every route pass; SLOs of 0 stay 0.
fn largest_factor(slos: &[f64], single: &dyn Fn(u32) -> Constraint, data: &ProblemData) -> f64 {
    let factor = |(i, slo): (usize, &f64)| single(i as u32).loosest(data) / slo;
    slos.iter().enumerate().filter(|(_, slo)| **slo > 0.0).map(factor).fold(1.0, f64::max)
}

/// Six significant digits, without trailing zeros.
fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let digits = (5 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
