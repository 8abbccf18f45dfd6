//! The parts of a problem that only limits connect.

use crate::bound::Domain;
use crate::decompose::linking::{Column, Link};
use crate::tree::{Evaluator, Incumbent, Proof, Task};
use crate::{Configurations, Deployment, LatencyScope, Problem, QueryTypes, Result, Routes, Stop};

const NONE: u32 = u32::MAX;

/// Query types and the configurations that can serve them, which serve nothing else, as a problem without budget and storage
/// capacity whose prices include those of the limits.
#[derive(Debug)]
pub(super) struct Component {
    problem: Problem,
    /// In the whole problem.
    configurations: Vec<u32>,
    stated_gpu_usd: Vec<f64>,
    stated_storage_usd: f64,
}

/// Sets of query types, joined where something serves two of them.
struct Sets {
    parent: Vec<u32>,
    count: usize,
}

impl Sets {
    fn new(count: usize) -> Self {
        Self { parent: (0..count as u32).collect(), count }
    }

    fn find(&mut self, mut i: u32) -> u32 {
        while self.parent[i as usize] != i {
            let above = self.parent[self.parent[i as usize] as usize];
            self.parent[i as usize] = above;
            i = above;
        }
        i
    }

    fn join(&mut self, i: u32, other: u32) {
        let (i, other) = (self.find(i), self.find(other));
        if i != other {
            // The smaller number leads, so that components stand in the order of their first query types.
            self.parent[i.max(other) as usize] = i.min(other);
            self.count -= 1;
        }
    }
}

/// Whether route `route` of the data may carry traffic as far as its latency goes.
fn is_in_time(problem: &Problem, route: usize) -> bool {
    let i = problem.routes.query_type[route] as usize;
    problem.latency_scope == LatencyScope::Average
        || problem.routes.latency_s[route] <= problem.query_types.latency_slo_s[i]
}

/// The number of the component of each query type and of each configuration, [`NONE`] for those that cannot be deployed, and
/// how many components there are.
fn number(problem: &Problem) -> Option<(Vec<u32>, Vec<u32>, usize)> {
    let table = problem.route_table();
    let mut sets = Sets::new(problem.num_query_types());
    let join_pairs = |sets: &mut Sets| {
        for pair in 0..problem.num_pairs() {
            let mut first = NONE;
            for &a in problem.pair_configurations(pair).iter().filter(|&&a| problem.replica_limit(a as usize) > 0) {
                for &i in &table.query_type[table.of_configuration(a as usize)] {
                    match first {
                        NONE => first = i,
                        first => sets.join(first, i),
                    }
                }
            }
            if sets.count <= 1 {
                return;
            }
        }
    };
    join_pairs(&mut sets);
    if sets.count <= 1 {
        return None;
    }
    // Routes that the table leaves out may carry a share within the tolerance, which bounds have to count.
    let mut first_of_pair = vec![NONE; problem.num_pairs()];
    for route in (0..problem.num_routes()).filter(|&route| is_in_time(problem, route)) {
        let (i, a) = (problem.routes.query_type[route], problem.routes.configuration[route] as usize);
        if problem.replica_limit(a) > 0 {
            match &mut first_of_pair[problem.pair(a)] {
                first if *first == NONE => *first = i,
                first => sets.join(*first, i),
            }
        }
    }
    let mut number = vec![NONE; problem.num_query_types()];
    let mut count = 0;
    let mut of_type = Vec::with_capacity(number.len());
    for i in 0..number.len() as u32 {
        let root = sets.find(i) as usize;
        if number[root] == NONE {
            number[root] = count;
            count += 1;
        }
        of_type.push(number[root]);
    }
    let of_configuration = (0..problem.num_configurations()).map(|a| match first_of_pair[problem.pair(a)] {
        first if first != NONE && problem.replica_limit(a) > 0 => of_type[first as usize],
        _ => NONE,
    });
    Some((of_type.clone(), of_configuration.collect(), count as usize)).filter(|_| count > 1)
}

/// The components of `problem`; none where it is only one.
pub(super) fn components(problem: &Problem) -> Vec<Component> {
    let Some((of_type, of_configuration, count)) = number(problem) else { return Vec::new() };
    let mut routes = vec![Vec::new(); count];
    for route in (0..problem.num_routes()).filter(|&route| is_in_time(problem, route)) {
        let a = problem.routes.configuration[route] as usize;
        if of_configuration[a] != NONE {
            routes[of_configuration[a] as usize].push(route);
        }
    }
    let members = |of: &[u32], number: usize| -> Vec<u32> {
        (0..of.len() as u32).filter(|&index| of[index as usize] == number as u32).collect()
    };
    let build = |(number, routes): (usize, &Vec<usize>)| {
        Component::new(problem, &members(&of_type, number), members(&of_configuration, number), routes)
    };
    // One that cannot be stated on its own leaves the problem whole.
    routes.iter().enumerate().map(build).collect::<Result<_>>().unwrap_or_default()
}

fn pick<T: Clone>(column: &[T], members: &[u32]) -> Vec<T> {
    members.iter().map(|&index| column[index as usize].clone()).collect()
}

impl Component {
    fn new(problem: &Problem, query_types: &[u32], configurations: Vec<u32>, routes: &[usize]) -> Result<Self> {
        let (q, c, r) = (&problem.query_types, &problem.configurations, &problem.routes);
        let place = |members: &[u32], index: u32| members.binary_search(&index).unwrap_or_default() as u32;
        let mut data = problem.shell();
        data.query_types = QueryTypes {
            name: pick(&q.name, query_types),
            rate_per_h: pick(&q.rate_per_h, query_types),
            latency_slo_s: pick(&q.latency_slo_s, query_types),
            error_slo: pick(&q.error_slo, query_types),
            latency_usd_per_s: pick(&q.latency_usd_per_s, query_types),
            unmet_usd_per_query: pick(&q.unmet_usd_per_query, query_types),
            max_unmet: pick(&q.max_unmet, query_types),
            data_gb: pick(&q.data_gb, query_types),
        };
        data.configurations = Configurations {
            model: pick(&c.model, &configurations),
            tier: pick(&c.tier, &configurations),
            tp: pick(&c.tp, &configurations),
            pp: pick(&c.pp, &configurations),
            weights_gb: pick(&c.weights_gb, &configurations),
            kv_cache_gb: pick(&c.kv_cache_gb, &configurations),
            // What budget, storage and pools allow of it alone.
            max_replicas: configurations.iter().map(|&a| problem.replica_limit(a as usize)).collect(),
            max_num_seqs: pick(&c.max_num_seqs, &configurations),
            max_utilization: pick(&c.max_utilization, &configurations),
            min_replicas: pick(&c.min_replicas, &configurations),
            pair: pick(&c.pair, &configurations),
        };
        let column = |values: &[f64]| -> Vec<f64> { routes.iter().map(|&route| values[route]).collect() };
        data.routes = Routes {
            query_type: routes.iter().map(|&route| place(query_types, r.query_type[route])).collect(),
            configuration: routes.iter().map(|&route| place(&configurations, r.configuration[route])).collect(),
            busy_s: column(&r.busy_s),
            kv_gb_s: column(&r.kv_gb_s),
            latency_s: column(&r.latency_s),
            error: column(&r.error),
        };
        data.budget_usd = f64::INFINITY;
        data.storage_gb = f64::INFINITY;
        Ok(Self {
            stated_gpu_usd: data.tiers.gpu_usd_per_h.clone(),
            stated_storage_usd: data.storage_usd_per_gb_h,
            problem: Problem::new(data)?,
            configurations,
        })
    }

    /// Whether it has configurations that take of `link`.
    pub(super) fn takes_of(&self, whole: &Problem, link: Link) -> bool {
        match link {
            Link::Budget | Link::Storage => true,
            Link::Pool(pool) => self.configurations.iter().any(|&a| whole.pool(a as usize) == pool),
        }
    }

    /// Sets the prices of the limits, in the order of `links`. What cannot be a price leaves the present ones, and is false.
    pub(super) fn set_prices(&mut self, links: &[Link], prices: &[f64]) -> bool {
        let horizon_h = self.problem.horizon_h;
        let (mut more, mut storage) = (1.0, 0.0);
        for (link, price) in links.iter().zip(prices) {
            match link {
                Link::Budget => more += price,
                Link::Storage => storage += price / horizon_h,
                Link::Pool(_) => {}
            }
        }
        let mut gpu_usd: Vec<f64> = self.stated_gpu_usd.iter().map(|usd| usd * more).collect();
        for (link, price) in links.iter().zip(prices) {
            let Link::Pool(pool) = link else { continue };
            let of_pool = self.problem.tiers.pool.iter().zip(&mut gpu_usd).filter(|(of_tier, _)| *of_tier == pool);
            of_pool.for_each(|(_, usd)| *usd += price / horizon_h);
        }
        let storage_usd = self.stated_storage_usd * more + storage;
        self.problem.set_storage_price(storage_usd).is_ok() && self.problem.set_prices(&gpu_usd).is_ok()
    }

    /// Everything that `whole`, a domain of the whole problem, allows of it.
    pub(super) fn domain(&self, whole: &Problem, of_whole: &Domain) -> Domain {
        let mut domain = Domain::of(&self.problem);
        for (own, &a) in self.configurations.iter().enumerate() {
            let a = a as usize;
            domain.min[own] = domain.min[own].max(of_whole.min[a]);
            domain.max[own] = domain.max[own].min(of_whole.max[a]);
            if of_whole.forced[whole.pair(a)] {
                domain.forced[self.problem.pair(own)] = true;
            }
        }
        domain
    }

    /// Lets it take no more of `limits` than that. What cannot be a limit leaves what there was, and is false.
    pub(super) fn set_limits(&mut self, whole: &Problem, limits: &[(Link, f64)]) -> bool {
        let mut gpus = whole.pools.max_gpus.clone();
        let (mut budget_usd, mut storage_gb) = (f64::INFINITY, f64::INFINITY);
        for &(link, left) in limits {
            match link {
                Link::Budget => budget_usd = left,
                Link::Storage => storage_gb = left,
                Link::Pool(pool) => gpus[pool as usize] = left.max(0.0),
            }
        }
        self.problem.set_budget_and_storage(budget_usd, storage_gb).is_ok() && self.problem.set_pools(&gpus).is_ok()
    }

    /// Leaves the limits to their prices again.
    pub(super) fn lift_limits(&mut self, whole: &Problem) {
        self.set_limits(whole, &[]);
    }

    /// Everything that its present limits allow.
    pub(super) fn whole_domain(&self) -> Domain {
        Domain::of(&self.problem)
    }

    /// The positions of deployments of the whole problem.
    fn own(&self, deployments: &[Deployment]) -> Vec<Deployment> {
        let place = |d: &Deployment| {
            let position = self.configurations.binary_search(&d.configuration).ok()?;
            Some(Deployment { configuration: position as u32, ..*d })
        };
        deployments.iter().filter_map(place).collect()
    }

    /// Whether `domain` of this component has `column`.
    pub(super) fn allows(&self, domain: &Domain, column: &Column) -> bool {
        domain.contains(&self.problem, &self.own(&column.deployments))
    }

    /// The best plan within `domain` at the present prices and what is proven of it, from `starts` in configurations of the
    /// whole problem.
    pub(super) fn solve<'c>(
        &self,
        domain: Domain,
        starts: impl Iterator<Item = &'c Column>,
        rel_gap: f64,
        max_work: u64,
        stop: &Stop,
    ) -> Result<Proof> {
        let starts: Vec<Vec<Deployment>> = starts.map(|column| self.own(&column.deployments)).collect();
        let task = Task { problem: &self.problem, domain, rel_gap, max_work };
        task.prove(starts.iter().map(Vec::as_slice), stop)
    }

    /// Its part of `deployments`, routed at the present prices.
    pub(super) fn routed(
        &self,
        whole: &Problem,
        deployments: &[Deployment],
        links: &[Link],
        prices: &[f64],
    ) -> Result<Option<Column>> {
        let mut incumbent = Incumbent::new(&self.problem);
        incumbent.offer(&self.own(deployments));
        let plan = incumbent.plan().transpose()?;
        Ok(plan.and_then(|plan| self.column(whole, &plan, links, prices)))
    }

    /// A quick plan at the present prices.
    pub(super) fn greedy(
        &self,
        whole: &Problem,
        links: &[Link],
        prices: &[f64],
        stop: &Stop,
    ) -> Result<Option<Column>> {
        let plan = crate::construct::solve(&self.problem, &crate::SolveParams::default(), stop)?;
        Ok(self.column(whole, &plan, links, prices))
    }

    /// A plan at the present prices as a column of the whole problem.
    pub(super) fn column(&self, whole: &Problem, plan: &crate::Plan, links: &[Link], prices: &[f64]) -> Option<Column> {
        let priced_usd = plan.objective_value?;
        let deployments: Vec<Deployment> = plan
            .deployments
            .iter()
            .map(|d| Deployment { configuration: self.configurations[d.configuration as usize], ..*d })
            .collect();
        let served = |of: &dyn Fn(usize) -> f64| -> f64 {
            plan.unmet.iter().enumerate().map(|(i, unmet)| of(i) * (1.0 - unmet)).sum()
        };
        let data_gb = served(&|i| self.problem.query_types.data_gb[i]);
        let usage: Vec<f64> = links.iter().map(|link| link.usage(whole, &deployments, data_gb)).collect();
        let usd = priced_usd - usage.iter().zip(prices).map(|(usage, price)| usage * price).sum::<f64>();
        Some(Column { deployments, usd, usage })
    }
}
