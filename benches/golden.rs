//! One hash of the result per problem and method: comparing two outputs shows whether a change of the code changed any result.
//!
//! `cargo bench -p servemix-core --bench golden [-- FILTER] > before.txt`; after the change `> after.txt`; then `diff`.
//!
//! A line has the problem, the method, the hash of every number of the result bit by bit, and its cost, USD. Methods are `gh`,
//! `agh`, `bnb`, `bound`, walks of the planner (`planner`, `limited` with at most four changes a call, `ready` with replicas that start and
//! drain), `recourse` and `stress`. Problems are generated, of all families and scales, and those of SERVEMIX_SHARED
//! that fall apart into components. `FILTER` keeps the lines whose "problem method" contains it. No time limit is set, so that the same
//! code gives the same lines on every machine of one kind.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

mod instances;

use servemix_core::generate::{degenerate, physical, small, wild, Family, Size};
use servemix_core::recourse::{plan_with_recourse, RecourseParams};
use servemix_core::stress::{stress, Inflation, StressParams};
use servemix_core::{
    lower_bound, solve, CancelToken, Method, Plan, Planner, PlannerParams, Problem, Result, SolveParams, Stop,
    TransitionCosts, Update,
};

/// FNV-1a over the bytes of numbers.
struct Hash(u64);

impl Hash {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn number(&mut self, value: f64) {
        self.bytes(&value.to_bits().to_le_bytes());
    }

    fn numbers(&mut self, values: &[f64]) {
        values.iter().for_each(|&value| self.number(value));
    }

    fn plan(&mut self, plan: &Plan) {
        self.bytes(plan.status.as_str().as_bytes());
        self.bytes(plan.message.as_deref().unwrap_or_default().as_bytes());
        self.number(plan.objective_value.unwrap_or(f64::NAN));
        self.number(plan.objective_bound.unwrap_or(f64::NAN));
        for entry in &plan.deployments {
            self.bytes(&entry.configuration.to_le_bytes());
            self.bytes(&entry.replicas.to_le_bytes());
        }
        plan.routing.query_type.iter().chain(&plan.routing.configuration).for_each(|i| self.bytes(&i.to_le_bytes()));
        self.numbers(&plan.routing.fraction);
        self.numbers(&plan.unmet);
    }
}

/// A hash and a figure that a reader knows.
type Line = (u64, f64);

fn of_plan(plan: &Plan) -> Line {
    let mut hash = Hash::new();
    hash.plan(plan);
    (hash.0, plan.objective_value.unwrap_or(f64::NAN))
}

fn params() -> SolveParams {
    let mut params = SolveParams::default();
    params.max_iterations = Some(40);
    params
}

fn solved(problem: &Problem, method: Method, bound: bool, limited: bool) -> Result<Line> {
    let mut params = if limited { params() } else { SolveParams::default() };
    params.bound = bound;
    Ok(of_plan(&solve(problem, method, &params, None, &CancelToken::new())?))
}

fn bounded(problem: &Problem) -> Result<Line> {
    let params = params();
    let bound = lower_bound(problem, &params, &Stop::new(&params, &CancelToken::new()))?;
    let mut hash = Hash::new();
    hash.number(bound.value);
    hash.bytes(&bound.evaluations.to_le_bytes());
    Ok((hash.0, bound.value))
}

/// What a planner does on a fixed walk of rates, prices, pools and failures.
fn walked(problem: &Problem, max_changes: Option<u32>, is_ready_told: bool) -> Result<Line> {
    let mut params = PlannerParams::default();
    params.max_changes = max_changes;
    let mut planner = Planner::new(problem.clone(), None, params)?;
    let (mut hash, mut total_usd) = (Hash::new(), 0.0);
    let first = planner.plan().clone();
    hash.plan(&first);
    let first_rates = problem.query_types.rate_per_h.clone();
    let prices = problem.tiers.gpu_usd_per_h.clone();
    for step in 0..14_usize {
        let factor = |i: usize| [1.0, 1.3, 0.7, 2.5, 0.2, 1.1, 0.95, 4.0][(3 * step + 5 * i + step * i) % 8];
        let rates: Vec<f64> = first_rates.iter().enumerate().map(|(i, rate)| rate * factor(i)).collect();
        let dearer: Vec<f64> = prices.iter().enumerate().map(|(k, usd)| usd * factor(k + 1)).collect();
        let fewer: Vec<f64> = problem.pools.max_gpus.iter().map(|gpus| (gpus * 0.6).floor()).collect();
        let failed: Vec<u32> = planner.plan().deployments.iter().map(|entry| entry.replicas.min(1)).collect();
        let mut update = Update { rates: (step % 3 != 2).then_some(&rates[..]), ..Update::default() };
        if step == 5 {
            update.prices = Some(&dearer);
        }
        if step == 8 {
            update.pools = Some(&fewer);
        }
        if step == 10 {
            update.failed = Some(&failed);
        }
        let mut ready = vec![0; problem.num_configurations()];
        // Every other deployment is half up.
        for (n, entry) in planner.plan().deployments.iter().enumerate() {
            ready[entry.configuration as usize] = if n % 2 == 0 { entry.replicas } else { entry.replicas / 2 };
        }
        if is_ready_told {
            update.ready = Some(&ready);
        }
        let plan = if step % 4 == 1 { planner.reroute(&update)? } else { planner.replan(&update)? };
        hash.plan(plan);
        total_usd += plan.objective_value.unwrap_or(f64::NAN);
    }
    let transition = planner.plan().transition(problem, &first, &TransitionCosts::default());
    let Ok(transition) = transition else { return Ok((hash.0, total_usd)) };
    hash.numbers(&[transition.lowest_share, transition.previous_share, transition.next_share, transition.start_usd]);
    for step in &transition.steps {
        hash.bytes(&step.configuration.to_le_bytes());
        hash.bytes(&step.replicas.to_le_bytes());
        hash.numbers(&step.served);
        hash.numbers(&step.routing.fraction);
    }
    Ok((hash.0, total_usd))
}

fn with_recourse(problem: &Problem) -> Result<Line> {
    let params = RecourseParams {
        inflation: Inflation::uniform(1.4),
        scenarios: 6,
        seed: 3,
        max_evaluations: 60,
        ..RecourseParams::default()
    };
    let plan = plan_with_recourse(problem, &params, &[], &CancelToken::new())?;
    Ok(plan.map_or((0, f64::NAN), |plan| of_plan(&plan)))
}

fn stressed(problem: &Problem) -> Result<Line> {
    let plan = solve(problem, Method::Gh, &SolveParams::default(), None, &CancelToken::new())?;
    if !plan.status.has_plan() {
        return Ok((0, f64::NAN));
    }
    let params = StressParams { scenarios: 10, ..StressParams::default() };
    let report = stress(problem, &plan, &params, &CancelToken::new())?;
    let mut hash = Hash::new();
    [&report.cost_usd, &report.latency_usd, &report.unmet_usd, &report.violation_rate, &report.unmet]
        .iter()
        .for_each(|column| hash.numbers(column));
    Ok((hash.0, report.cost_usd.iter().sum()))
}

struct Report {
    filter: String,
}

impl Report {
    fn line(&self, problem: &Problem, name: &str, method: &str, run: impl Fn(&Problem) -> Result<Line>) {
        if !format!("{name} {method}").contains(&self.filter) {
            return;
        }
        match run(problem) {
            Ok((hash, figure)) => println!("{name:<32} {method:<9} {hash:016x} {figure:.6}"),
            Err(error) => println!("{name:<32} {method:<9} {error}"),
        }
    }

    fn all(&self, problem: &Problem, name: &str) {
        self.line(problem, name, "gh", |problem| solved(problem, Method::Gh, false, true));
        self.line(problem, name, "agh", |problem| solved(problem, Method::Agh, false, false));
        self.line(problem, name, "bnb", |problem| solved(problem, Method::Bnb, true, true));
        self.line(problem, name, "bound", bounded);
        self.line(problem, name, "planner", |problem| walked(problem, None, false));
        self.line(problem, name, "limited", |problem| walked(problem, Some(4), false));
        self.line(problem, name, "ready", |problem| walked(problem, Some(6), true));
        self.line(problem, name, "recourse", with_recourse);
        self.line(problem, name, "stress", stressed);
    }
}

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    let report = Report { filter };
    for family in Family::ALL {
        for (size, scale) in [
            (Size::new(3, 2, 3), 1.0),
            (Size::new(4, 3, 4), 10.0),
            (Size::new(6, 4, 6), 1.0),
            (Size::new(6, 6, 10), 10.0),
            (Size::new(5, 5, 5), 100.0),
        ] {
            let problem = physical(size, scale, family, 17).unwrap();
            report.all(&problem, &problem.name);
        }
    }
    for seed in 0..30 {
        report.all(&wild(seed).unwrap(), &format!("wild-{seed}"));
    }
    for seed in 0..60 {
        report.all(&small(seed).unwrap(), &format!("small-{seed}"));
    }
    for seed in 0..40 {
        if let Ok(problem) = degenerate(seed) {
            report.all(&problem, &format!("degenerate-{seed}"));
        }
    }
    let Some(folder) = instances::folder() else { return };
    for known in instances::known(&folder) {
        if known.name.contains("inferno-small") || known.name.contains("dedicated") {
            let problem = instances::load(&folder, &known.name);
            report.line(&problem, &known.name, "agh", |problem| solved(problem, Method::Agh, true, false));
            report.line(&problem, &known.name, "bnb", |problem| solved(problem, Method::Bnb, true, true));
        }
    }
}
