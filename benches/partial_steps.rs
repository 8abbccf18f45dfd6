//! Where repeated calls with `max_changes` end beside the plan without that limit, over generated problems.
//!
//! Run: cargo bench -p servemix-core --bench partial_steps -- [PROBLEMS] [FIRST_SEED]
//!
//! Each problem is planned for its own rates; then these change, once by a factor, once each by its own. The rates stay as
//! they are from then on, and calls go on until several in a row change nothing. A line is printed for each end that is dearer by more than
//! 1 %, leaves more unserved, or was reached by a call that served less than the one before.

#![allow(clippy::print_stdout)]

use servemix_core::generate::{self, Family, Size};
use servemix_core::{Plan, Planner, PlannerParams, Problem, Update};

const MOST_CHANGES: [u32; 4] = [2, 4, 8, 16];
const FAMILIES: [Family; 5] = [Family::Plain, Family::Pools, Family::Budget, Family::Storage, Family::Average];
const CALLS: usize = 400;
/// Calls that change nothing after which a planner counts as having arrived.
const IDLE: usize = 4;

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (problems, first) = (numbers.first().copied().unwrap_or(300), numbers.get(1).copied().unwrap_or(0));
    let mut ended = [(0_u32, 0_u32, 0_u32); MOST_CHANGES.len()];
    for seed in first..first + problems {
        let family = FAMILIES[(seed % 5) as usize];
        let size = [Size::new(3, 2, 3), Size::new(4, 3, 4), Size::new(6, 4, 6)][(seed / 5 % 3) as usize];
        let Ok(problem) = generate::physical(size, [1.0, 3.0, 10.0][(seed / 15 % 3) as usize], family, seed) else {
            continue;
        };
        for (n, factors) in factors(seed).iter().enumerate() {
            let rates: Vec<f64> =
                problem.query_types.rate_per_h.iter().zip(factors.iter().cycle()).map(|(rate, by)| rate * by).collect();
            let free = end(&problem, &rates, None);
            for (k, &most) in MOST_CHANGES.iter().enumerate() {
                let limited = end(&problem, &rates, Some(most));
                ended[k].0 += 1;
                let dearer = limited.usd / free.usd - 1.0;
                let fell = limited.fell_per_h > 1e-6 * (1.0 + rates.iter().sum::<f64>());
                let is_short = limited.short_per_h > free.short_per_h + 1e-6 * (1.0 + rates.iter().sum::<f64>());
                let is_within = dearer <= 0.01 + 1e-9 && !is_short;
                ended[k].1 += u32::from(is_within);
                ended[k].2 += u32::from(fell);
                if !is_within || fell {
                    println!(
                        "seed {seed} {family:?} change {n} most {most}: {:+.2} %, short {:.1} beside {:.1} per h, fell {:.3}, {} calls",
                        100.0 * dearer, limited.short_per_h, free.short_per_h, limited.fell_per_h, limited.calls
                    );
                }
            }
        }
    }
    for (most, (all, within, fell)) in MOST_CHANGES.iter().zip(ended) {
        println!("max_changes {most}: {within} of {all} end within 1 %, {fell} served less on the way");
    }
}

fn factors(seed: u64) -> [Vec<f64>; 2] {
    let all = [10.0, 3.0, 0.3, 0.1][(seed / 45 % 4) as usize];
    let each = (0..7).map(|i| [0.2, 1.0, 5.0, 0.5, 2.0, 8.0][((seed / 7 + i * 5 + i * i) % 6) as usize]).collect();
    [vec![all], each]
}

struct End {
    usd: f64,
    short_per_h: f64,
    /// The most that a call served less than the one before, queries per hour.
    fell_per_h: f64,
    calls: usize,
}

fn end(problem: &Problem, rates: &[f64], most: Option<u32>) -> End {
    let mut params = PlannerParams::default();
    params.max_changes = most;
    let mut planner = Planner::new(problem.clone(), None, params).expect("a planner");
    let update = Update { rates: Some(rates), ..Update::default() };
    let (mut idle, mut calls, mut fell_per_h) = (0, 0, 0.0_f64);
    let mut before = f64::INFINITY;
    while calls < CALLS && idle < IDLE {
        let deployments = planner.plan().deployments.clone();
        let plan = planner.replan(&update).expect("a plan");
        idle = if plan.deployments == deployments { idle + 1 } else { 0 };
        calls += 1;
        let short = short_per_h(problem, rates, plan);
        fell_per_h = fell_per_h.max(short - before);
        before = short;
        if most.is_none() {
            break;
        }
    }
    let plan = planner.plan();
    End {
        usd: plan.objective_value.unwrap_or(f64::INFINITY),
        short_per_h: short_per_h(problem, rates, plan),
        fell_per_h,
        calls,
    }
}

/// Queries per hour that go unserved though they should not.
fn short_per_h(problem: &Problem, rates: &[f64], plan: &Plan) -> f64 {
    let beyond =
        plan.unmet.iter().zip(&problem.query_types.max_unmet).map(|(share, most)| (share - most - 1e-6).max(0.0));
    beyond.zip(rates).map(|(share, rate)| share * rate).sum()
}
