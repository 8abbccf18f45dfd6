// A controller in C: plans a problem from a file, keeps the plan up to date and routes requests.
//
//   cargo build --release -p servemix-c
//   cc -I rust/c/include examples/c/controller.c -L target/release -lservemix -lm -o controller
//   LD_LIBRARY_PATH=target/release ./controller examples/problem.json

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "servemix.h"

// Ends the program where a call has failed; a real controller keeps its last plan instead.
static void must(int32_t code, const char *what) {
    if (code != SERVEMIX_OK) {
        fprintf(stderr, "%s: error %" PRId32 ": %s\n", what, code, servemix_last_error());
        exit(EXIT_FAILURE);
    }
}

static void print_plan(const char *title, const ServemixPlan *plan) {
    size_t count = servemix_plan_num_deployments(plan);
    uint32_t *configurations = calloc(count, sizeof *configurations), *replicas = calloc(count, sizeof *replicas);
    must(servemix_plan_deployments(plan, configurations, replicas, count), "deployments");
    printf("%s: %.2f USD\n", title, servemix_plan_objective_value(plan));
    for (size_t n = 0; n < count; n++)
        printf("  configuration %" PRIu32 ": %" PRIu32 " replicas\n", configurations[n], replicas[n]);
    if (servemix_plan_status(plan) == SERVEMIX_STATUS_DEGRADED)
        printf("  degraded: %s\n", servemix_plan_message(plan));
    free(configurations);
    free(replicas);
}

// What to start and stop, in an order that serves as much as can be served all the while.
static void print_transition(const ServemixProblem *problem, const ServemixPlan *next, const ServemixPlan *previous,
                             const ServemixPlannerParams *params) {
    ServemixTransition *transition = NULL;
    must(servemix_plan_transition(problem, next, previous, params, &transition), "transition");
    for (size_t n = 0; n < servemix_transition_num_steps(transition); n++) {
        ServemixTransitionStep step;
        must(servemix_transition_step(transition, n, &step), "step");
        printf("  %s %" PRIu32 " of configuration %" PRIu32 ", then %.0f %% can be served\n",
               step.action == SERVEMIX_ACTION_START ? "start" : "stop", step.replicas, step.configuration,
               100.0 * step.served_share);
    }
    if (!servemix_transition_is_safe(transition))
        printf("  on the way: %s\n", servemix_transition_message(transition));
    servemix_transition_free(transition);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s PROBLEM.json\n", argv[0]);
        return 2;
    }
    ServemixProblem *problem = NULL;
    must(servemix_problem_read(argv[1], &problem), "problem");

    ServemixPlan *plan = NULL;
    must(servemix_solve(problem, "agh", 0, INFINITY, 1, false, NULL, &plan), "solve");
    print_plan("first plan", plan);

    ServemixPlannerParams params;
    must(servemix_planner_params_default(&params), "params");
    params.start_s = 120.0;
    ServemixPlanner *planner = NULL;
    must(servemix_planner_new(problem, plan, &params, &planner), "planner");
    servemix_plan_free(plan);

    // Demand grows, hour by hour: new routing every second, new deployments every few minutes.
    size_t num_rates = servemix_problem_num_query_types(problem);
    double *rates = calloc(num_rates, sizeof *rates);
    ServemixUpdate update = {0};
    update.rates = rates;
    update.num_rates = num_rates;
    for (int hour = 1; hour <= 3; hour++) {
        for (size_t i = 0; i < num_rates; i++)
            rates[i] = 3000.0 * hour;
        must(servemix_planner_reroute(planner, &update, &plan), "reroute");
        print_plan("same deployments", plan);
        ServemixPlan *previous = plan;
        must(servemix_planner_replan(planner, NULL, &plan), "replan");
        print_plan("new deployments", plan);
        print_transition(problem, plan, previous, &params);
        servemix_plan_free(previous);
        if (hour < 3)
            servemix_plan_free(plan);
    }

    // A number that is none is refused, and the planner stays as it was.
    rates[0] = NAN;
    ServemixPlan *none = NULL;
    if (servemix_planner_reroute(planner, &update, &none) == SERVEMIX_ERROR_INVALID_INPUT)
        printf("refused: %s\n", servemix_last_error());

    ServemixRouter *router = NULL;
    must(servemix_router_new(plan, "deficit", 1, &router), "router");
    for (int request = 0; request < 5; request++) {
        uint32_t configuration = 0;
        must(servemix_router_pick(router, 0, &configuration), "pick");
        if (configuration == SERVEMIX_UNSERVED)
            printf("request %d is not served\n", request);
        else
            printf("request %d goes to configuration %" PRIu32 "\n", request, configuration);
    }

    servemix_router_free(router);
    servemix_plan_free(plan);
    servemix_planner_free(planner);
    servemix_problem_free(problem);
    free(rates);
    return EXIT_SUCCESS;
}
