//! Plans of generated problems that nothing was tuned on, one line of CSV per problem and seed, for `benches/paired.py`.
//!
//! `cargo bench -p servemix-core --bench unseen -- --first 7000 --count 4 --seeds 3 > new.csv`
//!
//! Options: `--method agh`, `--sizes 6-6-10,10-10-10`, `--scales 1,10,100`, `--families plain,separable-pools,wild` (all by
//! default), `--filter TEXT` (of a problem's name), `--without SWITCH`, `--set FIELD=VALUE` (a number of the tuning, see `set`),
//! `--time-limit S`, `--iterations N`, `--bound 1`. Two builds compare by the same arguments. `--method bnb --time-limit 10` makes
//! references: its rows carry a bound.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use cpu_time::ProcessTime;
use servemix_core::generate::{physical, separable, wild, Family, Size};
use servemix_core::{solve, CancelToken, Method, Problem, SolveParams};

/// Groups of the separable problems: as many as query types, and a few.
const GROUPS: [usize; 2] = [0, 3];
/// Pools of separable problems relative to those that bind.
const LOOSE_POOLS: f64 = 1.5;

struct Arguments {
    method: Method,
    first: u64,
    count: u64,
    seeds: u64,
    sizes: Vec<Size>,
    scales: Vec<f64>,
    families: Vec<String>,
    filter: String,
    params: SolveParams,
}

fn names() -> Vec<String> {
    let own = Family::ALL.map(|family| family.as_str().to_owned());
    let apart = ["plain", "budget", "pools", "loose", "storage"].map(|name| format!("separable-{name}"));
    own.into_iter().chain(apart).chain(["wild".to_owned()]).collect()
}

fn arguments() -> Arguments {
    let mut parsed = Arguments {
        method: Method::Agh,
        first: 0,
        count: 1,
        seeds: 1,
        sizes: vec![Size::new(6, 6, 10), Size::new(10, 10, 10)],
        scales: vec![1.0, 10.0, 100.0],
        families: names(),
        filter: String::new(),
        params: SolveParams::default(),
    };
    let size = |text: &str| {
        let numbers: Vec<usize> = text.split('-').map(|number| number.parse().unwrap()).collect();
        Size::new(numbers[0], numbers[1], numbers[2])
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--bench" {
            continue;
        }
        let value = arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--method" => parsed.method = Method::parse(&value).unwrap(),
            "--first" => parsed.first = value.parse().unwrap(),
            "--count" => parsed.count = value.parse().unwrap(),
            "--seeds" => parsed.seeds = value.parse().unwrap(),
            "--sizes" => parsed.sizes = value.split(',').map(size).collect(),
            "--scales" => parsed.scales = value.split(',').map(|scale| scale.parse().unwrap()).collect(),
            "--families" => parsed.families = value.split(',').map(str::to_owned).collect(),
            "--filter" => parsed.filter = value,
            "--time-limit" => parsed.params.time_limit_s = Some(value.parse().unwrap()),
            "--iterations" => parsed.params.max_iterations = Some(value.parse().unwrap()),
            "--bound" => parsed.params.bound = value != "0",
            "--without" => parsed.params.switches.set(&value, false).unwrap(),
            "--set" => set(&mut parsed.params, &value),
            _ => panic!("{argument} is not an option"),
        }
    }
    parsed
}

fn set(params: &mut SolveParams, text: &str) {
    let (name, value) = text.split_once('=').unwrap();
    let value: f64 = value.parse().unwrap();
    let (schedule, kernel) = (&mut params.tuning.schedule, &mut params.tuning.kernel);
    let search = &mut params.tuning.search;
    match name {
        "kernel_base" => kernel.base = value as usize,
        "kernel_per_type" => kernel.per_type = value as usize,
        "focus" => kernel.focus = value as usize,
        "tries" => search.tries = value as usize,
        "deep_tries" => search.deep_tries = value as usize,
        "deep_below" => search.deep_below = value,
        "dive_below" => search.perturbation.dive_below = value,
        "choice_share" => search.perturbation.choice_share = value,
        "contestants" => search.perturbation.contestants = value as usize,
        "dive_share" => search.perturbation.dive_share = value,
        "worsening_share" => search.perturbation.worsening_share = value,
        "worsening_below" => search.perturbation.worsening_below = value,
        "worsening_moves" => search.perturbation.worsening_moves = value as usize,
        "insertion_share" => search.perturbation.insertion_share = value,
        "patience" => schedule.patience = value as u64,
        "work" => schedule.work = value,
        "start_share" => schedule.start_share = value,
        "apart_share" => schedule.apart_share = value,
        "answers_share" => schedule.answers_share = value,
        "islands" => schedule.islands = value as usize,
        _ => panic!("{name} cannot be set here"),
    }
}

/// The problem, and its name, which differs from its own where pools are loose.
fn build(family: &str, size: Size, scale: f64, seed: u64) -> (String, Problem) {
    let Some(name) = family.strip_prefix("separable-") else {
        let problem = match Family::parse(family) {
            Some(family) => physical(size, scale, family, seed).unwrap(),
            None => wild(seed).unwrap(),
        };
        return (problem.name.clone(), problem);
    };
    let groups = match GROUPS[(seed % 2) as usize] {
        0 => size.query_types,
        few => few,
    };
    if name != "loose" {
        let problem = separable(size, groups, scale, Family::parse(name).unwrap(), seed).unwrap();
        return (problem.name.clone(), problem);
    }
    let mut data = separable(size, groups, scale, Family::Pools, seed).unwrap().data().clone();
    data.pools.max_gpus.iter_mut().for_each(|gpus| *gpus = (*gpus * LOOSE_POOLS).ceil());
    data.name = data.name.replace("pools", "loose");
    (data.name.clone(), Problem::new(data).unwrap())
}

fn main() {
    let Arguments { method, first, count, seeds, sizes, scales, families, filter, mut params } = arguments();
    println!("problem,family,method,seed,status,value,bound,cpu_ms");
    for family in &families {
        // Wild problems have a size and a scale of their own.
        let (sizes, scales) = if family == "wild" { (&sizes[..1], &scales[..1]) } else { (&sizes[..], &scales[..]) };
        for (&size, &scale) in sizes.iter().flat_map(|size| scales.iter().map(move |scale| (size, scale))) {
            for seed in first..first + count {
                let (name, problem) = build(family, size, scale, seed);
                if !name.contains(&filter) {
                    continue;
                }
                for seed in 0..seeds {
                    params.seed = seed;
                    let start = ProcessTime::now();
                    let plan = solve(&problem, method, &params, None, &CancelToken::new()).unwrap();
                    let ms = start.elapsed().as_secs_f64() * 1e3;
                    let (value, bound) =
                        (plan.objective_value.unwrap_or(f64::NAN), plan.objective_bound.unwrap_or(0.0));
                    let status = plan.status.as_str();
                    println!("{name},{family},{},{seed},{status},{value},{bound},{ms:.3}", method.as_str());
                }
            }
        }
    }
}
