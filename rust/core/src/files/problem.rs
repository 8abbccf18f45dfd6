//! servemix-problem/2; /1, which has no operating points, is read as well.

use serde::{Deserialize, Serialize};

use super::parse::{limit, nullable, parse, Format};
use super::write::{json, Object};
use crate::{
    Configurations, Error, LatencyScope, Models, Pools, Problem, ProblemData, QueryTypes, Result, Routes, Tiers,
    NO_PAIR, NO_POOL,
};

const FORMAT: &str = "servemix-problem/2";
const OLDER: &str = "servemix-problem/1";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    name: String,
    horizon_h: f64,
    #[serde(deserialize_with = "limit")]
    budget_usd: f64,
    #[serde(deserialize_with = "limit")]
    storage_gb: f64,
    storage_usd_per_gb_h: f64,
    max_utilization: f64,
    latency_scope: String,
    pools: Vec<Pool>,
    query_types: Vec<QueryType>,
    models: Vec<Model>,
    tiers: Vec<Tier>,
    configurations: Vec<Configuration>,
    routes: RouteColumns,
}

impl Format for File {
    fn format(&self) -> &str {
        &self.format
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Pool {
    name: String,
    // Infinity is written as null.
    #[serde(deserialize_with = "limit")]
    max_gpus: f64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct QueryType {
    name: String,
    rate_per_h: f64,
    latency_slo_s: f64,
    error_slo: f64,
    latency_usd_per_s: f64,
    unmet_usd_per_query: f64,
    max_unmet: f64,
    data_gb: f64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Model {
    name: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Tier {
    name: String,
    gpu_usd_per_h: f64,
    #[serde(deserialize_with = "nullable")]
    pool: Option<u32>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    model: u32,
    tier: u32,
    tp: u32,
    pp: u32,
    weights_gb: f64,
    kv_cache_gb: f64,
    max_replicas: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_num_seqs: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_utilization: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_replicas: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pair: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteColumns {
    query_type: Vec<u32>,
    configuration: Vec<u32>,
    busy_s: Vec<f64>,
    kv_gb_s: Vec<f64>,
    latency_s: Vec<f64>,
    error: Vec<f64>,
}

impl Problem {
    /// Reads a problem from the content of a servemix-problem/2 or /1 file, JSON or gzipped JSON.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the entry that is missing, unknown, of the wrong type, not finite or breaks a rule.
    pub fn from_json(content: &[u8]) -> Result<Self> {
        let file: File = parse(content, &[FORMAT, OLDER])?;
        Self::new(data(file)?).map_err(by_row)
    }

    /// The problem as the content of a servemix-problem/2 file, from which [`Problem::from_json`] makes the same problem.
    pub fn to_json(&self) -> String {
        let data = self.data();
        let (q, t, c, r) = (&data.query_types, &data.tiers, &data.configurations, &data.routes);
        Object::new()
            .value("format", FORMAT)
            .value("name", &data.name)
            .value("horizon_h", &data.horizon_h)
            .value("budget_usd", &data.budget_usd)
            .value("storage_gb", &data.storage_gb)
            .value("storage_usd_per_gb_h", &data.storage_usd_per_gb_h)
            .value("max_utilization", &data.max_utilization)
            .value("latency_scope", data.latency_scope.as_str())
            .rows(
                "pools",
                (0..data.pools.name.len())
                    .map(|g| Pool { name: data.pools.name[g].clone(), max_gpus: data.pools.max_gpus[g] }),
            )
            .rows(
                "query_types",
                (0..q.name.len()).map(|i| QueryType {
                    name: q.name[i].clone(),
                    rate_per_h: q.rate_per_h[i],
                    latency_slo_s: q.latency_slo_s[i],
                    error_slo: q.error_slo[i],
                    latency_usd_per_s: q.latency_usd_per_s[i],
                    unmet_usd_per_query: q.unmet_usd_per_query[i],
                    max_unmet: q.max_unmet[i],
                    data_gb: q.data_gb[i],
                }),
            )
            .rows("models", data.models.name.iter().map(|name| Model { name: name.clone() }))
            .rows(
                "tiers",
                (0..t.name.len()).map(|k| Tier {
                    name: t.name[k].clone(),
                    gpu_usd_per_h: t.gpu_usd_per_h[k],
                    pool: Some(t.pool[k]).filter(|&pool| pool != NO_POOL),
                }),
            )
            .rows(
                "configurations",
                (0..c.model.len()).map(|a| Configuration {
                    model: c.model[a],
                    tier: c.tier[a],
                    tp: c.tp[a],
                    pp: c.pp[a],
                    weights_gb: c.weights_gb[a],
                    kv_cache_gb: c.kv_cache_gb[a],
                    max_replicas: c.max_replicas[a],
                    max_num_seqs: Some(c.max_num_seqs[a]).filter(|&limit| limit > 0),
                    max_utilization: Some(c.max_utilization[a]).filter(|&share| share > 0.0),
                    min_replicas: Some(c.min_replicas[a]).filter(|&least| least > 1),
                    pair: Some(c.pair[a]).filter(|&pair| pair != NO_PAIR),
                }),
            )
            .columns(
                "routes",
                [
                    ("query_type", json(&r.query_type)),
                    ("configuration", json(&r.configuration)),
                    ("busy_s", json(&r.busy_s)),
                    ("kv_gb_s", json(&r.kv_gb_s)),
                    ("latency_s", json(&r.latency_s)),
                    ("error", json(&r.error)),
                ],
            )
            .finish()
    }
}

fn data(file: File) -> Result<ProblemData> {
    let latency_scope = LatencyScope::parse(&file.latency_scope).ok_or_else(|| {
        Error::invalid("latency_scope", format!("must be \"route\" or \"average\", got {:?}", file.latency_scope))
    })?;
    let mut data = ProblemData {
        name: file.name,
        horizon_h: file.horizon_h,
        budget_usd: file.budget_usd,
        storage_gb: file.storage_gb,
        storage_usd_per_gb_h: file.storage_usd_per_gb_h,
        max_utilization: file.max_utilization,
        latency_scope,
        pools: Pools::default(),
        query_types: QueryTypes::default(),
        models: Models { name: file.models.into_iter().map(|model| model.name).collect() },
        tiers: Tiers::default(),
        configurations: Configurations::default(),
        routes: Routes {
            query_type: file.routes.query_type,
            configuration: file.routes.configuration,
            busy_s: file.routes.busy_s,
            kv_gb_s: file.routes.kv_gb_s,
            latency_s: file.routes.latency_s,
            error: file.routes.error,
        },
    };
    for pool in file.pools {
        data.pools.name.push(pool.name);
        data.pools.max_gpus.push(pool.max_gpus);
    }
    let q = &mut data.query_types;
    for query_type in file.query_types {
        q.name.push(query_type.name);
        q.rate_per_h.push(query_type.rate_per_h);
        q.latency_slo_s.push(query_type.latency_slo_s);
        q.error_slo.push(query_type.error_slo);
        q.latency_usd_per_s.push(query_type.latency_usd_per_s);
        q.unmet_usd_per_query.push(query_type.unmet_usd_per_query);
        q.max_unmet.push(query_type.max_unmet);
        q.data_gb.push(query_type.data_gb);
    }
    for (index, tier) in file.tiers.into_iter().enumerate() {
        // The largest number stands for "none" in the core, not in a file.
        if tier.pool == Some(NO_POOL) {
            return Err(Error::invalid(format!("tiers[{index}].pool"), format!("is {NO_POOL}, out of range")));
        }
        data.tiers.name.push(tier.name);
        data.tiers.gpu_usd_per_h.push(tier.gpu_usd_per_h);
        data.tiers.pool.push(tier.pool.unwrap_or(NO_POOL));
    }
    let c = &mut data.configurations;
    for (index, configuration) in file.configurations.into_iter().enumerate() {
        if configuration.max_num_seqs == Some(0) {
            let entry = format!("configurations[{index}].max_num_seqs");
            return Err(Error::invalid(entry, "must be at least 1, or null where it is not known, got 0"));
        }
        let newer = [
            ("max_utilization", configuration.max_utilization.is_some()),
            ("min_replicas", configuration.min_replicas.is_some()),
            ("pair", configuration.pair.is_some()),
        ];
        if let Some((key, _)) = newer.into_iter().find(|&(_, is_there)| is_there && file.format == OLDER) {
            let entry = format!("configurations[{index}].{key}");
            return Err(Error::invalid(entry, format!("unknown field in {OLDER}; {FORMAT} has it")));
        }
        // What stands for "none" in the core would not be told from it.
        if configuration.max_utilization == Some(0.0) {
            let entry = format!("configurations[{index}].max_utilization");
            return Err(Error::invalid(entry, "must be greater than 0 and at most 1, got 0"));
        }
        if configuration.pair == Some(NO_PAIR) {
            return Err(Error::invalid(format!("configurations[{index}].pair"), format!("is {NO_PAIR}, out of range")));
        }
        c.model.push(configuration.model);
        c.tier.push(configuration.tier);
        c.tp.push(configuration.tp);
        c.pp.push(configuration.pp);
        c.weights_gb.push(configuration.weights_gb);
        c.kv_cache_gb.push(configuration.kv_cache_gb);
        c.max_replicas.push(configuration.max_replicas);
        c.max_num_seqs.push(configuration.max_num_seqs.unwrap_or(0));
        c.max_utilization.push(configuration.max_utilization.unwrap_or(0.0));
        c.min_replicas.push(configuration.min_replicas.unwrap_or(1));
        c.pair.push(configuration.pair.unwrap_or(NO_PAIR));
    }
    Ok(data)
}

/// The problem's rules speak of columns, as in `tiers.pool[3]`; the file has rows, as in `tiers[3].pool`.
fn by_row(error: Error) -> Error {
    match error {
        Error::Invalid { entry, message } => Error::Invalid { entry: row_entry(&entry).unwrap_or(entry), message },
        other => other,
    }
}

fn row_entry(entry: &str) -> Option<String> {
    let (section, rest) = entry.split_once('.')?;
    let (column, index) = rest.split_once('[')?;
    (section != "routes").then(|| format!("{section}[{index}.{column}"))
}
