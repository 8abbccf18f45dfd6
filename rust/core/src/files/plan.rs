//! servemix-plan/2, and servemix-plan/1 for reading.

use serde::{Deserialize, Serialize};

use super::details::{Attainment, Basis, PlanDetails};
use super::parse::{nullable, parse, Format};
use super::plan_rows::{agree, deployment_rows, query_type_rows, routing_columns, DeploymentRow, QueryTypeRow};
use super::write::Object;
use crate::{Cost, Deployment, Error, Plan, Problem, Result, Routing, Status, StopReason};

const FORMAT: &str = "servemix-plan/2";
const EARLIER: &str = "servemix-plan/1";

/// How far a file's gap may be from the one that follows from its value and bound: it may have been rounded.
const GAP_TOLERANCE: f64 = 1e-3;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    problem: String,
    method: String,
    seed: u64,
    #[serde(default, rename = "horizon_h")]
    _horizon_h: Option<f64>,
    status: String,
    stop_reason: String,
    runtime_s: f64,
    #[serde(deserialize_with = "nullable")]
    objective_value: Option<f64>,
    #[serde(deserialize_with = "nullable")]
    objective_bound: Option<f64>,
    #[serde(deserialize_with = "nullable")]
    gap: Option<f64>,
    #[serde(deserialize_with = "nullable")]
    cost: Option<CostParts>,
    deployments: Vec<DeploymentRow>,
    #[serde(default)]
    query_types: Vec<QueryTypeRow>,
    routing: RoutingColumns,
    unmet: Vec<f64>,
    #[serde(default, rename = "attainment")]
    _attainment: Option<Attainment>,
    #[serde(default, rename = "basis")]
    _basis: Option<Basis>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct CostParts {
    rental: f64,
    storage: f64,
    latency: f64,
    unmet: f64,
}

impl Format for File {
    fn format(&self) -> &str {
        &self.format
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoutingColumns {
    query_type: Vec<u32>,
    configuration: Vec<u32>,
    fraction: Vec<f64>,
    #[serde(default, rename = "query_type_name")]
    _query_type_name: Vec<String>,
    #[serde(default, rename = "deployment")]
    _deployment: Vec<String>,
}

impl Plan {
    /// Reads a plan for `problem` from the content of a servemix-plan/2 or servemix-plan/1 file, JSON or gzipped JSON.
    ///
    /// Its objective and cost are those that the file claims: the checker tells whether they are right. Names and facts
    /// beside the indices are for people and for tools that have no problem; they are not kept, but the names of models,
    /// tiers and query types, TP, PP and batch limits have to be those of `problem`.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the entry that is missing, unknown, of the wrong type, not finite or out of range, or
    /// the problem that it is for where that is another one or has other names at the plan's indices.
    pub fn from_json(content: &[u8], problem: &Problem) -> Result<Self> {
        let file: File = parse(content, &[FORMAT, EARLIER])?;
        if file.problem != problem.name {
            let message = format!("is {:?} where {:?} is expected", file.problem, problem.name);
            return Err(Error::invalid("problem", message));
        }
        let unknown = |entry: &str, text: &str| Error::invalid(entry, format!("{text:?} is not one"));
        let gap = file.gap;
        let plan = Self {
            problem: file.problem,
            method: file.method,
            seed: file.seed,
            status: Status::parse(&file.status).ok_or_else(|| unknown("status", &file.status))?,
            stop_reason: StopReason::parse(&file.stop_reason)
                .ok_or_else(|| unknown("stop_reason", &file.stop_reason))?,
            runtime_s: file.runtime_s,
            objective_value: file.objective_value,
            objective_bound: file.objective_bound,
            cost: file.cost.map(|cost| Cost {
                rental: cost.rental,
                storage: cost.storage,
                latency: cost.latency,
                unmet: cost.unmet,
            }),
            deployments: file
                .deployments
                .iter()
                .map(|row| Deployment { configuration: row.configuration, replicas: row.replicas })
                .collect(),
            routing: Routing {
                query_type: file.routing.query_type,
                configuration: file.routing.configuration,
                fraction: file.routing.fraction,
            },
            unmet: file.unmet,
            message: file.message,
            statistics: Vec::new(),
        };
        plan.validate(problem)?;
        agree(&file.deployments, &file.query_types, problem)?;
        plan.check_gap(gap)?;
        Ok(plan)
    }

    fn check_gap(&self, given: Option<f64>) -> Result<()> {
        // A gap to a value of zero is infinite, which JSON cannot say.
        let expected = self.gap().filter(|gap| gap.is_finite());
        let agrees = match (given, expected) {
            (None, None) => true,
            (Some(given), Some(expected)) => (given - expected).abs() <= GAP_TOLERANCE * expected.max(1.0),
            _ => false,
        };
        if agrees {
            return Ok(());
        }
        let show = |gap: Option<f64>| gap.map_or_else(|| "null".to_owned(), |gap| gap.to_string());
        let message = format!("is {} where objective_value and objective_bound give {}", show(given), show(expected));
        Err(Error::invalid("gap", message))
    }

    /// The plan as the content of a servemix-plan/2 file, from which [`Plan::from_json`] makes the same plan but for
    /// its statistics, which are not part of the file. `problem` gives the names and prices that stand beside the indices.
    pub fn to_json(&self, problem: &Problem) -> String {
        self.write(problem, &PlanDetails::default())
    }

    /// The plan as [`Plan::to_json`] has it, complete by itself: with what `details` know beyond the problem, such as
    /// the checkpoint of each model.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there are details, but not one per deployment or query type, or a number that is not
    /// finite.
    pub fn to_json_with(&self, problem: &Problem, details: &PlanDetails) -> Result<String> {
        details.validate(self.deployments.len(), problem.num_query_types())?;
        Ok(self.write(problem, details))
    }

    fn write(&self, problem: &Problem, details: &PlanDetails) -> String {
        let deployments = deployment_rows(self, problem, details);
        let routing = routing_columns(self, problem, &deployments);
        Object::new()
            .value("format", FORMAT)
            .value("problem", &self.problem)
            .value("method", &self.method)
            .value("seed", &self.seed)
            .value("horizon_h", &problem.horizon_h)
            .value("status", self.status.as_str())
            .value("stop_reason", self.stop_reason.as_str())
            .value("runtime_s", &self.runtime_s)
            .value("objective_value", &self.objective_value)
            .value("objective_bound", &self.objective_bound)
            .value("gap", &self.gap())
            .value(
                "cost",
                &self.cost.map(|cost| CostParts {
                    rental: cost.rental,
                    storage: cost.storage,
                    latency: cost.latency,
                    unmet: cost.unmet,
                }),
            )
            .rows("deployments", deployments.into_iter())
            .rows("query_types", query_type_rows(problem, details).into_iter())
            .columns("routing", routing)
            .value("unmet", &self.unmet)
            .value("attainment", &details.attainment)
            .value("basis", &details.basis)
            .value("message", &self.message)
            .finish()
    }
}
