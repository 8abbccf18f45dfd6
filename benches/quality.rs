//! Quality of a method on the shared measuring problems: gap to what an exact solver proved, per problem.
//!
//! `cargo bench -p servemix-core --bench quality -- --method gh [--filter plain-06] [--seeds 5] [--time-limit 1]`
//!
//! `--generated 10` measures on ten generated problems per family and scale instead, against this crate's own bound.
//!
//! Where the exact solver proved an optimum the gap is taken to it, elsewhere to its bound and kept out of the means.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

mod instances;

use std::time::Instant;

use servemix_core::generate::{physical, wild, Family, Size};
use servemix_core::{lower_bound, solve, CancelToken, Method, Plan, Problem, SolveParams, Stop, Switches};

const OPTIONS: &str = "--method, --filter, --seeds, --generated, --time-limit, --without";

struct Arguments {
    method: Method,
    filter: String,
    seeds: u64,
    generated: u64,
    params: SolveParams,
}

fn arguments() -> Arguments {
    let mut parsed =
        Arguments { method: Method::Gh, filter: String::new(), seeds: 1, generated: 0, params: SolveParams::default() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        // What cargo passes of its own.
        if argument == "--bench" {
            continue;
        }
        let value = arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--method" => parsed.method = Method::parse(&value).unwrap(),
            "--filter" => parsed.filter = value,
            "--seeds" => parsed.seeds = value.parse().unwrap(),
            "--generated" => parsed.generated = value.parse().unwrap(),
            "--time-limit" => parsed.params.time_limit_s = Some(value.parse().unwrap()),
            "--without" => parsed.params.switches.set(&value, false).unwrap(),
            _ => panic!("{argument} is not an option; there are {OPTIONS}"),
        }
    }
    parsed
}

#[derive(Default)]
struct Sums {
    solved: usize,
    runs: usize,
    proven: Vec<f64>,
    /// Per operator: moves evaluated, moves applied, and what they saved relative to the plan's cost.
    operators: Vec<(String, [f64; 3])>,
}

impl Sums {
    fn count_operators(&mut self, plan: &Plan) {
        for (name, value) in &plan.statistics {
            let figures = ["_evaluated", "_applied", "_saved_usd"];
            let Some(figure) = figures.iter().position(|figure| name.ends_with(figure)) else { continue };
            let operator = name.trim_end_matches(figures[figure]);
            if !self.operators.iter().any(|entry| entry.0 == operator) {
                self.operators.push((operator.to_owned(), [0.0; 3]));
            }
            let scale = if figure == 2 { plan.objective_value.unwrap_or(f64::INFINITY) } else { 1.0 };
            let entry = self.operators.iter_mut().find(|entry| entry.0 == operator).unwrap();
            entry.1[figure] += value / scale;
        }
    }

    fn print_operators(&self) {
        let saved: f64 = self.operators.iter().map(|entry| entry.1[2]).sum();
        for (operator, [evaluated, applied, own]) in &self.operators {
            let share = 100.0 * own / saved;
            println!("{operator:<10} {evaluated:>10} evaluated {applied:>8} applied {share:>7.2} % of what was saved");
        }
    }
}

/// Gap of a generated problem to the bound in per cent, NaN without a plan, and the time in ms.
fn generated_gap(problem: &Problem, method: Method, params: &SolveParams) -> (f64, f64) {
    let mut limits = SolveParams::default();
    limits.max_iterations = Some(200);
    let bound = lower_bound(problem, &limits, &Stop::new(&limits, &CancelToken::new())).unwrap();
    let start = Instant::now();
    let plan = solve(problem, method, params, None, &CancelToken::new()).unwrap();
    let ms = start.elapsed().as_secs_f64() * 1e3;
    (100.0 * (plan.objective_value.unwrap_or(f64::NAN) / bound.value - 1.0), ms)
}

fn measure_generated(method: Method, count: u64, params: &SolveParams, filter: &str) {
    println!("{:<24} {:>8} {:>9} {:>9} {:>9} {:>9}", "family", "plans", "mean %", "median %", "worst %", "mean ms");
    let size = Size::new(6, 6, 10);
    let report = |name: String, problems: &dyn Fn(u64) -> Problem| {
        if !name.contains(filter) {
            return;
        }
        let runs: Vec<(f64, f64)> = (0..count).map(|seed| generated_gap(&problems(seed), method, params)).collect();
        let mut gaps: Vec<f64> = runs.iter().map(|run| run.0).filter(|gap| gap.is_finite()).collect();
        gaps.sort_by(f64::total_cmp);
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let ms = runs.iter().map(|run| run.1).sum::<f64>() / count as f64;
        let (median, worst) = (gaps.get(gaps.len() / 2), gaps.last());
        let (median, worst) = (median.copied().unwrap_or(f64::NAN), worst.copied().unwrap_or(f64::NAN));
        println!("{name:<24} {:>8} {mean:>9.3} {median:>9.3} {worst:>9.3} {ms:>9.3}", gaps.len());
    };
    for family in Family::ALL {
        for scale in [1.0, 10.0, 100.0] {
            let name = format!("{}-x{scale}", family.as_str());
            report(name, &|seed| physical(size, scale, family, 1_000 + seed).unwrap());
        }
    }
    report("wild".into(), &|seed| wild(1_000 + seed).unwrap());
}

fn main() {
    let Arguments { method, filter, seeds, generated, mut params } = arguments();
    if generated > 0 {
        measure_generated(method, generated, &params, &filter);
        return;
    }
    let Some(folder) = instances::folder() else {
        println!("no measuring problems here: set SERVEMIX_SHARED");
        return;
    };
    if params.switches != Switches::default() {
        println!("switches: {:?}", params.switches);
    }
    println!("{:<28} {:>14} {:>14} {:>9} {:>9} {:>10}", "problem", "objective", "reference", "gap %", "worst %", "ms");
    let mut sums = Sums::default();
    for known in instances::known(&folder).iter().filter(|known| known.name.contains(&filter)) {
        let problem = instances::load(&folder, &known.name);
        let mut values: Vec<f64> = Vec::new();
        let mut fastest_ms = f64::INFINITY;
        for seed in 0..seeds {
            params.seed = seed;
            // The best of a few runs tells the method's time apart from the machine's noise.
            for _ in 0..if params.time_limit_s.is_some() { 1 } else { 5 } {
                let start = Instant::now();
                let plan = solve(&problem, method, &params, None, &CancelToken::new()).unwrap();
                fastest_ms = fastest_ms.min(start.elapsed().as_secs_f64() * 1e3);
                if values.len() as u64 == seed {
                    values.push(plan.objective_value.unwrap_or(f64::NAN));
                    sums.count_operators(&plan);
                }
            }
        }
        let reference = if known.is_optimal() { known.objective_value } else { known.objective_bound };
        let gaps: Vec<f64> = values.iter().map(|value| 100.0 * (value / reference - 1.0)).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let worst = gaps.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !known.is_infeasible() {
            sums.runs += values.len();
            sums.solved += values.iter().filter(|value| value.is_finite()).count();
        }
        if known.is_optimal() {
            sums.proven.extend(&gaps);
        }
        let note = if known.is_optimal() {
            ""
        } else if known.is_infeasible() {
            " infeasible"
        } else {
            " to bound"
        };
        println!(
            "{:<28} {:>14.4} {:>14.4} {:>9.3} {:>9.3} {:>10.3}{note}",
            known.name, values[0], reference, mean, worst, fastest_ms
        );
    }
    let mut proven = sums.proven.clone();
    proven.sort_by(f64::total_cmp);
    let finite: Vec<f64> = proven.iter().copied().filter(|gap| gap.is_finite()).collect();
    if let (Some(worst), Some(median)) = (finite.last(), finite.get(finite.len() / 2)) {
        let mean = finite.iter().sum::<f64>() / finite.len() as f64;
        println!(
            "over proven optima: mean {mean:.3} %, median {median:.3} %, worst {worst:.3} % ({} runs)",
            finite.len()
        );
    }
    println!("plans: {} of {}", sums.solved, sums.runs);
    sums.print_operators();
}
