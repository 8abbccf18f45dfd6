import os
from collections.abc import Mapping
from typing import Any, Literal, final, overload

import numpy.typing as npt

from servemix import _columns
from servemix._columns import Columns, FloatArray, IntArray

__version__: str
_DEBUG: bool
_MAX_REPLICAS: int
_FEASIBILITY_TOLERANCE: float

@final
class Problem:
    """What is to be planned: the arrays of the formulation, validated once and never changed.

    Made by `Problem.from_arrays` or `load_problem`. Its sections (`pools`, `query_types`, `models`,
    `tiers`, `configurations`, `routes`) are dicts of read-only columns with the keys of
    servemix-problem/2; names are lists. Safe to share between threads.
    """

    @staticmethod
    def from_arrays(
        *,
        name: str,
        horizon_h: float,
        budget_usd: float | None = None,
        storage_gb: float | None = None,
        storage_usd_per_gb_h: float,
        max_utilization: float,
        latency_scope: str = "route",
        pools: Columns,
        query_types: Columns,
        models: Columns,
        tiers: Columns,
        configurations: Columns,
        routes: Columns,
    ) -> Problem:
        """Make a problem from columns; each section maps the keys of servemix-problem/2 to columns.

        Parameters
        ----------
        name
            Name, for people.
        horizon_h
            Planning horizon, h.
        budget_usd
            Most that rental and storage may cost over the horizon, USD; None for no limit.
        storage_gb
            Storage capacity, GB; None for no limit.
        storage_usd_per_gb_h
            Storage price, USD per GB and hour.
        max_utilization
            Share of a replica's time that may be planned, in (0, 1].
        latency_scope
            ``"route"``: no query is planned onto a route that misses its SLO; ``"average"``: the
            mean over the served queries of a type meets it.
        pools
            Columns ``name``, ``max_gpus`` (None or infinity for no limit).
        query_types
            Columns ``name``, ``rate_per_h``, ``latency_slo_s``, ``error_slo``,
            ``latency_usd_per_s``, ``unmet_usd_per_query``, ``max_unmet``, ``data_gb``.
        models
            Column ``name``.
        tiers
            Columns ``name``, ``gpu_usd_per_h``, ``pool`` (None or -1 for no pool).
        configurations
            Columns ``model``, ``tier``, ``tp``, ``pp``, ``weights_gb``, ``kv_cache_gb``,
            ``max_replicas`` and, where there are any, ``max_num_seqs`` (the engine's batch limit),
            ``max_utilization`` (its own share of a replica's time that may be planned),
            ``min_replicas`` (least replicas of a deployment) and ``pair`` (a number; of
            configurations with the same one at most one is deployed, of those without one at most
            one per model and tier). None stands for "not known" or "the usual", as do 0, 0, 1
            and -1.
        routes
            Columns ``query_type``, ``configuration``, ``busy_s``, ``kv_gb_s``, ``latency_s``,
            ``error``.

        Returns
        -------
        Problem
            The validated problem; it keeps a copy of the columns.

        Raises
        ------
        InvalidInputError
            An entry breaks a rule; the message names it, as in ``routes.busy_s[17]: …``.
        """

    @property
    def name(self) -> str:
        """Name, for people."""

    @property
    def horizon_h(self) -> float:
        """Planning horizon, h."""

    @property
    def budget_usd(self) -> float:
        """Most that rental and storage may cost over the horizon, USD; infinite where there is no limit."""

    @property
    def storage_gb(self) -> float:
        """Storage capacity, GB; infinite where there is no limit."""

    @property
    def storage_usd_per_gb_h(self) -> float:
        """Storage price, USD per GB and hour."""

    @property
    def max_utilization(self) -> float:
        """Share of a replica's time that may be planned."""

    @property
    def latency_scope(self) -> Literal["route", "average"]:
        """How the latency SLO is meant: "route" or "average"."""

    @property
    def num_pools(self) -> int:
        """Number of GPU pools."""

    @property
    def num_query_types(self) -> int:
        """Number of query types."""

    @property
    def num_models(self) -> int:
        """Number of models."""

    @property
    def num_tiers(self) -> int:
        """Number of tiers."""

    @property
    def num_configurations(self) -> int:
        """Number of configurations."""

    @property
    def num_routes(self) -> int:
        """Number of routes, those included that the latency SLO rules out."""

    @property
    def pools(self) -> _columns.Pools:
        """GPU pools: `name`, `max_gpus` (infinite where there is no limit)."""

    @property
    def query_types(self) -> _columns.QueryTypes:
        """Query types: `name`, `rate_per_h`, `latency_slo_s`, `error_slo`, `latency_usd_per_s`,
        `unmet_usd_per_query`, `max_unmet`, `data_gb`.
        """

    @property
    def models(self) -> _columns.Models:
        """Models: `name`."""

    @property
    def tiers(self) -> _columns.Tiers:
        """Tiers: `name`, `gpu_usd_per_h`, `pool` (-1 if there is none)."""

    @property
    def configurations(self) -> _columns.Configurations:
        """Configurations: `model`, `tier`, `tp`, `pp`, `weights_gb`, `kv_cache_gb`, `max_replicas`,
        `max_num_seqs` (0 if it is not known), `max_utilization` (0 if the problem's holds),
        `min_replicas`, `pair` (-1 if the model and the tier are the pair).
        """

    @property
    def routes(self) -> _columns.Routes:
        """Routes: `query_type`, `configuration`, `busy_s`, `kv_gb_s`, `latency_s`, `error`."""

    @overload
    def to_json(self, path: None = None) -> str: ...
    @overload
    def to_json(self, path: str | os.PathLike[str]) -> None: ...
    def to_polars(self) -> dict[str, Any]:
        """Tables as polars frames, with names beside the indices (package polars).

        Returns
        -------
        dict of str to polars.DataFrame
            ``pools``, ``query_types``, ``models``, ``tiers``, ``configurations`` and ``routes``.

        Raises
        ------
        MissingExtraError
            polars is not installed (extra ``traces``).
        """

    def to_pandas(self) -> dict[str, Any]:
        """Tables as pandas frames, with names beside the indices (package pandas).

        Returns
        -------
        dict of str to pandas.DataFrame
            As of ``to_polars``.

        Raises
        ------
        MissingExtraError
            pandas is not installed (extra ``pandas``).
        """

    def _repr_html_(self) -> str: ...
    def __hash__(self) -> int: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __copy__(self) -> Problem: ...
    def __deepcopy__(self, _memo: Any) -> Problem: ...
    def __reduce__(self) -> tuple[Any, tuple[dict[str, Any]]]: ...

@final
class Plan:
    """What to deploy and where to send each kind of request; attributes as in servemix-plan/2.

    Returned by `solve`, `load_plan` and `Plan.from_arrays`.
    """

    @staticmethod
    def from_arrays(
        problem: Problem,
        *,
        method: str,
        seed: int,
        status: str,
        stop_reason: str,
        runtime_s: float,
        deployments: Columns,
        routing: Columns,
        unmet: Any,
        objective_bound: float | None = None,
        message: str | None = None,
        statistics: dict[str, float] | None = None,
    ) -> Plan:
        """Make a plan from decisions, such as those of another solver; its cost is computed.

        Parameters
        ----------
        problem
            What it is a plan for.
        method
            Name of the method that found it.
        seed
            Seed of the method's random choices.
        status
            ``"OPTIMAL"``, ``"FEASIBLE"``, ``"INFEASIBLE"`` or ``"NO_SOLUTION_FOUND"``; with the
            last two there are no decisions.
        stop_reason
            Why the method ended, such as ``"TIME_LIMIT"``.
        runtime_s
            Wall-clock time of the solve, s.
        deployments
            Columns ``configuration`` (index) and ``replicas``.
        routing
            Columns ``query_type``, ``configuration`` (indices) and ``fraction``.
        unmet
            Share of each query type that goes unserved.
        objective_bound
            A valid lower bound on the cost of every plan, USD; None if unknown.
        message
            Where there is no plan, what was missing.
        statistics
            Figures of the solve by name.

        Returns
        -------
        Plan
            The plan. Whether it meets the constraints is for `check` to tell.

        Raises
        ------
        InvalidInputError
            An entry is out of range, not finite or there twice, or there is traffic where the
            problem has no route; the message names it.
        """

    @property
    def problem(self) -> str:
        """Name of the problem that it answers."""

    @property
    def problem_name(self) -> str:
        """Name of the problem that it answers; the same as `problem`."""

    @property
    def method(self) -> str:
        """Method that found it, such as "gh"."""

    @property
    def seed(self) -> int:
        """Seed of the method's random choices."""

    @property
    def status(
        self,
    ) -> Literal["OPTIMAL", "FEASIBLE", "DEGRADED", "INFEASIBLE", "NO_SOLUTION_FOUND"]:
        """What is known of it: "OPTIMAL", "FEASIBLE", "DEGRADED" (of a planner), "INFEASIBLE" or
        "NO_SOLUTION_FOUND".
        """

    @property
    def stop_reason(self) -> str:
        """Why the method ended, such as "LOCAL_OPTIMUM" or "TIME_LIMIT"."""

    @property
    def runtime_s(self) -> float:
        """Wall-clock time of the solve, s."""

    @property
    def objective_value(self) -> float | None:
        """Cost over the horizon, USD; None without a plan."""

    @property
    def objective_bound(self) -> float | None:
        """A valid lower bound on the cost of every plan, USD; None if none was requested."""

    @property
    def gap(self) -> float | None:
        """`|objective_value - objective_bound| / |objective_value|`; None if either is unknown."""

    @property
    def cost(self) -> _columns.Cost | None:
        """The parts of the objective, USD: `rental`, `storage`, `latency`, `unmet`; None without a plan."""

    @property
    def deployments(self) -> _columns.Deployments:
        """What is deployed: `configuration` (index), `replicas`, by rising configuration."""

    @property
    def routing(self) -> _columns.Routing:
        """Where the traffic goes: `query_type`, `configuration` (indices), `fraction`."""

    @property
    def unmet(self) -> FloatArray:
        """Share of each query type that goes unserved; empty without a plan."""

    @property
    def message(self) -> str | None:
        """Where there is no plan, what was missing, per query type; None otherwise."""

    @property
    def statistics(self) -> dict[str, float]:
        """Figures of the solve by name; which ones there are depends on the method."""

    @overload
    def to_json(self, path: None = None, *, details: Mapping[str, Any] | None = None) -> str: ...
    @overload
    def to_json(
        self, path: str | os.PathLike[str], *, details: Mapping[str, Any] | None = None
    ) -> None: ...
    def router(self, seed: int = 0, *, mode: Literal["random", "deficit"] = "random") -> Router:
        """Make a router, which chooses the deployment of each request by this plan's fractions.

        Parameters
        ----------
        seed
            Decides every draw, and which of several equally due deployments comes first. Give
            routers that work side by side different seeds.
        mode
            ``"random"``: independent draws, in constant time and without a lock (alias tables,
            Walker 1977). ``"deficit"``: after any number of requests of a type, what each
            deployment got, and what went unserved, differs from its fraction by less than one
            request (Tijdeman 1980).

        Returns
        -------
        Router
            The router. It keeps nothing of the plan.

        Raises
        ------
        InvalidInputError
            There is no plan, a query type's fractions and unserved share do not sum to 1, or
            there is no such mode.
        """

    def transition(
        self,
        previous: Plan,
        *,
        start_usd: float | None = None,
        start_usd_per_gb: float | None = None,
        start_s: float | None = None,
        start_s_per_gb: float | None = None,
    ) -> Transition:
        """The steps from another plan's deployments to this plan's.

        Starts come before stops as far as pools, budget and storage leave room, so that no moment
        serves less than the poorer of both plans; where no such order exists, the one with the
        least shortfall. Rates and limits are those that this plan was made for.

        Parameters
        ----------
        previous
            The plan that is deployed now, of a problem with the same configurations.
        start_usd, start_usd_per_gb
            Cost of starting a replica, USD, and more per GB of weights; 0 by default.
        start_s, start_s_per_gb
            Seconds until a started replica serves, and more per GB of weights; 0 by default.

        Returns
        -------
        Transition
            The steps with what can be served after each.

        Raises
        ------
        InvalidInputError
            A plan is none (status ``"INFEASIBLE"``) or of another problem, or a setting is out of
            range; the message names it.
        """

    def summary(self) -> str:
        """The plan as a table that a person reads."""

    def to_polars(self) -> dict[str, Any]:
        """Tables as polars frames, with names beside the indices (package polars).

        Returns
        -------
        dict of str to polars.DataFrame
            ``deployments``, ``routing`` and ``query_types``.

        Raises
        ------
        MissingExtraError
            polars is not installed (extra ``traces``).
        """

    def to_pandas(self) -> dict[str, Any]:
        """Tables as pandas frames, with names beside the indices (package pandas).

        Returns
        -------
        dict of str to pandas.DataFrame
            As of ``to_polars``.

        Raises
        ------
        MissingExtraError
            pandas is not installed (extra ``pandas``).
        """

    def _repr_html_(self) -> str: ...
    def __hash__(self) -> int: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __copy__(self) -> Plan: ...
    def __deepcopy__(self, _memo: Any) -> Plan: ...
    def __reduce__(self) -> tuple[Any, tuple[Problem, dict[str, Any]]]: ...

@final
class TransitionStep:
    """One step of a transition; each waits for the one before."""

    @property
    def action(self) -> Literal["start", "stop"]:
        """ "start" (and wait until the replicas serve) or "stop" (take the traffic away, let them finish, stop them)."""

    @property
    def configuration(self) -> int:
        """Index of the configuration."""

    @property
    def replicas(self) -> int:
        """Replicas started or stopped."""

    @property
    def start_s(self) -> float:
        """Seconds until started replicas serve; 0 for a stop."""

    @property
    def served_share(self) -> float:
        """Share of all queries that the routing of this step serves, within the SLOs."""

    @property
    def served(self) -> FloatArray:
        """Share of each query type that it serves; as many queries as possible are served."""

    @property
    def routing(self) -> _columns.Routing:
        """Where traffic goes from this step on, as in `Plan.routing`: for a start once the replicas are ready, for a stop
        before they drain. None goes to a replica that does not serve.
        """

    def router(self, seed: int = 0, *, mode: Literal["random", "deficit"] = "random") -> Router:
        """Make a router by the fractions of this step's routing.

        Parameters
        ----------
        seed, mode
            As for `Plan.router`.

        Returns
        -------
        Router
            The router, for use until the next step.

        Raises
        ------
        InvalidInputError
            There is no such mode.
        """

    def __reduce__(self) -> tuple[Any, tuple[str, tuple[Any, ...]]]: ...

@final
class Transition:
    """How to get from one plan's deployments to another's; returned by `Plan.transition`."""

    @property
    def steps(self) -> list[TransitionStep]:
        """The steps in order; empty if nothing changes."""

    @property
    def safe(self) -> bool:
        """Whether no moment serves less than the poorer of both plans."""

    @property
    def best(self) -> bool:
        """Whether it is proven that no other order of these starts and stops serves more at its lowest moment."""

    @property
    def lowest_share(self) -> float:
        """Lowest share of all queries that can be served on the way, both ends included."""

    @property
    def previous_share(self) -> float:
        """Share of all queries that the previous deployments can serve at the rates of the plan."""

    @property
    def next_share(self) -> float:
        """Share of all queries that the next deployments can serve."""

    @property
    def start_usd(self) -> float:
        """Cost of the starts, USD."""

    @property
    def duration_s(self) -> float:
        """Seconds that the starts take where steps that follow each other start at once."""

    @property
    def message(self) -> str | None:
        """Where no safe order was found, how much less can be served on the way; None otherwise."""

    def __len__(self) -> int: ...
    def _repr_html_(self) -> str: ...
    def __reduce__(self) -> tuple[Any, tuple[str, tuple[Any, ...]]]: ...

@final
class Planner:
    """Keep a plan up to date: new numbers in, next plan out.

    Deployments are kept or chosen again, as ``mode`` says; routing is always the best for the
    deployments. Safe to share between threads: calls wait for each other.

    Parameters
    ----------
    problem
        What is planned; later numbers replace some of its own.
    plan
        The plan to start from, as it is deployed; None to make one by method ``"agh"``.
    preset
        What the settings below are where they are None: ``"default"``, as said below, or
        ``"steady"`` for few changes where measured rates are followed: ``payback_h`` 0.1,
        ``min_saving_share`` 0.05, ``headroom`` 0.1, ``max_headroom_cost_share`` 0.05.
    seed
        Seed of every random choice; 0 by default.
    start_usd, start_usd_per_gb
        Cost of starting a replica, USD, and more per GB of weights that it loads; 0 by default.
    start_s, start_s_per_gb
        Seconds until a started replica serves (300 by default), and more per GB of weights (0 by
        default); its rental meanwhile is part of what a change costs.
    payback_h
        Hours over which a change has to pay for itself; None for the horizon of the problem.
        Shorter ones make plans hold longer.
    min_saving_usd, min_saving_share
        A change is made only where it saves more than this over the payback time, start-up paid:
        in USD (0 by default), and as a share of the present cost (0.01 by default). Where queries
        go unserved that another plan would serve, a change need not save so much.
    headroom, max_headroom_cost_share
        Where deployments change, they are chosen for rates higher by up to this share (0.05 by
        default), so that the next rise of the traffic need not change them again, as far as that
        costs at most the second as a share of the cost without (0.01 by default).
    max_changes
        Most replicas started and stopped by one call, lost ones not counted; None for no limit. A
        larger change is made over several calls, those parts first that serve queries, then those
        that save most.

    Raises
    ------
    InvalidInputError
        A setting or the plan is not valid; the message names it.

    Examples
    --------
    >>> planner = servemix.Planner(problem, start_s=120.0)
    >>> plan = planner.replan(rates=[1200.0, 300.0])
    """

    def __new__(
        cls,
        problem: Problem,
        plan: Plan | None = None,
        *,
        preset: str = "default",
        seed: int | None = None,
        start_usd: float | None = None,
        start_usd_per_gb: float | None = None,
        start_s: float | None = None,
        start_s_per_gb: float | None = None,
        payback_h: float | None = None,
        min_saving_usd: float | None = None,
        min_saving_share: float | None = None,
        headroom: float | None = None,
        max_headroom_cost_share: float | None = None,
        max_changes: int | None = None,
    ) -> Planner: ...
    def replan(
        self,
        rates: npt.ArrayLike | None = None,
        prices: npt.ArrayLike | None = None,
        pools: npt.ArrayLike | None = None,
        failed: npt.ArrayLike | None = None,
        mode: str = "full",
        *,
        ready: npt.ArrayLike | None = None,
    ) -> Plan:
        """Take new numbers and return the next plan.

        Parameters
        ----------
        rates
            Arrival rate of each query type, queries per hour; None if they are as before.
        prices
            Rental of one GPU of each tier, USD per hour; None if they are as before.
        pools
            GPUs that exist in each pool, infinite for no limit, 0 if the pool is lost; None
            where they are as before.
        failed
            Replicas lost of each deployment of the present plan, in its order; None for none.
        ready
            Replicas that take traffic now, of each configuration of the problem. With it, the plan
            returned is the one in force on the way to ``planner.plan``: its deployments are what
            should run now, and its routing sends traffic only to replicas that are ready and stay.
            None (the default) takes what is planned as ready.
        mode
            ``"full"`` chooses deployments again as far as a change pays for itself, for use every
            few minutes; ``"routing"`` keeps them, for use every second.

        Returns
        -------
        Plan
            The next plan. Its status is ``"DEGRADED"`` where it cannot meet every constraint; it
            then serves as many queries as it can and its message says what is missing.

        Raises
        ------
        InvalidInputError
            An entry is NaN, infinite or negative, or an array has the wrong length; the message
            names it, and planner and plan are as before.
        """

    @property
    def plan(self) -> Plan:
        """The present plan."""

    @property
    def problem(self) -> Problem:
        """The problem with the numbers of the last call."""

@final
class Router:
    """Chooses the deployment of each request by the fractions of a plan; made by `Plan.router`.

    Any number of threads may use one router at once. The n-th choice for a query type is the same
    for the same plan, mode and seed, whichever thread asks for it and whatever was requested
    other types. A router does not survive a change of plan: make one of the new plan.
    """

    def pick(self, query_type: int) -> int | None:
        """Choose the deployment of the next request of a query type.

        Parameters
        ----------
        query_type
            Index of the query type in the problem.

        Returns
        -------
        int or None
            Index of the configuration in the problem; None if the plan leaves this request
            unserved.

        Raises
        ------
        InvalidInputError
            There is no such query type.
        """

    def pick_many(self, query_types: npt.ArrayLike) -> IntArray:
        """Choose the deployments of many requests, as `pick` would for each in turn.

        Parameters
        ----------
        query_types
            Index of the query type of each request, shape (n,).

        Returns
        -------
        numpy.ndarray
            Index of the configuration of each, int64, shape (n,); -1 if the plan leaves the
            request unserved.

        Raises
        ------
        InvalidInputError
            An entry names no query type; then nothing was chosen.
        """

    @property
    def mode(self) -> Literal["random", "deficit"]:
        """ "random" or "deficit"."""

    @property
    def seed(self) -> int:
        """Seed of every choice."""

    @property
    def num_query_types(self) -> int:
        """Number of query types."""

@final
class CancelToken:
    """A flag that ends a solve from any thread; the solve returns the best plan that it has."""

    def __new__(cls) -> CancelToken: ...
    def cancel(self) -> None:
        """Ask every solve that was given this token to end."""

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""

@final
class Violation:
    """A constraint that a plan breaks.

    Attributes
    ----------
    constraint
        Which kind: ``"bounds"``, ``"max_unmet"``, ``"supply"``, ``"activation"``,
        ``"max_replicas"``, ``"min_replicas"``, ``"one_per_pair"``, ``"time"``, ``"memory"``,
        ``"error_slo"``, ``"latency_slo"``, ``"budget"``, ``"storage"``, ``"pools"`` or ``"claim"`` (the plan's own
        cost or bound is not what it says).
    entry
        Where: an entry of the problem, such as ``configurations[3]``, or of the plan, such as
        ``routing[5]``.
    amount
        By how much, in the unit of the constraint: a share, replicas, GB, GPUs, s or USD.
    message
        In words.
    """

    @property
    def constraint(self) -> str: ...
    @property
    def entry(self) -> str: ...
    @property
    def amount(self) -> float: ...
    @property
    def message(self) -> str: ...
    def __reduce__(self) -> tuple[Any, tuple[str, tuple[Any, ...]]]: ...

@final
class CheckReport:
    """What a check finds."""

    @property
    def violations(self) -> list[Violation]:
        """What the plan breaks, in the order of the formulation."""

    @property
    def cost(self) -> _columns.Cost | None:
        """The parts of the cost that the plan has, whatever it claims, USD; None if there is no plan."""

    @property
    def objective_value(self) -> float | None:
        """The cost that the plan has, whatever it claims, USD; None if there is no plan."""

    @property
    def feasible(self) -> bool:
        """Whether there is a plan and it breaks nothing."""

    def _repr_html_(self) -> str: ...
    def __reduce__(self) -> tuple[Any, tuple[str, tuple[Any, ...]]]: ...

@final
class LowerBound:
    """What every plan of a problem must cost at least.

    Attributes
    ----------
    value
        No plan costs less, USD over the horizon; infinite where it is proven that there is no plan.
    infeasible
        Whether it is proven that no plan meets every constraint.
    converged
        Whether the search for a better bound ran to its end.
    evaluations
        Times that the Lagrangian function was evaluated.
    """

    @property
    def value(self) -> float: ...
    @property
    def infeasible(self) -> bool: ...
    @property
    def converged(self) -> bool: ...
    @property
    def evaluations(self) -> int: ...
    @property
    def prices(self) -> _columns.Prices:
        """Prices of the constraints in the relaxation, USD over the horizon per unit: per query type
        "supply" (for all of it), "error" (per 1.0) and "latency" (per s, average scope only), per
        pool "pool" (per GPU), and "budget" (per USD) and "storage" (per GB).
        """

    def __reduce__(self) -> tuple[Any, tuple[str, tuple[Any, ...]]]: ...

@final
class DiagnosedConstraint:
    """A constraint in a diagnosis.

    Attributes
    ----------
    kind
        The problem's name for it: ``"latency_slo_s"``, ``"error_slo"``, ``"max_unmet"``,
        ``"budget_usd"``, ``"storage_gb"``, ``"max_gpus"``, ``"max_replicas"`` or
        ``"kv_cache_gb"``.
    entry
        Name of the query type or pool, None if it has none or stands for all of them.
    value
        Its value; 1.0 if it stands for many.
    message
        In words.
    """

    @property
    def kind(self) -> str: ...
    @property
    def entry(self) -> str | None: ...
    @property
    def value(self) -> float: ...
    @property
    def message(self) -> str: ...
    def __reduce__(self) -> tuple[Any, tuple[str, tuple[Any, ...]]]: ...

@final
class ProposedChange:
    """A change of one constraint that gives a problem a plan.

    Attributes
    ----------
    kind
        As `DiagnosedConstraint.kind`.
    entry
        As `DiagnosedConstraint.entry`.
    from_value
        Its value now; 1.0 if it is a factor on many.
    to_value
        Its value with which a plan was found and checked.
    not_enough
        A value with which there is proven to be no plan.
    message
        In words.
    """

    @property
    def kind(self) -> str: ...
    @property
    def entry(self) -> str | None: ...
    @property
    def from_value(self) -> float: ...
    @property
    def to_value(self) -> float: ...
    @property
    def not_enough(self) -> float: ...
    @property
    def message(self) -> str: ...
    def __reduce__(self) -> tuple[Any, tuple[str, tuple[Any, ...]]]: ...

@final
class MarginalValue:
    """What one unit more of a binding constraint is worth.

    Attributes
    ----------
    kind
        As `DiagnosedConstraint.kind`.
    entry
        As `DiagnosedConstraint.entry`.
    usd_per_unit
        USD over the horizon saved per unit: per GPU of a pool, per GB, per USD of budget, per s of a
        latency SLO, per 1.0 of an error SLO.
    message
        The constraint in words.
    """

    @property
    def kind(self) -> str: ...
    @property
    def entry(self) -> str | None: ...
    @property
    def usd_per_unit(self) -> float: ...
    @property
    def message(self) -> str: ...
    def __reduce__(self) -> tuple[Any, tuple[str, tuple[Any, ...]]]: ...

@final
class Diagnosis:
    """What is known about a problem's constraints.

    Attributes
    ----------
    status
        ``"INFEASIBLE"`` where it is proven that there is no plan, ``"FEASIBLE"`` where there is one,
        ``"NO_SOLUTION_FOUND"`` where time ran out first.
    conflict_is_smallest
        Whether no smaller set of constraints conflicts.
    """

    @property
    def status(self) -> Literal["INFEASIBLE", "FEASIBLE", "NO_SOLUTION_FOUND"]: ...
    @property
    def conflict(self) -> list[DiagnosedConstraint]:
        """Constraints that no plan meets together; without any one of them a plan exists."""

    @property
    def conflict_is_smallest(self) -> bool: ...
    @property
    def relaxations(self) -> list[ProposedChange]:
        """The least changes that give a plan, each of one constraint or of one kind."""

    @property
    def marginal_values(self) -> list[MarginalValue]:
        """For a feasible problem, the constraints that cost something."""

    def _repr_html_(self) -> str: ...
    def __reduce__(self) -> tuple[Any, tuple[str, tuple[Any, ...]]]: ...

def lower_bound(
    problem: Problem,
    *,
    time_limit: float | None = None,
    threads: int | None = None,
    cancel: CancelToken | None = None,
) -> LowerBound:
    """Find a lower bound; see `servemix.lower_bound`."""

def diagnose(
    problem: Problem,
    *,
    time_limit: float | None = None,
    threads: int | None = None,
    cancel: CancelToken | None = None,
) -> Diagnosis:
    """Say why a problem has no plan; see `servemix.diagnose`."""

def check(problem: Problem, plan: Plan) -> CheckReport:
    """Check a plan against every constraint of a problem, and what it claims of its cost.

    The check is written from the formulation alone and shares no code with the methods that make
    plans. A constraint holds where its excess is at most 1e-6 of its right-hand side.

    Parameters
    ----------
    problem
        The problem.
    plan
        A plan for it, from whatever source.

    Returns
    -------
    CheckReport
        The violations, with amounts, and the cost breakdown.

    Raises
    ------
    InvalidInputError
        An entry of the plan has no meaning in this problem, such as an index out of range; the
        message names it.
    """

def _stress(
    problem: Problem,
    plan: Plan,
    *,
    latency: float,
    error: float,
    demand: float,
    scenarios: int,
    first: int,
    seed: int,
    threads: int,
    cancel: CancelToken | None = None,
) -> dict[str, FloatArray]:
    """Stress the deployments of a plan; see `servemix.experiments.stress`."""

def _replay(
    columns: Columns,
    deployment: npt.ArrayLike,
    served: Columns,
    *,
    dispatch: str,
    chunked_prefill: bool,
    fused: bool,
    prefix_caching: bool,
    leap: bool,
    threads: int,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Replay requests on deployments; see `servemix.replay.replay`."""

def _summarise(columns: Columns, outcomes: Columns, slos: Columns) -> dict[str, Any]:
    """Attainment and percentiles per query type, and of all requests in the last row; see `servemix.replay.Replay`."""

def _restore(class_: str, state: tuple[Any, ...]) -> Any:
    """For pickle: an instance of a class from its state."""

@final
class _Draws:
    """Draws of requests and the SLOs of their query types; see `servemix.replay.misses`."""

    def __new__(cls, draws: list[Columns], slos: Columns) -> _Draws: ...
    def missed(
        self,
        chosen: list[Any],
        served: Columns,
        allowed: tuple[list[int], int],
        *,
        dispatch: str,
        chunked_prefill: bool,
        fused: bool,
        prefix_caching: bool,
        threads: int = 1,
        cancel: CancelToken | None = None,
    ) -> list[Any] | None:
        """Indices of the requests of each draw that miss an SLO, where one deployment gets those chosen; None where more do than
        are allowed.
        """

def _reroute(problem: Problem, plan: Plan, *, lift_unmet: bool = False) -> dict[str, Any] | None:
    """Route the traffic of `problem` over the deployments of `plan`; see `servemix.experiments.reroute`."""

def _plan_with_recourse(
    problem: Problem,
    starts: list[Plan],
    *,
    latency: float,
    error: float,
    demand: float,
    scenarios: int,
    seed: int,
    max_violation_rate: float | None,
    max_evaluations: int,
    time_limit: float | None = None,
    cancel: CancelToken | None = None,
) -> Plan | None:
    """Plan for the least expected cost over sampled scenarios; see `servemix.Recourse`."""

def _generate(
    query_types: int, models: int, tiers: int, *, rate_scale: float, family: str, seed: int
) -> Problem:
    """Make a problem; see `servemix.experiments.generate`."""

def solve(
    problem: Problem,
    method: str,
    *,
    seed: int,
    time_limit: float | None = None,
    threads: int,
    max_iterations: int | None = None,
    rel_gap: float,
    initial_plan: Plan | None = None,
    bound: bool = False,
    cancel: CancelToken | None = None,
    switches: dict[str, bool] | None = None,
) -> Plan:
    """Find a plan by one of the native methods; see `servemix.solve`."""

def _problem_from_json(content: bytes) -> Problem:
    """Make a problem from the content of a servemix-problem/2 file; see `servemix.load_problem`."""

def _plan_from_json(content: bytes, problem: Problem) -> Plan:
    """Make a plan from the content of a servemix-plan/2 or servemix-plan/1 file; see `servemix.load_plan`."""

def _problem_from_arrays(arrays: dict[str, Any]) -> Problem:
    """For pickle: the keyword arguments of `Problem.from_arrays` as a dict."""

def _plan_from_arrays(problem: Problem, arguments: dict[str, Any]) -> Plan:
    """For pickle: a problem and the keyword arguments of `Plan.from_arrays` as a dict."""
