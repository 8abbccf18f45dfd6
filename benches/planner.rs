//! Latency of re-planning: routing only and full, on rates that walk at random, and the cost against a cold run of AGH.
//!
//! `cargo bench -p servemix-core --bench planner [-- --filter plain,06 --steps 2000 --sigma 0.04 --cold 20]`
//!
//! Measured are the problems whose names contain every part of the filter: those of `SERVEMIX_SHARED`, and generated ones,
//! `--instances` of each family and scale, from `--first-seed` on.
//! Rates walk by exp(σ·z) per step, drawn back to where they began, with a jump of one type by up to ×3 every hundredth
//! step. `--cold` is the number of steps whose cost is compared with method AGH, 0 for none.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

mod instances;

use std::time::Instant;

use cpu_time::ThreadTime;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use servemix_core::generate::{physical, Family, Size};
use servemix_core::{check, solve, CancelToken, Method, Planner, PlannerParams, Problem, SolveParams, Status, Update};

const OPTIONS: &str = "--filter, --steps, --sigma, --cold, --histogram, --cpu, --min-saving, --instances, --first-seed, --headroom, --max-headroom-cost";

struct Arguments {
    filter: String,
    steps: usize,
    sigma: f64,
    cold: usize,
    histogram: bool,
    cpu: bool,
    min_saving: Option<f64>,
    instances: u64,
    first_seed: u64,
    headroom: Option<f64>,
    max_headroom_cost: Option<f64>,
}

fn arguments() -> Arguments {
    let mut parsed = Arguments {
        filter: String::new(),
        steps: 2000,
        sigma: 0.03,
        cold: 10,
        histogram: false,
        cpu: false,
        min_saving: None,
        instances: 1,
        first_seed: 2_000,
        headroom: None,
        max_headroom_cost: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What cargo passes of its own.
            "--bench" => continue,
            "--histogram" => {
                parsed.histogram = true;
                continue;
            }
            "--cpu" => {
                parsed.cpu = true;
                continue;
            }
            _ => {}
        }
        let value = arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--filter" => parsed.filter = value,
            "--steps" => parsed.steps = value.parse().unwrap(),
            "--sigma" => parsed.sigma = value.parse().unwrap(),
            "--cold" => parsed.cold = value.parse().unwrap(),
            "--headroom" => parsed.headroom = Some(value.parse().unwrap()),
            "--max-headroom-cost" => parsed.max_headroom_cost = Some(value.parse().unwrap()),
            "--instances" => parsed.instances = value.parse().unwrap(),
            "--first-seed" => parsed.first_seed = value.parse().unwrap(),
            "--min-saving" => parsed.min_saving = Some(value.parse().unwrap()),
            _ => panic!("{argument} is not an option; there are {OPTIONS}"),
        }
    }
    parsed
}

/// Rates that walk at random around where they began.
struct Walk {
    first: Vec<f64>,
    log_factor: Vec<f64>,
    sigma: f64,
    step: usize,
    rng: Pcg64Mcg,
}

impl Walk {
    fn new(problem: &Problem, sigma: f64, seed: u64) -> Self {
        let first = problem.query_types.rate_per_h.clone();
        Self { log_factor: vec![0.0; first.len()], first, sigma, step: 0, rng: Pcg64Mcg::seed_from_u64(seed) }
    }

    fn next(&mut self) -> Vec<f64> {
        self.step += 1;
        for value in &mut self.log_factor {
            // The sum of twelve uniform numbers is as good as normal here.
            let normal: f64 = (0..12).map(|_| self.rng.random::<f64>()).sum::<f64>() - 6.0;
            *value = 0.995 * *value + self.sigma * normal;
        }
        if self.step % 100 == 0 {
            let index = self.rng.random_range(0..self.first.len());
            self.log_factor[index] += self.rng.random_range(-1.1..1.1);
        }
        self.first.iter().zip(&self.log_factor).map(|(rate, value)| rate * value.exp()).collect()
    }
}

/// Sorted times, µs.
struct Times(Vec<f64>);

impl Times {
    fn new(mut us: Vec<f64>) -> Self {
        us.sort_by(f64::total_cmp);
        Self(us)
    }

    fn quantile(&self, share: f64) -> f64 {
        self.0.get(((self.0.len() as f64 * share) as usize).min(self.0.len() - 1)).copied().unwrap_or(f64::NAN)
    }

    fn row(&self) -> String {
        let quantiles = [0.5, 0.9, 0.99, 0.999, 1.0].map(|share| format!("{:>9.1}", self.quantile(share)));
        quantiles.join(" ")
    }

    /// Calls per power of two of a microsecond.
    fn print_histogram(&self) {
        let (mut upper, mut index) = (1.0, 0);
        while index < self.0.len() {
            let count = self.0[index..].iter().take_while(|us| **us <= upper).count();
            if count > 0 {
                let bar = "#".repeat((60 * count).div_ceil(self.0.len()));
                println!("    ≤ {upper:>8} µs {count:>8} {bar}");
            }
            index += count;
            upper *= 2.0;
        }
    }
}

impl Arguments {
    fn admit(&self, name: &str) -> bool {
        self.filter.split(',').all(|part| name.contains(part))
    }
}

struct Outcome {
    times: Times,
    degraded: usize,
    changed: usize,
    violations: usize,
}

fn run(problem: &Problem, arguments: &Arguments, full: bool) -> (Outcome, Vec<(Vec<f64>, f64)>) {
    let mut params = PlannerParams::default();
    if let Some(share) = arguments.min_saving {
        params.min_saving_share = share;
    }
    if let Some(share) = arguments.headroom {
        params.headroom = share;
    }
    if let Some(share) = arguments.max_headroom_cost {
        params.max_headroom_cost_share = share;
    }
    let mut planner = Planner::new(problem.clone(), None, params).unwrap();
    let mut walk = Walk::new(problem, arguments.sigma, 7);
    let mut outcome = Outcome { times: Times(Vec::new()), degraded: 0, changed: 0, violations: 0 };
    let (mut us, mut sampled) = (Vec::with_capacity(arguments.steps), Vec::new());
    let every = arguments.steps.checked_div(arguments.cold).unwrap_or(0).max(1);
    for step in 0..arguments.steps {
        let rates = walk.next();
        let update = Update { rates: Some(&rates), ..Update::default() };
        let before = planner.plan().deployments.clone();
        let (start, cpu_start) = (Instant::now(), ThreadTime::now());
        let next = if full { planner.replan(&update) } else { planner.reroute(&update) };
        let plan = next.unwrap();
        let elapsed = if arguments.cpu { cpu_start.elapsed() } else { start.elapsed() };
        us.push(elapsed.as_secs_f64() * 1e6);
        outcome.degraded += usize::from(plan.status == Status::Degraded);
        outcome.changed += usize::from(plan.deployments != before);
        let value = plan.objective_value.unwrap();
        let is_feasible = plan.status == Status::Feasible;
        if step % 97 == 0 && is_feasible {
            let plan = plan.clone();
            outcome.violations += check(planner.problem(), &plan).unwrap().violations.len();
        }
        if full && arguments.cold > 0 && step % every == every / 2 && is_feasible {
            sampled.push((rates, value));
        }
    }
    outcome.times = Times::new(us);
    (outcome, sampled)
}

/// Figures of full re-planning on one problem: p50 and p99 in ms, mean gap in %.
type Figures = [f64; 3];

fn measure(name: &str, problem: &Problem, arguments: &Arguments) -> Figures {
    let mut figures = [f64::NAN; 3];
    for full in [false, true] {
        let (outcome, sampled) = run(problem, arguments, full);
        let mode = if full { "full" } else { "routing" };
        print!(
            "{name:<26} {mode:<8} {} {:>8} {:>8} {:>6}",
            outcome.times.row(),
            outcome.degraded,
            outcome.changed,
            outcome.violations
        );
        let mut gaps = Vec::new();
        for (rates, value) in &sampled {
            let mut at = problem.clone();
            at.set_rates(rates).unwrap();
            let cold = solve(&at, Method::Agh, &SolveParams::default(), None, &CancelToken::new()).unwrap();
            gaps.extend(cold.objective_value.map(|cold| 100.0 * (value / cold - 1.0)));
            if std::env::var_os("GAPS").is_some() {
                println!("GAP {name} {} {:.3}", gaps.len(), gaps.last().unwrap());
            }
        }
        gaps.sort_by(f64::total_cmp);
        match gaps.last() {
            Some(worst) => {
                let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
                println!(" {mean:>8.3} {:>8.3} {worst:>8.3}", gaps[gaps.len() / 2]);
                figures[2] = mean;
            }
            None => println!(),
        }
        if arguments.histogram {
            outcome.times.print_histogram();
        }
        if full {
            figures[0] = outcome.times.quantile(0.5) / 1e3;
            figures[1] = outcome.times.quantile(0.99) / 1e3;
        }
    }
    figures
}

fn main() {
    if cfg!(debug_assertions) {
        println!("a debug build tells nothing about time");
        return;
    }
    let arguments = arguments();
    println!(
        "{:<26} {:<8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8} {:>6} {:>8} {:>8} {:>8}",
        "problem",
        "mode",
        "p50 µs",
        "p90",
        "p99",
        "p99.9",
        "most",
        "degraded",
        "changed",
        "broken",
        "mean %",
        "median %",
        "worst %"
    );
    let mut problems: Vec<(String, Problem)> = Vec::new();
    for size in [Size::new(6, 6, 10), Size::new(20, 20, 20)] {
        for scale in [1.0, 10.0, 100.0] {
            for family in [Family::Plain, Family::Pools, Family::Budget] {
                for seed in arguments.first_seed..arguments.first_seed + arguments.instances {
                    let name = format!("{}-{:02}-x{scale}-generated-{seed}", family.as_str(), size.query_types);
                    if arguments.admit(&name) {
                        problems.push((name, physical(size, scale, family, seed).unwrap()));
                    }
                }
            }
        }
    }
    if let Some(folder) = instances::folder() {
        for known in instances::known(&folder) {
            let is_measured = known.name.contains("06-06-10") || known.name.contains("20-20-20");
            if is_measured && arguments.admit(&known.name) {
                problems.push((known.name.clone(), instances::load(&folder, &known.name)));
            }
        }
    }
    let figures: Vec<Figures> = problems.iter().map(|(name, problem)| measure(name, problem, &arguments)).collect();
    for (index, label) in ["full p50, ms", "full p99, ms", "mean gap, %"].into_iter().enumerate() {
        let values = figures.iter().map(|figure| figure[index]);
        let mean = values.clone().sum::<f64>() / figures.len() as f64;
        println!("{label}: mean {mean:.3}, worst {:.3}", values.fold(f64::NEG_INFINITY, f64::max));
    }
}
