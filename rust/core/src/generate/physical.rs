//! Problems with the physics of LLM serving and the ranges of the paper (arXiv 2604.07472).

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::gpus::{Gpu, GPUS};
use super::limits::limit;
use super::{Family, Size};
use crate::{
    Configurations, Error, LatencyScope, Models, Pools, Problem, ProblemData, QueryTypes, Result, Routes, Tiers,
    NO_POOL,
};

struct Precision {
    name: &'static str,
    bytes: f64,
    speed: f64,
    error_factor: f64,
}

/// The error factors are the paper's.
const PRECISIONS: [Precision; 3] = [
    Precision { name: "fp16", bytes: 2.0, speed: 1.0, error_factor: 1.0 },
    Precision { name: "int8", bytes: 1.0, speed: 1.7, error_factor: 1.15 },
    Precision { name: "int4", bytes: 0.5, speed: 1.5, error_factor: 1.35 },
];

struct Class {
    name: &'static str,
    input_tokens: f64,
    output_tokens: f64,
    latency_slo_s: f64,
    error_slo: f64,
}

const CLASSES: [Class; 6] = [
    class("summarization", 1_400.0, 150.0, 6.0, 0.060),
    class("code", 1_900.0, 220.0, 10.0, 0.045),
    class("translation", 220.0, 90.0, 2.5, 0.030),
    class("math", 300.0, 280.0, 9.0, 0.035),
    class("image", 2_600.0, 300.0, 15.0, 0.075),
    class("video", 4_800.0, 400.0, 24.0, 0.055),
];

const fn class(name: &'static str, input: f64, output: f64, latency_slo_s: f64, error_slo: f64) -> Class {
    Class { name, input_tokens: input, output_tokens: output, latency_slo_s, error_slo }
}

/// Parameters in billions of the first models: Llama 3.x as in the paper; further ones are drawn.
const LLAMA_B: [f64; 6] = [1.24, 3.21, 8.03, 8.03, 45.0, 70.6];
const TENSOR_PARALLEL: [u32; 4] = [1, 2, 4, 8];
const PIPELINE_PARALLEL: [u32; 3] = [1, 2, 4];
const MAX_BATCH: f64 = 32.0;
const COMPUTE_EFFICIENCY: f64 = 0.5;
const BANDWIDTH_EFFICIENCY: f64 = 0.8;
const COLLECTIVE_S: f64 = 15e-6;
const HOP_S: f64 = 50e-6;
const STORAGE_GB: f64 = 1_000.0;

struct Demand {
    input_tokens: f64,
    output_tokens: f64,
    base_error: f64,
}

struct Llm {
    parameters_b: f64,
    layers: f64,
    hidden: f64,
    kv_gb_per_token: f64,
    capability: f64,
}

/// A problem of `size` with TP {1, 2, 4, 8} × PP {1, 2, 4}, arrival rates times `rate_scale`, limited as `family` says.
///
/// Latency, busy time and memory follow a roofline of each GPU; rates (1,000–25,000 queries/h at scale 1), SLOs
/// (1.5–25 s, 2–8 %) and rentals ($0.35–2.50/h) have the paper's ranges. The families differ in nothing but their
/// limits, so that the same seed gives the same routes in all of them. Every query type has a route within its SLOs.
///
/// # Errors
/// As [`Problem::new`], for a size with a zero in it or a scale that is not a number.
pub fn physical(size: Size, rate_scale: f64, family: Family, seed: u64) -> Result<Problem> {
    build(family.as_str(), size, 1, rate_scale, family, seed)
}

/// A problem that falls apart into up to `groups` services but for its limits: as [`physical`], where query type i is served by
/// model j only if i and j leave the same remainder when divided by `groups`.
///
/// # Errors
/// As [`Problem::new`], for a size with a zero in it, no groups, or a scale that is not a number.
pub fn separable(size: Size, groups: usize, rate_scale: f64, family: Family, seed: u64) -> Result<Problem> {
    build(&format!("separable-{groups}-{}", family.as_str()), size, groups, rate_scale, family, seed)
}

fn build(name: &str, size: Size, groups: usize, rate_scale: f64, family: Family, seed: u64) -> Result<Problem> {
    if groups == 0 {
        return Err(Error::invalid("groups", "must be at least 1"));
    }
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let (models, llms) = models(size.models, &mut rng);
    let (mut query_types, demands) = query_types(size.query_types, rate_scale, &mut rng);
    let (tiers, chips) = tiers(size.tiers, &mut rng);
    let (configurations, mut routes) = routes(&llms, &demands, &chips, rate_scale, &mut rng);
    keep_within_groups(&mut routes, &configurations, groups);
    attainable_slos(&mut query_types, &routes);
    let data = ProblemData {
        name: format!("{name}-{:02}-{:02}-{:02}-x{rate_scale}-s{seed}", size.query_types, size.models, size.tiers),
        horizon_h: 24.0,
        budget_usd: f64::INFINITY,
        storage_gb: STORAGE_GB.max(60.0 * (size.models * size.tiers) as f64),
        storage_usd_per_gb_h: 0.0002,
        max_utilization: 0.9,
        latency_scope: LatencyScope::Route,
        pools: Pools::default(),
        query_types,
        models,
        tiers,
        configurations,
        routes,
    };
    let gpu_of_tier: Vec<usize> = chips.iter().map(|&(gpu, _)| gpu).collect();
    Problem::new(limit(data, family, &gpu_of_tier)?)
}

fn models(count: usize, rng: &mut Pcg64Mcg) -> (Models, Vec<Llm>) {
    let mut models = Models::default();
    let llms = (0..count).map(|j| {
        let drawn = log_uniform(rng, 0.7, 110.0);
        let parameters_b = LLAMA_B.get(j).copied().unwrap_or(drawn);
        models.name.push(format!("model-{j}-{parameters_b:.1}b"));
        Llm {
            parameters_b,
            layers: (14.0 * parameters_b.powf(0.4)).round(),
            hidden: (1_900.0 * parameters_b.powf(0.35)).round(),
            kv_gb_per_token: 4e-5 * parameters_b.powf(0.5),
            capability: parameters_b.powf(0.27) * rng.random_range(0.85..1.15),
        }
    });
    let llms = llms.collect();
    (models, llms)
}

fn query_types(count: usize, rate_scale: f64, rng: &mut Pcg64Mcg) -> (QueryTypes, Vec<Demand>) {
    let mut q = QueryTypes::default();
    let demands = (0..count).map(|i| {
        let drawn = rng.random_range(0..CLASSES.len());
        let class = &CLASSES[if i < CLASSES.len() { i } else { drawn }];
        q.name.push(format!("{}-{i}", class.name));
        q.rate_per_h.push(rate_scale * log_uniform(rng, 1_000.0, 25_000.0));
        q.latency_slo_s.push((class.latency_slo_s * rng.random_range(0.8..1.2)).clamp(1.5, 25.0));
        q.error_slo.push((class.error_slo * rng.random_range(0.8..1.2)).clamp(0.02, 0.08));
        q.latency_usd_per_s.push(rng.random_range(0.7e-6..2.4e-6));
        q.unmet_usd_per_query.push(rng.random_range(0.006..0.02));
        q.max_unmet.push(0.05);
        q.data_gb.push(0.0);
        Demand {
            input_tokens: class.input_tokens * rng.random_range(0.7..1.3),
            output_tokens: class.output_tokens * rng.random_range(0.7..1.3),
            base_error: class.error_slo * rng.random_range(1.2..2.2),
        }
    });
    let demands = demands.collect();
    (q, demands)
}

fn tiers(count: usize, rng: &mut Pcg64Mcg) -> (Tiers, Vec<(usize, usize)>) {
    // The ten tiers of the paper first: three precisions of the small GPUs, two of the large ones.
    const PAPER: [(usize, usize); 10] =
        [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (3, 0), (3, 1)];
    let mut tiers = Tiers::default();
    let chips = (0..count).map(|k| {
        let drawn = (rng.random_range(0..GPUS.len()), rng.random_range(0..PRECISIONS.len()));
        let chip = PAPER.get(k).copied().unwrap_or(drawn);
        let (low, high) = GPUS[chip.0].usd_per_h;
        tiers.name.push(format!("{}-{}-{k}", GPUS[chip.0].name, PRECISIONS[chip.1].name));
        tiers.gpu_usd_per_h.push(rng.random_range(low..high));
        tiers.pool.push(NO_POOL);
        chip
    });
    let chips = chips.collect();
    (tiers, chips)
}

fn routes(
    llms: &[Llm],
    demands: &[Demand],
    chips: &[(usize, usize)],
    rate_scale: f64,
    rng: &mut Pcg64Mcg,
) -> (Configurations, Routes) {
    let max_replicas = if rate_scale > 30.0 { 512 } else { 64 };
    let mut c = Configurations::default();
    let mut routes = Routes::default();
    for (j, llm) in llms.iter().enumerate() {
        for (k, &(gpu, precision)) in chips.iter().enumerate() {
            let (gpu, precision) = (&GPUS[gpu], &PRECISIONS[precision]);
            let weights_gb = llm.parameters_b * precision.bytes;
            // The error of a type on a model and precision does not depend on TP and PP.
            let errors: Vec<f64> = demands
                .iter()
                .map(|demand| {
                    let noise = rng.random_range(0.9..1.1);
                    (demand.base_error / llm.capability * precision.error_factor * noise).min(0.9)
                })
                .collect();
            for tp in TENSOR_PARALLEL {
                for pp in PIPELINE_PARALLEL {
                    let kv_cache_gb = 0.9 * gpu.memory_gb * f64::from(tp * pp) - weights_gb;
                    if kv_cache_gb < 1.0 {
                        continue;
                    }
                    let a = c.model.len() as u32;
                    c.model.push(j as u32);
                    c.tier.push(k as u32);
                    c.tp.push(tp);
                    c.pp.push(pp);
                    c.weights_gb.push(weights_gb);
                    c.kv_cache_gb.push(kv_cache_gb);
                    c.max_replicas.push(max_replicas);
                    c.max_num_seqs.push(0);
                    for (i, demand) in demands.iter().enumerate() {
                        let Some((busy_s, kv_gb_s, latency_s)) =
                            serve(llm, demand, gpu, precision, tp, pp, kv_cache_gb)
                        else {
                            continue;
                        };
                        routes.query_type.push(i as u32);
                        routes.configuration.push(a);
                        routes.busy_s.push(busy_s);
                        routes.kv_gb_s.push(kv_gb_s);
                        routes.latency_s.push(latency_s);
                        routes.error.push(errors[i]);
                    }
                }
            }
        }
    }
    (c, routes)
}

/// Busy time, KV memory × time and latency of one query at the largest batch that fits; `None` where none fits.
fn serve(
    llm: &Llm,
    demand: &Demand,
    gpu: &Gpu,
    precision: &Precision,
    tp: u32,
    pp: u32,
    kv_cache_gb: f64,
) -> Option<(f64, f64, f64)> {
    let (tp, pp) = (f64::from(tp), f64::from(pp));
    let tokens = demand.input_tokens + demand.output_tokens;
    let batch = (kv_cache_gb / (pp * tokens * llm.kv_gb_per_token)).floor().min(MAX_BATCH);
    if batch < 1.0 {
        return None;
    }
    let context = demand.input_tokens + demand.output_tokens / 2.0;
    let bytes_per_s = tp * gpu.bandwidth_gb_s * BANDWIDTH_EFFICIENCY;
    let flops = tp * gpu.flops * precision.speed * COMPUTE_EFFICIENCY;
    let flops_per_token = 2e9 * llm.parameters_b;
    let reduce_s = |tokens: f64| {
        let bytes_gb = 2e-9 * llm.hidden * tokens;
        let exchange_s = 2.0 * bytes_gb * (tp - 1.0) / tp / gpu.link_gb_s;
        if tp > 1.0 {
            2.0 * llm.layers * (COLLECTIVE_S + exchange_s)
        } else {
            0.0
        }
    };
    let read_s = (llm.parameters_b * precision.bytes + batch * context * llm.kv_gb_per_token) / bytes_per_s;
    let step_s = read_s.max(batch * flops_per_token / flops) + reduce_s(batch) + (pp - 1.0) * HOP_S;
    let prefill_s = demand.input_tokens * flops_per_token / flops + reduce_s(demand.input_tokens) + pp * HOP_S;
    let latency_s = prefill_s + demand.output_tokens * step_s;
    let busy_s = prefill_s / pp + demand.output_tokens * step_s / (batch * pp);
    Some((busy_s, latency_s * context * llm.kv_gb_per_token, latency_s))
}

/// Drops the routes between query types and models whose indices differ modulo `groups`.
fn keep_within_groups(routes: &mut Routes, c: &Configurations, groups: usize) {
    let is_kept = |route: &usize| {
        let model = c.model[routes.configuration[*route] as usize] as usize;
        model % groups == routes.query_type[*route] as usize % groups
    };
    let kept: Vec<usize> = (0..routes.query_type.len()).filter(is_kept).collect();
    for column in [&mut routes.query_type, &mut routes.configuration] {
        *column = kept.iter().map(|&route| column[route]).collect();
    }
    for column in [&mut routes.busy_s, &mut routes.kv_gb_s, &mut routes.latency_s, &mut routes.error] {
        *column = kept.iter().map(|&route| column[route]).collect();
    }
}

/// Raises SLOs that no route meets to what the best route gives, so that every type can be served within them.
fn attainable_slos(q: &mut QueryTypes, routes: &Routes) {
    for i in 0..q.name.len() {
        let of_type = || (0..routes.query_type.len()).filter(|&route| routes.query_type[route] as usize == i);
        let fast = of_type().map(|route| routes.latency_s[route]).fold(f64::INFINITY, f64::min);
        q.latency_slo_s[i] = q.latency_slo_s[i].max(1.25 * fast);
        let slo_s = q.latency_slo_s[i];
        let accurate = of_type()
            .filter(|&route| routes.latency_s[route] <= slo_s)
            .map(|route| routes.error[route])
            .fold(f64::INFINITY, f64::min);
        q.error_slo[i] = q.error_slo[i].max(1.05 * accurate);
    }
}

pub(super) fn log_uniform(rng: &mut Pcg64Mcg, low: f64, high: f64) -> f64 {
    rng.random_range(low.ln()..high.ln()).exp().clamp(low, high)
}
