"""Replay: what a plan is worth when requests really come.

A plan is right when the requests that come are answered within their SLOs. The replay sends
requests to the deployments of a plan and simulates every serving engine iteration by iteration, on
the same service curves that the plan was made with.

>>> import servemix
>>> from servemix.performance import build_problem
>>> from servemix.replay import Requests, replay
>>> from servemix.scenario import load_scenario
>>> scenario = load_scenario("azure-2023")
>>> problem, _ = build_problem(scenario)
>>> plan = servemix.solve(problem, "gh")
>>> requests = Requests.poisson(scenario, duration_s=60.0, seed=1)
>>> 0.0 <= replay(scenario, plan, requests).attainment <= 1.0
True
"""

from servemix.performance.service_curve import DEFAULT_MAX_NUM_BATCHED_TOKENS
from servemix.replay.hold import Hold, hold
from servemix.replay.losses import Loss, losses
from servemix.replay.replica import ReplicaReplay, replay_replica
from servemix.replay.requests import Requests
from servemix.replay.result import Replay
from servemix.replay.rolling import Phase, PlannerLoop
from servemix.replay.run import ReplaySettings, replay

__all__ = [
    "DEFAULT_MAX_NUM_BATCHED_TOKENS",
    "Hold",
    "Loss",
    "Phase",
    "PlannerLoop",
    "Replay",
    "ReplaySettings",
    "ReplicaReplay",
    "Requests",
    "hold",
    "losses",
    "replay",
    "replay_replica",
]
