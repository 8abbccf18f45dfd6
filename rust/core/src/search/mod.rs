//! Local search over deployments: every move is costed with its best routing.
//!
//! A state is a set of deployments with its routing program. Prices of the linear relaxation choose a *kernel* of
//! promising configurations ([`MasterSolution`]); operators combine changes of replicas within it into moves; lower bounds from
//! the dual prices of every routing solved so far ([`Cuts`]) put the moves in order and discard most of them; what is
//! left is tried by solving its routing. Traffic of several query types moves together because the linear program
//! routes again. States that were looked at are remembered ([`Memory`]). Where replicas are many, which configurations to
//! choose is searched with the counts left open ([`ContinuousSearch`]), a small tree finds whole counts ([`CountTree`]), and
//! dives from the optimum with fractional replicas ([`ReplicaProgram`]) perturb the search as well.

mod change;
mod column_generation;
mod continuous;
mod count_tree;
mod cuts;
mod engine;
#[cfg(test)]
mod examples;
mod incumbent_deployment;
mod local_search;
mod master_solution;
mod memory;
mod neighbourhood;
mod operator;
mod perturb;
mod pricing;
mod ranking;
mod restricted_master;
mod rounding;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use change::{Change, Move};
pub(crate) use continuous::ContinuousSearch;
pub(crate) use count_tree::CountTree;
pub(crate) use cuts::Cuts;
pub(crate) use engine::{Engine, Setup};
pub(crate) use incumbent_deployment::IncumbentDeployment;
pub(crate) use local_search::{siblings, LocalSearch, OperatorStatistics, SearchLimits};
pub(crate) use master_solution::MasterSolution;
pub(crate) use memory::Memory;
pub(crate) use neighbourhood::Neighbourhood;
pub(crate) use operator::OPERATORS;
pub(crate) use ranking::Ranking;
pub(crate) use rounding::{MostExpensiveFirst, NearestFirst, ReplicaProgram, RoundDown, Rounding};
pub(crate) use state::SearchState;
