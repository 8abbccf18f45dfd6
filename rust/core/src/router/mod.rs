//! Which deployment serves the next request, so that requests spread as a plan says: [`Router`].

mod alias;
mod block;
#[cfg(all(test, loom))]
mod interleavings;
mod quota;
mod shares;
mod sync;

use crate::splitmix::random;
use crate::{Error, Plan, Result, Routing};
use alias::Draws;
use quota::Choices;

/// In what [`Router::pick_many`] returns: the request is not to be served.
pub const UNSERVED: u32 = u32::MAX;

/// How a router spreads requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RouterMode {
    /// Each request is an independent draw with the plan's fractions, in constant time and without a lock.
    #[default]
    Random,
    /// After any number of requests of a type, what each deployment has been given, and what has gone unserved,
    /// differs from its fraction of them by less than one request. Constant time but for sorting once in 64 requests
    /// the deployments whose turn is further off, which also takes a lock.
    Deficit,
}

impl RouterMode {
    /// The name in Python.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Deficit => "deficit",
        }
    }

    /// The inverse of [`RouterMode::as_str`].
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no such mode.
    pub fn parse(text: &str) -> Result<Self> {
        [Self::Random, Self::Deficit].into_iter().find(|mode| mode.as_str() == text).ok_or_else(|| {
            Error::invalid("mode", format!("{text:?} is not a mode of a router; there are random, deficit"))
        })
    }
}

/// Chooses the deployment of each request by the fractions of a plan.
///
/// Any number of threads may use one router at once. The *n*-th choice for a query type is the same for the same plan,
/// mode and seed, whichever thread asks for it and whatever was asked for other types.
///
/// ```
/// # use servemix_core::{generate, solve, CancelToken, Method, RouterMode, SolveParams};
/// # let size = generate::Size::new(3, 2, 2);
/// # let problem = generate::physical(size, 1.0, generate::Family::Plain, 0)?;
/// let plan = solve(&problem, Method::Agh, &SolveParams::default(), None, &CancelToken::new())?;
/// let router = plan.router(RouterMode::Deficit, 7)?;
/// match router.pick(0)? {
///     Some(configuration) => assert!(plan.deployments.iter().any(|one| one.configuration == configuration)),
///     None => println!("not to be served"),
/// }
/// # Ok::<(), servemix_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Router {
    seed: u64,
    types: Types,
}

/// What chooses for each query type.
#[derive(Debug)]
enum Types {
    Random(Vec<Draws>),
    Deficit(Vec<Choices>),
}

impl Plan {
    /// A router of requests by this plan's fractions; see [`Router::new`].
    ///
    /// # Errors
    /// As [`Router::new`].
    pub fn router(&self, mode: RouterMode, seed: u64) -> Result<Router> {
        Router::new(self, mode, seed)
    }
}

impl Router {
    /// A router by the fractions of `plan`, its unserved shares included. `seed` decides every draw, and which of
    /// several equally due deployments comes first: give routers that work side by side different ones.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no plan, or a query type's fractions and unserved share do not sum to 1.
    pub fn new(plan: &Plan, mode: RouterMode, seed: u64) -> Result<Self> {
        if !plan.status.has_plan() {
            return Err(Error::invalid("status", format!("is {}: there is nothing to route", plan.status.as_str())));
        }
        Self::of_routing(&plan.routing, &plan.unmet, mode, seed)
    }

    /// A router by the fractions of `routing`, with the share `unmet` of each query type left unserved; else as [`Router::new`].
    ///
    /// # Errors
    /// [`Error::Invalid`] where a query type's fractions and unserved share do not sum to 1.
    pub fn of_routing(routing: &Routing, unmet: &[f64], mode: RouterMode, seed: u64) -> Result<Self> {
        let shares = shares::of_routing(routing, unmet)?.into_iter().enumerate();
        let types = match mode {
            RouterMode::Random => Types::Random(shares.map(|(i, of)| Draws::new(&of, stream(seed, i))).collect()),
            RouterMode::Deficit => Types::Deficit(shares.map(|(i, of)| Choices::new(of, stream(seed, i))).collect()),
        };
        Ok(Self { seed, types })
    }

    /// How it spreads requests.
    pub fn mode(&self) -> RouterMode {
        match self.types {
            Types::Random(_) => RouterMode::Random,
            Types::Deficit(_) => RouterMode::Deficit,
        }
    }

    /// Its seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Number of query types.
    pub fn num_query_types(&self) -> usize {
        match &self.types {
            Types::Random(types) => types.len(),
            Types::Deficit(types) => types.len(),
        }
    }

    /// The configuration, by its index in the problem, whose deployment serves the next request of a query type;
    /// `None` where the plan leaves that request unserved.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no such query type.
    #[inline]
    pub fn pick(&self, query_type: u32) -> Result<Option<u32>> {
        let i = query_type as usize;
        let target = match &self.types {
            Types::Random(types) => types.get(i).map(Draws::next),
            Types::Deficit(types) => types.get(i).map(Choices::next),
        };
        match target {
            Some(target) => Ok((target != UNSERVED).then_some(target)),
            None => Err(self.no_such_type(query_type, "query_type")),
        }
    }

    /// What [`Router::pick`] would choose for each of `query_types` in turn, into `configurations`, with [`UNSERVED`]
    /// for `None`.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the lengths differ or an entry names no query type; then nothing was chosen.
    pub fn pick_many(&self, query_types: &[u32], configurations: &mut [u32]) -> Result<()> {
        if query_types.len() != configurations.len() {
            let message = format!("has {} entries where {} are expected", configurations.len(), query_types.len());
            return Err(Error::invalid("configurations", message));
        }
        self.check_types(query_types)?;
        match &self.types {
            Types::Random(types) => alias::draw_many(types, query_types, configurations),
            Types::Deficit(types) => quota::next_many(types, query_types, configurations),
        }
        Ok(())
    }

    /// Checks that every entry names a query type, as [`Router::pick_many`] does before it chooses.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first that does not.
    pub fn check_types(&self, query_types: &[u32]) -> Result<()> {
        let num_types = self.num_query_types();
        match query_types.iter().position(|&i| i as usize >= num_types) {
            Some(n) => Err(self.no_such_type(query_types[n], &format!("query_types[{n}]"))),
            None => Ok(()),
        }
    }

    #[cold]
    fn no_such_type(&self, query_type: u32, entry: &str) -> Error {
        Error::invalid(entry, format!("is {query_type}, out of range for {} entries", self.num_query_types()))
    }
}

/// Where the stream of query type `i` starts.
fn stream(seed: u64, i: usize) -> u64 {
    random(random(seed, 0), i as u64)
}

#[cfg(test)]
mod tests;
