//! The checks that problem data must pass; the first entry that fails is named.

use std::collections::HashMap;

use super::{ProblemData, LARGEST_NUMBER, MAX_REPLICAS, NO_POOL, SMALLEST_NUMBER};
use crate::{Error, Result};

/// Largest tensor-parallel degree and pipeline-parallel depth.
const MAX_PARALLEL: u32 = 10_000;

/// The rule that a number must keep.
#[derive(Clone, Copy)]
pub(super) enum Range {
    NonNegative,
    /// Non-negative, and below the smallest number as good as 0.
    Rate,
    Positive,
    /// Positive, or infinite for "no limit".
    Limit,
    /// Non-negative, or infinite for "no limit".
    LimitOrZero,
    Fraction,
    PositiveFraction,
}

pub(super) fn check_number(value: f64, range: Range, entry: impl FnOnce() -> String) -> Result<()> {
    let finite = value.is_finite() || (matches!(range, Range::Limit | Range::LimitOrZero) && value == f64::INFINITY);
    let message = if !finite {
        "must be a finite number"
    } else {
        let (holds, message) = match range {
            Range::NonNegative | Range::Rate | Range::LimitOrZero => (value >= 0.0, "must not be negative"),
            Range::Positive | Range::Limit => (value > 0.0, "must be greater than zero"),
            Range::Fraction => ((0.0..=1.0).contains(&value), "must lie between 0 and 1"),
            Range::PositiveFraction => (value > 0.0 && value <= 1.0, "must be greater than 0 and at most 1"),
        };
        let is_limit = matches!(range, Range::Limit | Range::LimitOrZero);
        let may_be_tiny = value == 0.0 || matches!(range, Range::Rate | Range::Fraction);
        match (holds, value <= LARGEST_NUMBER || is_limit, value >= SMALLEST_NUMBER || may_be_tiny) {
            (true, true, true) => return Ok(()),
            (true, false, _) => "is too large to calculate with; at most 1e18",
            (true, _, false) => "is too small to calculate with; 0 or at least 1e-18",
            (false, ..) => message,
        }
    };
    // Past this a number is only digits.
    let got = if value.abs() < 1e16 { value.to_string() } else { format!("{value:e}") };
    Err(Error::invalid(entry(), format!("{message}, got {got}")))
}

fn check_column(section: &str, column: &str, values: &[f64], range: Range) -> Result<()> {
    for (index, &value) in values.iter().enumerate() {
        check_number(value, range, || format!("{section}.{column}[{index}]"))?;
    }
    Ok(())
}

fn check_length(section: &str, column: &str, length: usize, expected: usize) -> Result<()> {
    if length == expected {
        return Ok(());
    }
    Err(Error::invalid(format!("{section}.{column}"), format!("has {length} entries where {expected} are expected")))
}

fn check_count(section: &str, column: &str, values: &[u32], most: u32, expected: usize) -> Result<()> {
    check_length(section, column, values.len(), expected)?;
    match values.iter().position(|value| !(1..=most).contains(value)) {
        Some(index) => {
            let bound = if values[index] == 0 { "at least 1".to_owned() } else { format!("at most {most}") };
            let message = format!("must be {bound}, got {}", values[index]);
            Err(Error::invalid(format!("{section}.{column}[{index}]"), message))
        }
        None => Ok(()),
    }
}

fn check_index(section: &str, column: &str, values: &[u32], count: usize, none: Option<u32>) -> Result<()> {
    for (index, &value) in values.iter().enumerate() {
        if value as usize >= count && Some(value) != none {
            return Err(Error::invalid(
                format!("{section}.{column}[{index}]"),
                format!("is {value}, out of range for {count} entries"),
            ));
        }
    }
    Ok(())
}

fn check_names(section: &str, names: &[String]) -> Result<()> {
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = seen.insert(name, index) {
            return Err(Error::invalid(
                format!("{section}.name[{index}]"),
                format!("{name:?} is already the name of entry {first}"),
            ));
        }
    }
    Ok(())
}

pub(super) fn validate(data: &ProblemData) -> Result<()> {
    check_number(data.horizon_h, Range::Positive, || "horizon_h".into())?;
    check_number(data.budget_usd, Range::LimitOrZero, || "budget_usd".into())?;
    check_number(data.storage_gb, Range::Limit, || "storage_gb".into())?;
    check_number(data.storage_usd_per_gb_h, Range::NonNegative, || "storage_usd_per_gb_h".into())?;
    check_number(data.max_utilization, Range::PositiveFraction, || "max_utilization".into())?;

    check_names("pools", &data.pools.name)?;
    let num_pools = data.pools.name.len();
    check_length("pools", "max_gpus", data.pools.max_gpus.len(), num_pools)?;
    check_column("pools", "max_gpus", &data.pools.max_gpus, Range::LimitOrZero)?;

    let q = &data.query_types;
    let num_types = q.name.len();
    if num_types == 0 {
        return Err(Error::invalid("query_types", "must have at least one entry"));
    }
    check_names("query_types", &q.name)?;
    for (column, values, range) in [
        ("rate_per_h", &q.rate_per_h, Range::Rate),
        ("latency_slo_s", &q.latency_slo_s, Range::NonNegative),
        ("error_slo", &q.error_slo, Range::NonNegative),
        ("latency_usd_per_s", &q.latency_usd_per_s, Range::NonNegative),
        ("unmet_usd_per_query", &q.unmet_usd_per_query, Range::NonNegative),
        ("max_unmet", &q.max_unmet, Range::Fraction),
        ("data_gb", &q.data_gb, Range::NonNegative),
    ] {
        check_length("query_types", column, values.len(), num_types)?;
        check_column("query_types", column, values, range)?;
    }

    check_names("models", &data.models.name)?;
    let t = &data.tiers;
    check_names("tiers", &t.name)?;
    check_length("tiers", "gpu_usd_per_h", t.gpu_usd_per_h.len(), t.name.len())?;
    check_column("tiers", "gpu_usd_per_h", &t.gpu_usd_per_h, Range::NonNegative)?;
    check_length("tiers", "pool", t.pool.len(), t.name.len())?;
    check_index("tiers", "pool", &t.pool, num_pools, Some(NO_POOL))?;

    validate_configurations(data)?;
    validate_routes(data)
}

fn validate_configurations(data: &ProblemData) -> Result<()> {
    let c = &data.configurations;
    let count = c.model.len();
    check_index("configurations", "model", &c.model, data.models.name.len(), None)?;
    check_length("configurations", "tier", c.tier.len(), count)?;
    check_index("configurations", "tier", &c.tier, data.tiers.name.len(), None)?;
    check_count("configurations", "tp", &c.tp, MAX_PARALLEL, count)?;
    check_count("configurations", "pp", &c.pp, MAX_PARALLEL, count)?;
    check_length("configurations", "weights_gb", c.weights_gb.len(), count)?;
    check_column("configurations", "weights_gb", &c.weights_gb, Range::NonNegative)?;
    check_length("configurations", "kv_cache_gb", c.kv_cache_gb.len(), count)?;
    check_column("configurations", "kv_cache_gb", &c.kv_cache_gb, Range::Positive)?;
    check_count("configurations", "max_replicas", &c.max_replicas, MAX_REPLICAS, count)?;
    check_length("configurations", "max_num_seqs", c.max_num_seqs.len(), count)?;
    check_length("configurations", "max_utilization", c.max_utilization.len(), count)?;
    for (index, &share) in c.max_utilization.iter().enumerate().filter(|(_, &share)| share != 0.0) {
        check_number(share, Range::PositiveFraction, || format!("configurations.max_utilization[{index}]"))?;
    }
    check_count("configurations", "min_replicas", &c.min_replicas, MAX_REPLICAS, count)?;
    for (index, (&least, &most)) in c.min_replicas.iter().zip(&c.max_replicas).enumerate() {
        if least > most {
            let message = format!("must be at most max_replicas, which is {most}, got {least}");
            return Err(Error::invalid(format!("configurations.min_replicas[{index}]"), message));
        }
    }
    check_length("configurations", "pair", c.pair.len(), count)
}

fn validate_routes(data: &ProblemData) -> Result<()> {
    let r = &data.routes;
    let count = r.query_type.len();
    let num_types = data.query_types.name.len();
    check_index("routes", "query_type", &r.query_type, num_types, None)?;
    check_length("routes", "configuration", r.configuration.len(), count)?;
    check_index("routes", "configuration", &r.configuration, data.configurations.model.len(), None)?;
    for (column, values) in
        [("busy_s", &r.busy_s), ("kv_gb_s", &r.kv_gb_s), ("latency_s", &r.latency_s), ("error", &r.error)]
    {
        check_length("routes", column, values.len(), count)?;
        check_column("routes", column, values, Range::NonNegative)?;
    }
    // Sorting the keys finds duplicates without a table of the size types × configurations.
    let mut order: Vec<(u32, u32, u32)> =
        (0..count).map(|route| (r.configuration[route], r.query_type[route], route as u32)).collect();
    order.sort_unstable();
    match order.windows(2).find(|two| (two[0].0, two[0].1) == (two[1].0, two[1].1)) {
        Some(two) => Err(Error::invalid(
            format!("routes[{}]", two[1].2),
            format!("repeats route {} (query_type {}, configuration {})", two[0].2, two[0].1, two[0].0),
        )),
        None => Ok(()),
    }
}
