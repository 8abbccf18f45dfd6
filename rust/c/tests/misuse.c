// Every function with NULL and with wrong input: an error or nothing, never a crash, and outputs as the header says.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "servemix.h"

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "line %d: %s; last error: %s\n", __LINE__, #condition,    \
                    servemix_last_error());                                           \
            exit(EXIT_FAILURE);                                                       \
        }                                                                             \
    } while (0)

#define INVALID(call, words) CHECK((call) == SERVEMIX_ERROR_INVALID_INPUT && strstr(servemix_last_error(), words))

// A pointer that an error must overwrite with NULL.
#define STALE ((void *)1)

static void problems(const char *path) {
    ServemixProblem *problem = STALE;
    CHECK(servemix_problem_read("no/such/file.json", &problem) == SERVEMIX_ERROR_FILE && problem == NULL);
    CHECK(strstr(servemix_last_error(), "no/such/file.json"));
    INVALID(servemix_problem_read(NULL, &problem), "path: is NULL");
    INVALID(servemix_problem_read("\xff\xfe", &problem), "path: is not UTF-8");
    INVALID(servemix_problem_read(path, NULL), "problem: is NULL");
    INVALID(servemix_problem_from_json(NULL, 7, &problem), "json: is NULL");
    INVALID(servemix_problem_from_json(NULL, 0, &problem), "");
    problem = STALE;
    INVALID(servemix_problem_from_json("{\"format\": 3}", 13, &problem), "format");
    CHECK(problem == NULL);
    CHECK(servemix_problem_num_query_types(NULL) == 0 && servemix_problem_num_tiers(NULL) == 0);
    CHECK(servemix_problem_num_pools(NULL) == 0 && servemix_problem_num_configurations(NULL) == 0);
    servemix_problem_free(NULL);
}

static void plans(const ServemixProblem *problem) {
    ServemixPlan *plan = STALE, *good = NULL;
    INVALID(servemix_solve(NULL, "gh", 0, INFINITY, 1, false, NULL, &plan), "problem: is NULL");
    CHECK(plan == NULL);
    INVALID(servemix_solve(problem, NULL, 0, INFINITY, 1, false, NULL, &plan), "method: is NULL");
    INVALID(servemix_solve(problem, "simplex", 0, INFINITY, 1, false, NULL, &plan), "method: \"simplex\"");
    INVALID(servemix_solve(problem, "gh", 0, NAN, 1, false, NULL, &plan), "time_limit");
    INVALID(servemix_solve(problem, "gh", 0, -1.0, 1, false, NULL, &plan), "time_limit");
    INVALID(servemix_solve(problem, "gh", 0, INFINITY, 0, false, NULL, &plan), "threads");
    INVALID(servemix_solve(problem, "gh", 0, INFINITY, 1, false, NULL, NULL), "plan: is NULL");
    CHECK(servemix_solve(problem, "bnb", 0, INFINITY, 1, true, NULL, &good) == SERVEMIX_OK);
    CHECK(servemix_plan_status(good) == SERVEMIX_STATUS_OPTIMAL);
    CHECK(servemix_plan_objective_bound(good) <= servemix_plan_objective_value(good) * (1.0 + 1e-9));

    CHECK(servemix_plan_status(NULL) == SERVEMIX_STATUS_NO_SOLUTION_FOUND);
    CHECK(isnan(servemix_plan_objective_value(NULL)) && isnan(servemix_plan_objective_bound(NULL)));
    CHECK(servemix_plan_message(NULL) == NULL && strcmp(servemix_plan_message(good), "") == 0);
    CHECK(servemix_plan_num_deployments(NULL) == 0 && servemix_plan_num_routes(NULL) == 0);
    ServemixCost cost;
    INVALID(servemix_plan_cost(NULL, &cost), "plan: is NULL");
    INVALID(servemix_plan_cost(good, NULL), "cost: is NULL");
    CHECK(servemix_plan_cost(good, &cost) == SERVEMIX_OK);
    CHECK(fabs(cost.rental + cost.storage + cost.latency + cost.unmet - servemix_plan_objective_value(good)) < 1e-9);

    uint32_t column[8];
    double shares[8];
    INVALID(servemix_plan_deployments(NULL, column, column, 8), "plan: is NULL");
    INVALID(servemix_plan_deployments(good, column, NULL, 0), "configurations: has room for 0");
    CHECK(servemix_plan_deployments(good, NULL, NULL, 0) == SERVEMIX_OK);
    INVALID(servemix_plan_routing(good, NULL, NULL, shares, 1), "fractions: has room for 1");
    CHECK(servemix_plan_routing(good, column, NULL, shares, 8) == SERVEMIX_OK);
    INVALID(servemix_plan_unmet(good, shares, 1), "unmet: has room for 1");
    CHECK(servemix_plan_unmet(good, shares, 8) == SERVEMIX_OK);

    char *json = NULL;
    CHECK(servemix_plan_to_json(problem, good, &json) == SERVEMIX_OK);
    CHECK(servemix_plan_from_json(problem, json, strlen(json), &plan) == SERVEMIX_OK);
    CHECK(servemix_plan_objective_value(plan) == servemix_plan_objective_value(good));
    servemix_plan_free(plan);
    INVALID(servemix_plan_from_json(problem, json, 20, &plan), "");
    INVALID(servemix_plan_from_json(NULL, json, strlen(json), &plan), "problem: is NULL");
    servemix_string_free(json);
    INVALID(servemix_plan_to_json(problem, NULL, &json), "plan: is NULL");
    CHECK(json == NULL);
    servemix_string_free(NULL);
    servemix_plan_free(good);
    servemix_plan_free(NULL);
}

static void planners(const ServemixProblem *problem) {
    ServemixPlanner *planner = STALE;
    ServemixPlannerParams params;
    INVALID(servemix_planner_params_default(NULL), "params: is NULL");
    CHECK(servemix_planner_params_default(&params) == SERVEMIX_OK);
    params.start_usd = NAN;
    INVALID(servemix_planner_new(problem, NULL, &params, &planner), "start_usd");
    CHECK(planner == NULL);
    INVALID(servemix_planner_new(NULL, NULL, NULL, &planner), "problem: is NULL");
    CHECK(servemix_planner_new(problem, NULL, NULL, &planner) == SERVEMIX_OK);

    ServemixPlan *before = NULL, *plan = STALE, *after = NULL;
    CHECK(servemix_planner_plan(planner, &before) == SERVEMIX_OK);
    double rates[] = {1000.0, -1.0};
    ServemixUpdate update = {0};
    update.rates = rates;
    update.num_rates = 1;
    INVALID(servemix_planner_replan(planner, &update, &plan), "rate");
    CHECK(plan == NULL);
    update.num_rates = 2;
    INVALID(servemix_planner_reroute(planner, &update, &plan), "rate");
    rates[1] = NAN;
    INVALID(servemix_planner_replan(planner, &update, &plan), "rate");
    INVALID(servemix_planner_replan(NULL, &update, &plan), "planner: is NULL");
    INVALID(servemix_planner_replan(planner, &update, NULL), "plan: is NULL");
    INVALID(servemix_planner_plan(NULL, &plan), "planner: is NULL");
    CHECK(servemix_planner_reroute(planner, NULL, &after) == SERVEMIX_OK);
    CHECK(servemix_plan_objective_value(after) == servemix_plan_objective_value(before));
    servemix_plan_free(before);
    servemix_plan_free(after);
    servemix_planner_free(planner);
    servemix_planner_free(NULL);
}

static void transitions(const ServemixProblem *problem) {
    ServemixPlan *plan = NULL;
    CHECK(servemix_solve(problem, "gh", 0, INFINITY, 1, false, NULL, &plan) == SERVEMIX_OK);
    ServemixTransition *transition = NULL;
    INVALID(servemix_plan_transition(problem, plan, NULL, NULL, &transition), "previous: is NULL");
    INVALID(servemix_plan_transition(problem, NULL, plan, NULL, &transition), "next: is NULL");
    INVALID(servemix_plan_transition(NULL, plan, plan, NULL, &transition), "problem: is NULL");
    INVALID(servemix_plan_transition(problem, plan, plan, NULL, NULL), "transition: is NULL");
    CHECK(transition == NULL && servemix_transition_num_steps(NULL) == 0 && !servemix_transition_is_safe(NULL));
    CHECK(servemix_plan_transition(problem, plan, plan, NULL, &transition) == SERVEMIX_OK);
    servemix_plan_free(plan);
    // From a plan to itself there is nothing to do.
    CHECK(servemix_transition_num_steps(transition) == 0 && servemix_transition_is_safe(transition));
    CHECK(servemix_transition_start_usd(transition) == 0.0 && isnan(servemix_transition_lowest_share(NULL)));
    CHECK(strcmp(servemix_transition_message(transition), "") == 0);
    ServemixTransitionStep step;
    INVALID(servemix_transition_step(transition, 0, &step), "index: is 0");
    INVALID(servemix_transition_step(transition, 0, NULL), "step: is NULL");
    servemix_transition_free(transition);
    servemix_transition_free(NULL);
}

static void routers(const ServemixProblem *problem) {
    ServemixPlan *plan = NULL;
    ServemixRouter *router = STALE;
    CHECK(servemix_solve(problem, "gh", 0, INFINITY, 1, false, NULL, &plan) == SERVEMIX_OK);
    INVALID(servemix_router_new(NULL, "random", 0, &router), "plan: is NULL");
    CHECK(router == NULL);
    INVALID(servemix_router_new(plan, "fair", 0, &router), "mode: \"fair\"");
    INVALID(servemix_router_new(plan, NULL, 0, &router), "mode: is NULL");
    CHECK(servemix_router_new(plan, "random", 0, &router) == SERVEMIX_OK);
    servemix_plan_free(plan);

    uint32_t types[] = {0, 1, 99}, chosen[] = {7, 7, 7};
    INVALID(servemix_router_pick(router, 99, chosen), "query_type: is 99");
    INVALID(servemix_router_pick(router, 0, NULL), "configuration: is NULL");
    INVALID(servemix_router_pick(NULL, 0, chosen), "router: is NULL");
    CHECK(chosen[0] == 7);
    INVALID(servemix_router_pick_many(router, types, chosen, 3), "query_types[2]: is 99");
    INVALID(servemix_router_pick_many(router, NULL, chosen, 3), "query_types: is NULL");
    INVALID(servemix_router_pick_many(router, types, NULL, 3), "configurations: is NULL");
    CHECK(servemix_router_pick_many(router, NULL, NULL, 0) == SERVEMIX_OK);
    CHECK(servemix_router_pick_many(router, types, chosen, 2) == SERVEMIX_OK);
    servemix_router_free(router);
    servemix_router_free(NULL);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    CHECK(strcmp(servemix_last_error(), "") == 0 && strlen(servemix_version()) > 0);
    problems(argv[1]);
    ServemixProblem *problem = NULL;
    CHECK(servemix_problem_read(argv[1], &problem) == SERVEMIX_OK);
    plans(problem);
    planners(problem);
    transitions(problem);
    routers(problem);
    servemix_problem_free(problem);
    return EXIT_SUCCESS;
}
