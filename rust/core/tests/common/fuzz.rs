//! What arbitrary bytes may do to readers, solvers and planners: nothing but errors that name an entry. For the fuzz targets in
//! `fuzz/`, for `benches/fuzz.rs` and for `tests/fuzz.rs`.

use rand::{Rng, RngExt};
use servemix_core::generate::{degenerate, small};
use servemix_core::{
    check, solve, CancelToken, Error, Method, Plan, Planner, PlannerParams, Problem, RouterMode, SolveParams, Status,
    Update,
};

/// Problems of more routes are read and written, and not solved: one input is to take milliseconds.
const MOST_ROUTES: usize = 200;
const MOST_CONFIGURATIONS: usize = 30;
/// Calls that one input makes of a planner at most.
const MOST_CALLS: usize = 24;
/// What rates and prices are multiplied by, those that must be refused included.
const FACTORS: [f64; 16] = [
    0.0,
    1.0,
    1.0,
    0.5,
    2.0,
    10.0,
    1e-3,
    1e3,
    1e-12,
    1e8,
    1e12,
    1e18,
    f64::MIN_POSITIVE,
    f64::INFINITY,
    f64::NAN,
    -1.0,
];

/// `result`, unless it is an error that names an entry; any other error is a fault.
fn valid<T>(result: servemix_core::Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::Invalid { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Parses a problem, solves it, checks the plan, writes it and reads it again.
pub(crate) fn problem(bytes: &[u8]) {
    let Some(problem) = valid(Problem::from_json(bytes)) else { return };
    let again = Problem::from_json(problem.to_json().as_bytes()).expect("what was written can be read");
    assert_eq!(again.data(), problem.data());
    if problem.num_routes() > MOST_ROUTES || problem.num_configurations() > MOST_CONFIGURATIONS {
        return;
    }
    let mut params = SolveParams::default();
    params.max_iterations = Some(2);
    for method in [Method::Gh, Method::Agh, Method::Bnb] {
        if let Some(plan) = valid(solve(&problem, method, &params, None, &CancelToken::new())) {
            let report = check(&problem, &plan).expect("a plan of this problem");
            assert_eq!(report.violations, [], "{}", method.as_str());
            comes_back(&problem, &plan);
        }
    }
}

/// A plan that was written is read as it was, but for the statistics, which are not written.
fn comes_back(problem: &Problem, plan: &Plan) {
    let mut again = Plan::from_json(plan.to_json(problem).as_bytes(), problem).expect("what was written can be read");
    again.statistics.clone_from(&plan.statistics);
    assert_eq!(&again, plan);
}

/// Parses a plan of a problem that the first bytes choose, checks, writes and routes it, and goes on from it with a planner.
pub(crate) fn plan(bytes: &[u8]) {
    let Some((seed, bytes)) = bytes.split_first_chunk() else { return };
    let problem = small(u64::from_le_bytes(*seed)).expect("a valid problem");
    let Some(plan) = valid(Plan::from_json(bytes, &problem)) else { return };
    valid(check(&problem, &plan));
    comes_back(&problem, &plan);
    valid(plan.router(RouterMode::Deficit, 1));
    if let Some(mut planner) = valid(Planner::new(problem, Some(&plan), PlannerParams::default())) {
        planner.replan(&Update::default()).expect("nothing has changed");
        holds(&mut planner);
    }
}

/// What a planner calls feasible is, and its plan can be routed by.
fn holds(planner: &mut Planner) {
    let plan = planner.plan().clone();
    plan.router(RouterMode::Random, 1).expect("a plan can be routed by");
    if plan.status == Status::Feasible {
        let report = check(planner.problem(), &plan).expect("a plan of this problem");
        assert_eq!(report.violations, []);
    }
}

/// Bytes that are used up; 0 where there are no more.
struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn times(&mut self, values: &[f64]) -> Vec<f64> {
        values.iter().map(|value| value * FACTORS[usize::from(self.next()) % FACTORS.len()]).collect()
    }
}

/// Makes the calls of a planner that the bytes ask for; how many.
pub(crate) fn planner(bytes: &[u8]) -> usize {
    let Some((seed, bytes)) = bytes.split_first_chunk() else { return 0 };
    let mut bytes = Bytes(bytes);
    let (kind, limit) = (bytes.next(), bytes.next());
    let seed = u64::from_le_bytes(*seed);
    let problem = if kind % 2 == 0 { degenerate(seed) } else { small(seed) }.expect("a valid problem");
    let mut limits = PlannerParams::default();
    limits.max_changes = (limit % 3 == 0).then_some(u32::from(limit));
    let Some(mut planner) = valid(Planner::new(problem, None, limits)) else { return 0 };
    let first = planner.numbers().clone();
    let mut calls = 0;
    while !bytes.is_empty() && calls < MOST_CALLS {
        calls += 1;
        let what = bytes.next();
        let rates = (what & 1 > 0).then(|| bytes.times(&first.query_types.rate_per_h));
        let prices = (what & 2 > 0 && what & 4 > 0).then(|| bytes.times(&first.tiers.gpu_usd_per_h));
        let pools = (what & 8 > 0).then(|| bytes.times(&first.pools.max_gpus));
        let deployments = &planner.plan().deployments;
        let lost = |entry: &servemix_core::Deployment| entry.replicas.min(u32::from(bytes.next() % 4));
        let failed: Option<Vec<u32>> = (what & 48 == 48).then(|| deployments.iter().map(lost).collect());
        let ready: Option<Vec<u32>> = (what & 192 == 192)
            .then(|| first.configurations.model.iter().map(|_| u32::from(bytes.next() % 4)).collect());
        let update = Update {
            rates: rates.as_deref(),
            prices: prices.as_deref(),
            pools: pools.as_deref(),
            failed: failed.as_deref(),
            ready: ready.as_deref(),
        };
        let before = planner.plan().clone();
        let next = if what & 16 > 0 { planner.replan(&update) } else { planner.reroute(&update) };
        match valid(next.cloned()) {
            Some(in_force) => drop(in_force.router(RouterMode::Random, 1).expect("a plan can be routed by")),
            None => assert_eq!(planner.plan(), &before, "a refused update changes nothing"),
        }
        holds(&mut planner);
    }
    let back = Update {
        rates: Some(&first.query_types.rate_per_h),
        prices: Some(&first.tiers.gpu_usd_per_h),
        pools: Some(&first.pools.max_gpus),
        ..Update::default()
    };
    planner.replan(&back).expect("the first numbers are valid");
    holds(&mut planner);
    calls + 1
}

/// `bytes` changed in a few places, as a fuzzer without coverage would.
pub(crate) fn mutated(bytes: &[u8], rng: &mut impl Rng) -> Vec<u8> {
    const NUMBERS: [&str; 10] =
        ["0", "-1", "1e308", "1e-308", "1e999", "-0.0", "null", "18446744073709551616", "[]", "\"\""];
    let mut changed = bytes.to_vec();
    for _ in 0..rng.random_range(1..6) {
        if changed.is_empty() {
            break;
        }
        let at = rng.random_range(0..changed.len());
        let end = (at + rng.random_range(1..12)).min(changed.len());
        match rng.random_range(0..6) {
            0 => changed[at] = rng.random(),
            1 => changed[at] ^= 1 << rng.random_range(0..8),
            2 => drop(changed.drain(at..end)),
            3 => drop(changed.splice(at..at, changed[at..end].to_vec())),
            // A number for another, where there is one from here on.
            _ => {
                let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                let Some(start) = changed[at..].iter().position(u8::is_ascii_digit).map(|offset| at + offset) else {
                    continue;
                };
                let end = changed[start..].iter().position(|byte| !is_part(byte)).map_or(changed.len(), |n| start + n);
                let number = NUMBERS[rng.random_range(0..NUMBERS.len())];
                changed.splice(start..end, number.bytes());
            }
        }
    }
    changed
}

/// A first input of each target, by its name.
pub(crate) fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for seed in [1_u64, 2, 3] {
        let problem = small(seed).expect("a valid problem");
        seeds.push(("problem", format!("small-{seed}"), problem.to_json().into_bytes()));
        let edge = degenerate(seed).expect("a valid problem");
        seeds.push(("problem", format!("degenerate-{seed}"), edge.to_json().into_bytes()));
        let plan =
            solve(&problem, Method::Gh, &SolveParams::default(), None, &CancelToken::new()).expect("valid settings");
        let mut bytes = seed.to_le_bytes().to_vec();
        bytes.extend(plan.to_json(&problem).bytes());
        seeds.push(("plan", format!("small-{seed}"), bytes));
        let mut calls = seed.to_le_bytes().to_vec();
        calls.extend((0..96_u8).map(|byte| byte.wrapping_mul(37).wrapping_add(seed as u8)));
        seeds.push(("planner", format!("calls-{seed}"), calls));
    }
    seeds
}

/// Runs a target by its name; the calls of a planner that it made.
pub(crate) fn run(target: &str, bytes: &[u8]) -> usize {
    match target {
        "problem" => problem(bytes),
        "plan" => plan(bytes),
        _ => return planner(bytes),
    }
    0
}
