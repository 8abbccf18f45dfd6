//! Local search over deployments: every move is costed with its best routing.
//!
//! A state is a set of deployments with its routing program. Prices of the linear relaxation choose a *kernel* of
//! promising configurations ([`Market`]); operators combine changes of replicas within it into moves; lower bounds from
//! the dual prices of every routing solved so far ([`Cuts`]) put the moves in order and discard most of them; what is
//! left is tried by solving its routing. Traffic of several query types moves together because the linear program
//! routes anew. Dives from the optimum with fractional replicas ([`ReplicaProgram`]) start and perturb the search where
//! replicas are many.

mod cuts;
mod dive;
mod local_search;
mod market;
mod neighbourhood;
mod operator;
mod running;
mod state;
#[cfg(test)]
mod tests;

pub use cuts::Cuts;
pub use dive::ReplicaProgram;
pub use local_search::{siblings, LocalSearch, OperatorStatistics, SearchLimits};
pub use market::{LimitPrices, Market};
pub use neighbourhood::Neighbourhood;
pub use operator::{Change, Move, Operator, OPERATORS};
pub use running::Running;
pub use state::SearchState;
