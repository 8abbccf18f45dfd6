//! From plans to deployments that serve: [`replay_plans`].

use super::settings::{Dispatch, EngineSettings};
use super::{replay, Replay, Requests, Served, StepCurve};
use crate::{CancelToken, Error, Plan, Result, Router, RouterMode, UNSERVED};

/// A plan and the time from which it holds, for services that are planned again while they run.
#[derive(Debug, Clone, Copy)]
pub struct Phase<'p> {
    /// When its replicas are ready: routing and replica counts change here, s. Replicas that go finish what they have.
    pub ready_s: f64,
    /// What is deployed and where requests go from then on.
    pub plan: &'p Plan,
}

/// One replica of a configuration, whether it is deployed or not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Replica {
    /// Service curve of one engine.
    pub curve: StepCurve,
    /// Settings of one engine.
    pub settings: EngineSettings,
    /// Engines that work side by side: its pipeline stages.
    pub lanes: u32,
}

/// How requests find their replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayParams {
    /// Within a deployment; least outstanding by default.
    pub dispatch: Dispatch,
    /// Between deployments; deficit by default.
    pub router: RouterMode,
    /// Seed of the router; 0 by default.
    pub seed: u64,
    /// Threads, which change no result; 1 by default.
    pub threads: usize,
}

impl Default for ReplayParams {
    fn default() -> Self {
        Self { dispatch: Dispatch::default(), router: RouterMode::Deficit, seed: 0, threads: 1 }
    }
}

/// A replay of plans.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanReplay {
    /// What became of the requests, and what each deployment did, by rising configuration.
    pub replay: Replay,
    /// Index of the configuration that each request was sent to; [`UNSERVED`] where the plan leaves it unserved.
    pub configuration: Vec<u32>,
}

/// Replays `requests` under plans, each from its time on; the first holds from the beginning.
///
/// `replicas` has one entry for each configuration of the problem, in its order. Requests find a deployment by each
/// plan's [`Router`], so that a plan's unserved shares go unserved, and a replica by `params.dispatch`.
///
/// # Errors
/// [`Error::Invalid`] names the first entry that breaks a rule: no phase, phases out of order, a plan without
/// deployments or with a configuration out of range, requests of a type that a plan does not know; or `cancel`.
pub fn replay_plans(
    requests: &Requests,
    phases: &[Phase<'_>],
    replicas: &[Replica],
    params: &ReplayParams,
    cancel: &CancelToken,
) -> Result<PlanReplay> {
    check(phases, replicas.len())?;
    requests.validate(phases[0].plan.unmet.len())?;
    let configuration = route(requests, phases, params)?;
    let mut place = vec![UNSERVED; replicas.len()];
    let mut served = Vec::new();
    for (a, replica) in replicas.iter().enumerate() {
        let windows = windows(phases, a as u32);
        if !windows.is_empty() {
            place[a] = served.len() as u32;
            let Replica { curve, settings, lanes } = *replica;
            served.push(Served { configuration: a as u32, replicas: windows, lanes, curve, settings });
        }
    }
    let deployment: Vec<u32> = configuration
        .iter()
        .map(|&a| if a == UNSERVED { UNSERVED } else { place.get(a as usize).copied().unwrap_or(UNSERVED) })
        .collect();
    let replay = replay(requests, &deployment, &served, params.dispatch, params.threads, cancel)?;
    Ok(PlanReplay { replay, configuration })
}

fn check(phases: &[Phase<'_>], num_configurations: usize) -> Result<()> {
    let Some(first) = phases.first() else { return Err(Error::invalid("plan", "there is none to replay")) };
    for (n, phase) in phases.iter().enumerate() {
        let plan = phase.plan;
        if !plan.status.has_plan() {
            let message = format!("has status {}: there is nothing to replay", plan.status.as_str());
            return Err(Error::invalid("plan", message));
        }
        if phase.ready_s.is_nan() || (n > 0 && phase.ready_s < phases[n - 1].ready_s) {
            return Err(Error::invalid(format!("phases[{n}].ready_s"), "is out of order"));
        }
        if plan.unmet.len() != first.plan.unmet.len() {
            return Err(Error::invalid(format!("phases[{n}].plan"), "is one for other query types"));
        }
        let deployed = plan.deployments.iter().map(|deployment| deployment.configuration);
        let routed = plan.routing.configuration.iter().copied();
        if let Some(a) = deployed.chain(routed).find(|&a| a as usize >= num_configurations) {
            let message = format!("names configuration {a}, out of range for {num_configurations} entries");
            return Err(Error::invalid("plan", message));
        }
    }
    Ok(())
}

/// The configuration that each request goes to.
fn route(requests: &Requests, phases: &[Phase<'_>], params: &ReplayParams) -> Result<Vec<u32>> {
    let mut chosen = vec![UNSERVED; requests.len()];
    let mut start = 0;
    for (n, phase) in phases.iter().enumerate() {
        let end = match phases.get(n + 1) {
            Some(next) => requests.arrival_s.partition_point(|&at_s| at_s < next.ready_s).max(start),
            None => requests.len(),
        };
        let router = Router::new(phase.plan, params.router, params.seed.wrapping_add(n as u64))?;
        router.pick_many(&requests.query_type[start..end], &mut chosen[start..end])?;
        start = end;
    }
    Ok(chosen)
}

/// When each replica of configuration `a` takes requests; those that began last stop first.
fn windows(phases: &[Phase<'_>], a: u32) -> Vec<(f64, f64)> {
    let mut windows: Vec<(f64, f64)> = Vec::new();
    let mut serving: Vec<usize> = Vec::new();
    for (n, phase) in phases.iter().enumerate() {
        let from_s = if n == 0 { 0.0 } else { phase.ready_s.max(0.0) };
        let found = phase.plan.deployments.iter().find(|deployment| deployment.configuration == a);
        let count = found.map_or(0, |deployment| deployment.replicas as usize);
        while serving.len() > count {
            if let Some(last) = serving.pop() {
                windows[last].1 = from_s;
            }
        }
        while serving.len() < count {
            serving.push(windows.len());
            windows.push((from_s, f64::INFINITY));
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::generate::{physical, Family, Size};
    use crate::{solve, Deployment, Method, SolveParams};

    fn plan() -> Plan {
        let problem = physical(Size::new(3, 2, 2), 1.0, Family::Plain, 0).unwrap();
        solve(&problem, Method::Gh, &SolveParams::default(), None, &CancelToken::new()).unwrap()
    }

    fn requests(count: usize) -> Requests {
        Requests {
            arrival_s: (0..count).map(|n| n as f64).collect(),
            input_tokens: vec![100; count],
            output_tokens: vec![10; count],
            query_type: (0..count).map(|n| (n % 3) as u32).collect(),
            prefixes: None,
        }
    }

    fn replicas(plan: &Plan) -> Vec<Replica> {
        let curve = StepCurve { weights_s: 1e-3, prefill_per_token_s: 1e-5, ..StepCurve::default() };
        let most = plan.deployments.iter().map(|deployment| deployment.configuration).max().unwrap();
        vec![Replica { curve, settings: EngineSettings::default(), lanes: 1 }; most as usize + 1]
    }

    #[test]
    fn requests_go_where_the_plan_sends_them() {
        let plan = plan();
        let all = requests(300);
        let phase = Phase { ready_s: 0.0, plan: &plan };
        let token = CancelToken::new();
        let found = replay_plans(&all, &[phase], &replicas(&plan), &ReplayParams::default(), &token).unwrap();
        for (n, &a) in found.configuration.iter().enumerate() {
            assert_eq!(a == UNSERVED, found.replay.outcomes.latency_s[n].is_nan());
            let routes = plan.routing.query_type.iter().zip(&plan.routing.configuration);
            assert!(a == UNSERVED || routes.clone().any(|(&i, &to)| i == all.query_type[n] && to == a));
        }
        assert_eq!(found.replay.deployments.len(), plan.deployments.len());
    }

    #[test]
    fn replicas_that_begin_later_take_requests_from_then_on() {
        let plan = plan();
        let mut more = plan.clone();
        for deployment in &mut more.deployments {
            deployment.replicas += 2;
        }
        let a = plan.deployments[0].configuration;
        let phases = [(0.0, &plan), (10.0, &more), (20.0, &plan)].map(|(ready_s, plan)| Phase { ready_s, plan });
        let before = plan.deployments[0].replicas as usize;
        let windows = windows(&phases, a);
        assert_eq!(windows.len(), before + 2);
        assert!(windows[before..].iter().all(|&window| window == (10.0, 20.0)));
        assert!(windows[..before].iter().all(|&window| window == (0.0, f64::INFINITY)));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mut plan = plan();
        let all = replicas(&plan);
        let fails = |phases: &[Phase<'_>], requests: &Requests| {
            let token = CancelToken::new();
            replay_plans(requests, phases, &all, &ReplayParams::default(), &token).unwrap_err().to_string()
        };
        assert!(fails(&[], &requests(3)).starts_with("plan: "));
        let late = [Phase { ready_s: 5.0, plan: &plan }, Phase { ready_s: 1.0, plan: &plan }];
        assert!(fails(&late, &requests(3)).starts_with("phases[1].ready_s: "));
        let mut other = requests(3);
        other.query_type[2] = 9;
        assert!(fails(&late[..1], &other).starts_with("requests.query_type[2]: "));
        plan.deployments.push(Deployment { configuration: 999, replicas: 1 });
        assert!(fails(&[Phase { ready_s: 0.0, plan: &plan }], &requests(3)).contains("999"));
    }
}
