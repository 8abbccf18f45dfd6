//! What must hold of the answers to any problem, whatever its numbers: used by tests for hundreds of problems and by
//! `benches/degenerate.rs` for a hundred thousand.

use std::time::Duration;

use cpu_time::ProcessTime;
use servemix_core::{
    check, lower_bound, relative_gap, solve, CancelToken, Error, Method, Plan, Planner, PlannerParams, Problem,
    ProblemData, RouterMode, SolveParams, Status, Stop, StopReason, Update,
};

use super::optimum;

/// Money is multiplied by this; a power of two, so that no digit is lost.
const MONEY: f64 = 1024.0;
/// How much CPU time nobody waits for, and how often it is looked at.
const MOST: Duration = Duration::from_secs(10);
const LOOKED_AT: Duration = Duration::from_millis(200);

/// Relative to a value, and in USD where that is small, what a bound may exceed it by: as the checker allows.
fn allowed(value: f64) -> f64 {
    1e-6 * value.abs().max(1.0)
}

/// An answer and how it was asked for.
struct Answer {
    asked: String,
    plan: Plan,
}

/// What came of a problem.
#[derive(Default)]
pub(crate) struct Examined {
    /// What does not hold.
    pub(crate) found: Vec<String>,
    /// CPU time of the solve that took longest, seconds, and what was asked of it.
    pub(crate) slowest: (f64, String),
}

/// Collects what does not hold.
struct Findings<'p> {
    problem: &'p Problem,
    found: Vec<String>,
    slowest: (f64, String),
}

impl<'p> Findings<'p> {
    fn of(problem: &'p Problem) -> Self {
        Self { problem, found: Vec::new(), slowest: (0.0, String::new()) }
    }

    fn expect(&mut self, holds: bool, tell: impl FnOnce() -> String) {
        if !holds {
            self.found.push(format!("{}: {}", self.problem.name, tell()));
        }
    }

    fn solve(&mut self, problem: &Problem, method: Method, params: &SolveParams, asked: &str) -> Option<Answer> {
        let start = ProcessTime::now();
        let cancel = CancelToken::new().child_with_poll(LOOKED_AT, move || start.elapsed() > MOST);
        let asked = format!("{} {asked}", method.as_str());
        let answer = solve(problem, method, params, None, &cancel);
        let seconds = start.elapsed().as_secs_f64();
        if seconds > self.slowest.0 {
            self.slowest = (seconds, asked.clone());
        }
        match answer {
            Ok(plan) => {
                self.expect(plan.stop_reason != StopReason::Cancelled, || {
                    format!("{asked} had not ended after {seconds:.1} s")
                });
                self.judge(problem, &plan, &asked);
                Some(Answer { asked, plan })
            }
            Err(error) => {
                self.expect(false, || format!("{asked}: {error}"));
                None
            }
        }
    }

    /// A plan keeps every constraint, and no plan comes with none.
    fn judge(&mut self, problem: &Problem, plan: &Plan, asked: &str) {
        match check(problem, plan) {
            Ok(report) => self.expect(report.violations.is_empty(), || format!("{asked}: {:?}", report.violations)),
            Err(error) => self.expect(false, || format!("{asked}: {error}")),
        }
        let is_plan = matches!(plan.status, Status::Feasible | Status::Optimal);
        self.expect(is_plan == plan.objective_value.is_some(), || format!("{asked}: {:?} and a value", plan.status));
        self.expect(plan.status != Status::Optimal || plan.gap().is_some_and(|gap| gap <= 1e-4 + 1e-9), || {
            format!("{asked}: OPTIMAL with a gap of {:?}", plan.gap())
        });
    }
}

/// What does not hold of the answers to `problem`; `enumerates` where that takes no time.
pub(crate) fn examine(problem: &Problem, seed: u64, enumerates: bool) -> Examined {
    let mut findings = Findings::of(problem);
    let mut params = SolveParams::default();
    params.seed = seed;
    let [mut bounded, mut threaded, mut hurried] = [params.clone(), params.clone(), params.clone()];
    bounded.bound = true;
    threaded.threads = 2;
    hurried.time_limit_s = Some(1e-4 * (1 + seed % 20) as f64);
    let asked: [(&Problem, Method, &SolveParams, &str); 6] = [
        (problem, Method::Gh, &params, ""),
        (problem, Method::Agh, &params, ""),
        (problem, Method::Agh, &bounded, "with a bound"),
        (problem, Method::Bnb, &params, ""),
        (problem, Method::Bnb, &threaded, "on two threads"),
        (problem, Method::Bnb, &hurried, "in a hurry"),
    ];
    let mut answers: Vec<Answer> = Vec::new();
    for (problem, method, params, how) in asked {
        answers.extend(findings.solve(problem, method, params, how));
    }
    // The same problem under other names for things: whatever is proven of one holds for the other.
    for (name, other, factor) in variants(problem) {
        if let Some(mut answer) = findings.solve(&other, Method::Bnb, &params, name) {
            let scale = |value: Option<f64>| value.map(|value| value / factor);
            answer.plan.objective_value = scale(answer.plan.objective_value);
            answer.plan.objective_bound = scale(answer.plan.objective_bound);
            answers.push(answer);
        }
    }
    let mut least = answers.iter().filter_map(|answer| answer.plan.objective_value).fold(f64::INFINITY, f64::min);
    if enumerates {
        least = least.min(optimum(problem).unwrap_or(f64::INFINITY));
    }
    compare(&mut findings, &answers, least);
    let start = ProcessTime::now();
    let stop = Stop::new(&params, &CancelToken::new().child_with_poll(LOOKED_AT, move || start.elapsed() > MOST));
    match lower_bound(problem, &params, &stop) {
        Ok(bound) => {
            findings.expect(!bound.infeasible || least.is_infinite(), || format!("bound: infeasible beside {least}"));
            findings.expect(bound.infeasible || bound.value <= least + allowed(least), || {
                format!("bound: {} above a plan of {least}", bound.value)
            });
        }
        Err(error) => findings.expect(false, || format!("bound: {error}")),
    }
    Examined { found: findings.found, slowest: findings.slowest }
}

/// No answer contradicts the cheapest plan that is known.
fn compare(findings: &mut Findings<'_>, answers: &[Answer], least: f64) {
    for Answer { asked, plan } in answers {
        let bound = plan.objective_bound.unwrap_or(f64::NEG_INFINITY);
        findings.expect(bound <= least + allowed(least), || format!("{asked}: bound {bound} above a plan of {least}"));
        findings.expect(plan.status != Status::Infeasible || least.is_infinite(), || {
            format!("{asked}: INFEASIBLE beside a plan of {least}")
        });
        if let (Status::Optimal, Some(value)) = (plan.status, plan.objective_value) {
            let is_least = value <= least + allowed(least) || relative_gap(value, least) <= 1e-4 + 1e-9;
            findings.expect(is_least, || format!("{asked}: OPTIMAL {value} beside a plan of {least}"));
        }
    }
}

/// The problem with its types and configurations in reverse order, with money counted in other units, and with more queries
/// that each take less.
fn variants(problem: &Problem) -> Vec<(&'static str, Problem, f64)> {
    let data = problem.data();
    let mut dear = data.clone();
    dear.budget_usd *= MONEY;
    dear.storage_usd_per_gb_h *= MONEY;
    let times = |values: &mut Vec<f64>, factor: f64| values.iter_mut().for_each(|value| *value *= factor);
    times(&mut dear.tiers.gpu_usd_per_h, MONEY);
    times(&mut dear.query_types.latency_usd_per_s, MONEY);
    times(&mut dear.query_types.unmet_usd_per_query, MONEY);
    let mut many = data.clone();
    times(&mut many.query_types.rate_per_h, 64.0);
    times(&mut many.query_types.latency_usd_per_s, 1.0 / 64.0);
    times(&mut many.query_types.unmet_usd_per_query, 1.0 / 64.0);
    times(&mut many.routes.busy_s, 1.0 / 64.0);
    times(&mut many.routes.kv_gb_s, 1.0 / 64.0);
    let all = [("relabelled", reversed(data), 1.0), ("in other money", dear, MONEY), ("at other rates", many, 1.0)];
    // At the ends of the range of numbers a scaled problem may be none.
    all.into_iter().filter_map(|(name, data, factor)| Some((name, Problem::new(data).ok()?, factor))).collect()
}

fn reversed(data: &ProblemData) -> ProblemData {
    let mut other = data.clone();
    let (q, c, r) = (&mut other.query_types, &mut other.configurations, &mut other.routes);
    let (last_type, last_configuration) = (q.name.len() as u32 - 1, c.model.len() as u32);
    q.name.reverse();
    for column in [
        &mut q.rate_per_h,
        &mut q.latency_slo_s,
        &mut q.error_slo,
        &mut q.latency_usd_per_s,
        &mut q.unmet_usd_per_query,
        &mut q.max_unmet,
        &mut q.data_gb,
        &mut c.weights_gb,
        &mut c.kv_cache_gb,
        &mut c.max_utilization,
    ] {
        column.reverse();
    }
    for column in [
        &mut c.model,
        &mut c.tier,
        &mut c.tp,
        &mut c.pp,
        &mut c.max_replicas,
        &mut c.max_num_seqs,
        &mut c.min_replicas,
        &mut c.pair,
    ] {
        column.reverse();
    }
    r.query_type.iter_mut().for_each(|i| *i = last_type - *i);
    r.configuration.iter_mut().for_each(|a| *a = last_configuration - 1 - *a);
    other
}

/// What does not hold of a planner: it survives whatever numbers it is given, and what it calls feasible is.
pub(crate) fn examine_planner(problem: &Problem, seed: u64) -> Vec<String> {
    let mut findings = Findings::of(problem);
    let mut planner = match Planner::new(problem.clone(), None, PlannerParams::default()) {
        Ok(planner) => planner,
        Err(error) => {
            findings.expect(matches!(error, Error::Invalid { .. }), || format!("planner: {error}"));
            return findings.found;
        }
    };
    let rates = &problem.query_types.rate_per_h;
    for (call, factor) in [1.0, 3.0, 1e8, 0.0, 1e-12, 1.0, 1e12, 1.0].into_iter().enumerate() {
        let new: Vec<f64> = rates.iter().map(|rate| rate * factor).collect();
        let update = Update { rates: Some(&new), ..Update::default() };
        let next = if (seed + call as u64) % 2 == 0 { planner.replan(&update) } else { planner.reroute(&update) };
        match next.cloned() {
            Ok(plan) => {
                let now = planner.problem().clone();
                if plan.status == Status::Feasible {
                    findings.judge(&now, &plan, &format!("planner at rates ×{factor}"));
                }
                if let Err(error) = plan.router(RouterMode::Random, seed) {
                    findings.expect(false, || format!("router at rates ×{factor}: {error}"));
                }
            }
            Err(Error::Invalid { .. }) => {}
            Err(error) => findings.expect(false, || format!("planner at rates ×{factor}: {error}")),
        }
    }
    findings.found
}
