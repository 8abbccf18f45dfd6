// C interface of servemix: what to deploy on which GPUs and where to send each kind of LLM request.
//
// Made from rust/c/src by `UPDATE_HEADER=1 cargo test -p servemix-c --test header`; do not edit.
//
// Rules that hold for every function:
//
// - A function that can fail returns a code: SERVEMIX_OK, or one of SERVEMIX_ERROR_*; servemix_last_error() then tells in
//   words what went wrong. Codes keep their meaning for good. A panic inside becomes SERVEMIX_ERROR_INTERNAL.
// - Where a function fails, what it would have made is NULL, other outputs are as they were, and no handle has changed.
// - NULL is an error where something is needed, never a crash. Other pointers must be valid: to a live handle, to a string
//   that ends in NUL, to as many elements as the length beside them says.
// - A handle that a function makes is the caller's, who frees it with the _free function of its type, once; to free NULL does
//   nothing. Handles do not need each other: a problem may be freed while its plans, planners and routers live.
// - Any number of threads may use one handle at once, except that freeing it must be the last use. Calls for one planner
//   wait for each other.
// - Indices refer to positions in the problem file. Text is UTF-8.

#ifndef SERVEMIX_H
#define SERVEMIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// All went well.
#define SERVEMIX_OK 0

// The input is not valid; the message names the entry.
#define SERVEMIX_ERROR_INVALID_INPUT 1

// A file could not be read or written.
#define SERVEMIX_ERROR_FILE 2

// A defect of servemix, never of the input.
#define SERVEMIX_ERROR_INTERNAL 3

// The plan's value matches a valid lower bound.
#define SERVEMIX_STATUS_OPTIMAL 0

// The plan meets every constraint.
#define SERVEMIX_STATUS_FEASIBLE 1

// The plan serves what it can where capacity, budget or storage fall short; only a planner makes such plans.
#define SERVEMIX_STATUS_DEGRADED 2

// Proven: no plan meets every constraint.
#define SERVEMIX_STATUS_INFEASIBLE 3

// No plan was found, and nothing was proven.
#define SERVEMIX_STATUS_NO_SOLUTION_FOUND 4

// In place of a configuration: the plan leaves the request unserved.
#define SERVEMIX_UNSERVED UINT32_MAX

// Start replicas and wait until they serve.
#define SERVEMIX_ACTION_START 0

// Stop replicas, which first get no more traffic.
#define SERVEMIX_ACTION_STOP 1

// What to deploy and where to send each kind of request.
typedef struct ServemixPlan ServemixPlan;

// Keeps a plan up to date: new numbers in, next plan out.
typedef struct ServemixPlanner ServemixPlanner;

// A problem: query types, models, GPU tiers, configurations and routes, validated.
typedef struct ServemixProblem ServemixProblem;

// Chooses the deployment of each request by the fractions of a plan.
typedef struct ServemixRouter ServemixRouter;

// Ordered steps from one plan to another.
typedef struct ServemixTransition ServemixTransition;

// The parts of a plan's cost, USD over the horizon.
typedef struct {
  // Rental of every GPU of every replica.
  double rental;
  // Storage of weights and of the tokens of served queries.
  double storage;
  // Price of the latency of every served query.
  double latency;
  // Price of every query not served.
  double unmet;
} ServemixCost;

// Settings of a planner; begin with servemix_planner_params_default.
typedef struct {
  // Seed of every random choice.
  uint64_t seed;
  // USD per replica started.
  double start_usd;
  // USD per GB of weights that a started replica loads.
  double start_usd_per_gb;
  // Seconds until a started replica serves; its rental counts meanwhile.
  double start_s;
  // Seconds more per GB of weights that it loads.
  double start_s_per_gb;
  // Hours over which a change has to pay for itself; 0 for the horizon of the problem.
  double payback_h;
  // A change is made only where it saves more than this, USD over the payback time, start-up paid.
  double min_saving_usd;
  // As min_saving_usd, as a share of the present cost.
  double min_saving_share;
  // Where deployments change, they are chosen for rates higher by up to this share, as far as that costs little.
  double headroom;
  // Most that headroom may cost, as a share of the cost without.
  double max_headroom_cost_share;
  // Most replicas started and stopped in one replan, lost ones not counted; UINT32_MAX for no limit.
  uint32_t max_changes;
} ServemixPlannerParams;

// What has changed since the last plan; zero it (`ServemixUpdate update = {0};`) and set what has. A NULL array leaves the
// numbers as they are; otherwise its length must be right.
typedef struct {
  // Arrival rate of each query type, queries per hour.
  const double *rates;
  // Number of rates.
  size_t num_rates;
  // Rental of one GPU of each tier, USD per hour.
  const double *prices;
  // Number of prices.
  size_t num_prices;
  // GPUs that exist in each pool; INFINITY for no limit, 0 where it is lost.
  const double *pools;
  // Number of pools.
  size_t num_pools;
  // Replicas lost of each deployment of the planner's present plan, in its order.
  const uint32_t *failed;
  // Number of deployments.
  size_t num_failed;
  // Replicas that take traffic now, of each configuration of the problem. With them the plan made is the one in force: its
  // deployments are what should run now, its routing goes to replicas that are ready and stay.
  const uint32_t *ready;
  // Number of configurations.
  size_t num_ready;
} ServemixUpdate;

// One step of a transition.
typedef struct {
  // One of SERVEMIX_ACTION_*.
  int32_t action;
  // Configuration whose replicas start or stop, by its index in the problem.
  uint32_t configuration;
  // How many of them.
  uint32_t replicas;
  // Seconds until what starts serves; 0 for a stop.
  double start_s;
  // Share of all queries that the step's routing serves, every SLO met.
  double served_share;
} ServemixTransitionStep;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Version of the library, such as "0.1.0".
const char *servemix_version(void);

// What went wrong in the last call on this thread that returned an error; "" before the first. Valid until the next
// call on this thread that returns an error.
const char *servemix_last_error(void);

// Frees a text that a function has made.
void servemix_string_free(char *text);

// Finds a plan. A problem without a feasible plan is no error: the plan's status tells.
//
// `method` is "gh" (greedy, the fastest), "agh" or "bnb" (proves its plan optimal). `time_limit_s` is INFINITY for no
// limit; only a limit makes runs with one seed differ. With `with_bound` a lower bound is computed beside the plan.
// `initial_plan` is a plan to start from, or NULL.
int32_t servemix_solve(const ServemixProblem *problem,
                       const char *method,
                       uint64_t seed,
                       double time_limit_s,
                       uint32_t threads,
                       bool with_bound,
                       const ServemixPlan *initial_plan,
                       ServemixPlan **plan);

// Makes a plan for `problem` from the content of a servemix-plan/2 or servemix-plan/1 file, gzipped or not, of `length` bytes.
int32_t servemix_plan_from_json(const ServemixProblem *problem,
                                const char *json,
                                size_t length,
                                ServemixPlan **plan);

// Makes the content of a servemix-plan/2 file of a plan for `problem`, to be freed with servemix_string_free.
int32_t servemix_plan_to_json(const ServemixProblem *problem, const ServemixPlan *plan, char **json);

// Frees a plan.
void servemix_plan_free(ServemixPlan *plan);

// One of SERVEMIX_STATUS_*; NO_SOLUTION_FOUND for NULL.
int32_t servemix_plan_status(const ServemixPlan *plan);

// Cost over the horizon, USD; NaN where there is no plan.
double servemix_plan_objective_value(const ServemixPlan *plan);

// A lower bound on the cost of every plan, USD; NaN where none is known.
double servemix_plan_objective_bound(const ServemixPlan *plan);

// The parts of the cost; all 0 where there is no plan.
int32_t servemix_plan_cost(const ServemixPlan *plan, ServemixCost *cost);

// What the plan falls short of, or why there is none; "" otherwise. Valid as long as the plan; NULL for NULL.
const char *servemix_plan_message(const ServemixPlan *plan);

// Number of deployments; 0 for NULL.
size_t servemix_plan_num_deployments(const ServemixPlan *plan);

// Copies the deployments into columns with room for `capacity` elements each; a NULL column is left out.
int32_t servemix_plan_deployments(const ServemixPlan *plan,
                                  uint32_t *configurations,
                                  uint32_t *replicas,
                                  size_t capacity);

// Number of routes that carry traffic; 0 for NULL.
size_t servemix_plan_num_routes(const ServemixPlan *plan);

// Copies the routing into columns with room for `capacity` elements each; a NULL column is left out.
int32_t servemix_plan_routing(const ServemixPlan *plan,
                              uint32_t *query_types,
                              uint32_t *configurations,
                              double *fractions,
                              size_t capacity);

// Copies the share of each query type that goes unserved into `unmet`, which has room for `capacity` elements, as many as
// the problem has query types; nothing is copied where there is no plan.
int32_t servemix_plan_unmet(const ServemixPlan *plan,
                            double *unmet,
                            size_t capacity);

// Sets every setting to its default: a started replica is rented for 300 s before it serves, a change has to save a little, and
// headroom is taken where it costs little.
int32_t servemix_planner_params_default(ServemixPlannerParams *params);

// Sets every setting for few changes of deployments at little more cost: for a planner that follows measured rates, replanned every
// 20 minutes, and at once where the routing for new rates is degraded.
int32_t servemix_planner_params_steady(ServemixPlannerParams *params);

// Makes a planner that starts from `plan`, as it is deployed, or from a plan of method "agh" where that is NULL. `params` may
// be NULL for the defaults. The problem is copied.
int32_t servemix_planner_new(const ServemixProblem *problem,
                             const ServemixPlan *plan,
                             const ServemixPlannerParams *params,
                             ServemixPlanner **planner);

// Takes new numbers and makes the next plan, with deployments chosen anew as far as a change pays for itself: for use
// every few minutes. `update` may be NULL. The plan is the caller's; it is degraded where not every constraint can be
// met. An error leaves the planner and its plan as they were.
int32_t servemix_planner_replan(const ServemixPlanner *planner,
                                const ServemixUpdate *update,
                                ServemixPlan **plan);

// As servemix_planner_replan with the deployments that there are, for use every second.
int32_t servemix_planner_reroute(const ServemixPlanner *planner,
                                 const ServemixUpdate *update,
                                 ServemixPlan **plan);

// A copy of the planner's present plan.
int32_t servemix_planner_plan(const ServemixPlanner *planner, ServemixPlan **plan);

// Frees a planner.
void servemix_planner_free(ServemixPlanner *planner);

// Makes a problem from the content of a servemix-problem/2 file, gzipped or not, of `length` bytes.
int32_t servemix_problem_from_json(const char *json, size_t length, ServemixProblem **problem);

// Reads a problem from a servemix-problem/2 file, gzipped or not.
int32_t servemix_problem_read(const char *path, ServemixProblem **problem);

// Frees a problem.
void servemix_problem_free(ServemixProblem *problem);

// Number of query types; 0 for NULL.
size_t servemix_problem_num_query_types(const ServemixProblem *problem);

// Number of GPU tiers; 0 for NULL.
size_t servemix_problem_num_tiers(const ServemixProblem *problem);

// Number of GPU pools; 0 for NULL.
size_t servemix_problem_num_pools(const ServemixProblem *problem);

// Number of configurations; 0 for NULL.
size_t servemix_problem_num_configurations(const ServemixProblem *problem);

// Makes a router by the fractions of a plan. `mode` is "random" (independent draws) or "deficit" (no count ever differs
// from its fraction of the requests by one or more). Give routers that work side by side different seeds.
int32_t servemix_router_new(const ServemixPlan *plan,
                            const char *mode,
                            uint64_t seed,
                            ServemixRouter **router);

// Chooses the configuration whose deployment serves the next request of a query type, or SERVEMIX_UNSERVED.
int32_t servemix_router_pick(const ServemixRouter *router, uint32_t query_type, uint32_t *configuration);

// Chooses for `length` requests in turn. The two arrays must not overlap.
int32_t servemix_router_pick_many(const ServemixRouter *router,
                                  const uint32_t *query_types,
                                  uint32_t *configurations,
                                  size_t length);

// Frees a router.
void servemix_router_free(ServemixRouter *router);

// Finds the order of starts and stops from `previous` to `next`, both plans of `problem`, that keeps within pools, storage and
// budget at every step and serves the most throughout. Start-ups cost and take what `params` says; NULL for nothing.
int32_t servemix_plan_transition(const ServemixProblem *problem,
                                 const ServemixPlan *next,
                                 const ServemixPlan *previous,
                                 const ServemixPlannerParams *params,
                                 ServemixTransition **transition);

// Number of steps; 0 for NULL.
size_t servemix_transition_num_steps(const ServemixTransition *transition);

// Step number `index`, from 0.
int32_t servemix_transition_step(const ServemixTransition *transition,
                                 size_t index,
                                 ServemixTransitionStep *step);

// Number of routes of a step's routing.
int32_t servemix_transition_step_num_routes(const ServemixTransition *transition,
                                            size_t index,
                                            size_t *num_routes);

// Copies where traffic goes from a step on, as servemix_plan_routing does: for a start once the replicas are ready, for a stop
// before they drain.
int32_t servemix_transition_step_routing(const ServemixTransition *transition,
                                         size_t index,
                                         uint32_t *query_types,
                                         uint32_t *configurations,
                                         double *fractions,
                                         size_t capacity);

// Makes a router by the fractions of a step's routing; `mode` and `seed` as for servemix_router_new.
int32_t servemix_transition_step_router(const ServemixTransition *transition,
                                        size_t index,
                                        const char *mode,
                                        uint64_t seed,
                                        ServemixRouter **router);

// Whether no moment serves less than the poorer of both plans.
bool servemix_transition_is_safe(const ServemixTransition *transition);

// Whether it is proven that no order serves more at its worst moment.
bool servemix_transition_is_best(const ServemixTransition *transition);

// Share of all queries that can be served at the worst moment; NAN for NULL.
double servemix_transition_lowest_share(const ServemixTransition *transition);

// Cost of all starts, USD; NAN for NULL.
double servemix_transition_start_usd(const ServemixTransition *transition);

// What falls short on the way, "" where nothing does. Valid until the transition is freed.
const char *servemix_transition_message(const ServemixTransition *transition);

// Frees a transition.
void servemix_transition_free(ServemixTransition *transition);

// Makes a problem from the content of a servemix-problem/2 file, gzipped or not, of `length` bytes.
int32_t servemix_problem_from_json(const char *json, size_t length, ServemixProblem **problem);

// Reads a problem from a servemix-problem/2 file, gzipped or not.
int32_t servemix_problem_read(const char *path, ServemixProblem **problem);

// Frees a problem.
void servemix_problem_free(ServemixProblem *problem);

// Number of query types; 0 for NULL.
size_t servemix_problem_num_query_types(const ServemixProblem *problem);

// Number of GPU tiers; 0 for NULL.
size_t servemix_problem_num_tiers(const ServemixProblem *problem);

// Number of GPU pools; 0 for NULL.
size_t servemix_problem_num_pools(const ServemixProblem *problem);

// Number of configurations; 0 for NULL.
size_t servemix_problem_num_configurations(const ServemixProblem *problem);

// Finds a plan. A problem without a feasible plan is no error: the plan's status tells.
//
// `method` is "gh" (greedy, the fastest), "agh" or "bnb" (proves its plan optimal). `time_limit_s` is INFINITY for no
// limit; only a limit makes runs with one seed differ. With `with_bound` a lower bound is computed beside the plan.
// `initial_plan` is a plan to start from, or NULL.
int32_t servemix_solve(const ServemixProblem *problem,
                       const char *method,
                       uint64_t seed,
                       double time_limit_s,
                       uint32_t threads,
                       bool with_bound,
                       const ServemixPlan *initial_plan,
                       ServemixPlan **plan);

// Makes a plan for `problem` from the content of a servemix-plan/2 or servemix-plan/1 file, gzipped or not, of `length` bytes.
int32_t servemix_plan_from_json(const ServemixProblem *problem,
                                const char *json,
                                size_t length,
                                ServemixPlan **plan);

// Makes the content of a servemix-plan/2 file of a plan for `problem`, to be freed with servemix_string_free.
int32_t servemix_plan_to_json(const ServemixProblem *problem, const ServemixPlan *plan, char **json);

// Frees a plan.
void servemix_plan_free(ServemixPlan *plan);

// One of SERVEMIX_STATUS_*; NO_SOLUTION_FOUND for NULL.
int32_t servemix_plan_status(const ServemixPlan *plan);

// Cost over the horizon, USD; NaN where there is no plan.
double servemix_plan_objective_value(const ServemixPlan *plan);

// A lower bound on the cost of every plan, USD; NaN where none is known.
double servemix_plan_objective_bound(const ServemixPlan *plan);

// The parts of the cost; all 0 where there is no plan.
int32_t servemix_plan_cost(const ServemixPlan *plan, ServemixCost *cost);

// What the plan falls short of, or why there is none; "" otherwise. Valid as long as the plan; NULL for NULL.
const char *servemix_plan_message(const ServemixPlan *plan);

// Number of deployments; 0 for NULL.
size_t servemix_plan_num_deployments(const ServemixPlan *plan);

// Copies the deployments into columns with room for `capacity` elements each; a NULL column is left out.
int32_t servemix_plan_deployments(const ServemixPlan *plan,
                                  uint32_t *configurations,
                                  uint32_t *replicas,
                                  size_t capacity);

// Number of routes that carry traffic; 0 for NULL.
size_t servemix_plan_num_routes(const ServemixPlan *plan);

// Copies the routing into columns with room for `capacity` elements each; a NULL column is left out.
int32_t servemix_plan_routing(const ServemixPlan *plan,
                              uint32_t *query_types,
                              uint32_t *configurations,
                              double *fractions,
                              size_t capacity);

// Copies the share of each query type that goes unserved into `unmet`, which has room for `capacity` elements, as many as
// the problem has query types; nothing is copied where there is no plan.
int32_t servemix_plan_unmet(const ServemixPlan *plan,
                            double *unmet,
                            size_t capacity);

// Sets every setting to its default: a started replica is rented for 300 s before it serves, a change has to save a little, and
// headroom is taken where it costs little.
int32_t servemix_planner_params_default(ServemixPlannerParams *params);

// Sets every setting for few changes of deployments at little more cost: for a planner that follows measured rates, replanned every
// 20 minutes, and at once where the routing for new rates is degraded.
int32_t servemix_planner_params_steady(ServemixPlannerParams *params);

// Makes a planner that starts from `plan`, as it is deployed, or from a plan of method "agh" where that is NULL. `params` may
// be NULL for the defaults. The problem is copied.
int32_t servemix_planner_new(const ServemixProblem *problem,
                             const ServemixPlan *plan,
                             const ServemixPlannerParams *params,
                             ServemixPlanner **planner);

// Takes new numbers and makes the next plan, with deployments chosen anew as far as a change pays for itself: for use
// every few minutes. `update` may be NULL. The plan is the caller's; it is degraded where not every constraint can be
// met. An error leaves the planner and its plan as they were.
int32_t servemix_planner_replan(const ServemixPlanner *planner,
                                const ServemixUpdate *update,
                                ServemixPlan **plan);

// As servemix_planner_replan with the deployments that there are, for use every second.
int32_t servemix_planner_reroute(const ServemixPlanner *planner,
                                 const ServemixUpdate *update,
                                 ServemixPlan **plan);

// A copy of the planner's present plan.
int32_t servemix_planner_plan(const ServemixPlanner *planner, ServemixPlan **plan);

// Frees a planner.
void servemix_planner_free(ServemixPlanner *planner);

// Finds the order of starts and stops from `previous` to `next`, both plans of `problem`, that keeps within pools, storage and
// budget at every step and serves the most throughout. Start-ups cost and take what `params` says; NULL for nothing.
int32_t servemix_plan_transition(const ServemixProblem *problem,
                                 const ServemixPlan *next,
                                 const ServemixPlan *previous,
                                 const ServemixPlannerParams *params,
                                 ServemixTransition **transition);

// Number of steps; 0 for NULL.
size_t servemix_transition_num_steps(const ServemixTransition *transition);

// Step number `index`, from 0.
int32_t servemix_transition_step(const ServemixTransition *transition,
                                 size_t index,
                                 ServemixTransitionStep *step);

// Number of routes of a step's routing.
int32_t servemix_transition_step_num_routes(const ServemixTransition *transition,
                                            size_t index,
                                            size_t *num_routes);

// Copies where traffic goes from a step on, as servemix_plan_routing does: for a start once the replicas are ready, for a stop
// before they drain.
int32_t servemix_transition_step_routing(const ServemixTransition *transition,
                                         size_t index,
                                         uint32_t *query_types,
                                         uint32_t *configurations,
                                         double *fractions,
                                         size_t capacity);

// Makes a router by the fractions of a step's routing; `mode` and `seed` as for servemix_router_new.
int32_t servemix_transition_step_router(const ServemixTransition *transition,
                                        size_t index,
                                        const char *mode,
                                        uint64_t seed,
                                        ServemixRouter **router);

// Whether no moment serves less than the poorer of both plans.
bool servemix_transition_is_safe(const ServemixTransition *transition);

// Whether it is proven that no order serves more at its worst moment.
bool servemix_transition_is_best(const ServemixTransition *transition);

// Share of all queries that can be served at the worst moment; NAN for NULL.
double servemix_transition_lowest_share(const ServemixTransition *transition);

// Cost of all starts, USD; NAN for NULL.
double servemix_transition_start_usd(const ServemixTransition *transition);

// What falls short on the way, "" where nothing does. Valid until the transition is freed.
const char *servemix_transition_message(const ServemixTransition *transition);

// Frees a transition.
void servemix_transition_free(ServemixTransition *transition);

// Makes a router by the fractions of a plan. `mode` is "random" (independent draws) or "deficit" (no count ever differs
// from its fraction of the requests by one or more). Give routers that work side by side different seeds.
int32_t servemix_router_new(const ServemixPlan *plan,
                            const char *mode,
                            uint64_t seed,
                            ServemixRouter **router);

// Chooses the configuration whose deployment serves the next request of a query type, or SERVEMIX_UNSERVED.
int32_t servemix_router_pick(const ServemixRouter *router, uint32_t query_type, uint32_t *configuration);

// Chooses for `length` requests in turn. The two arrays must not overlap.
int32_t servemix_router_pick_many(const ServemixRouter *router,
                                  const uint32_t *query_types,
                                  uint32_t *configurations,
                                  size_t length);

// Frees a router.
void servemix_router_free(ServemixRouter *router);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SERVEMIX_H */
