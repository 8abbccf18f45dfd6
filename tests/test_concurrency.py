"""Many threads, forks, cancellation and Ctrl-C."""

from __future__ import annotations

import _thread
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from helpers import hard, two_types
from servemix import CancelToken, Plan, Problem, check, solve

# Proving the optimum of the endless problem takes far longer; whoever waits this long has failed.
PATIENCE_S = 30.0
METHOD = "agh"


@pytest.fixture(scope="module")
def endless() -> Problem:
    return hard()


def prove(problem: Problem, **settings: Any) -> Plan:
    """Run a solve that goes on until it is stopped."""
    return solve(problem, "bnb", rel_gap=0.0, time_limit=PATIENCE_S, **settings)


@contextmanager
def after(seconds: float, act: Callable[[], Any]) -> Iterator[None]:
    timer = threading.Timer(seconds, act)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def test_many_threads_solve_one_problem_at_once() -> None:
    problem = two_types()

    def work(seed: int) -> Plan:
        plan = solve(problem, METHOD, seed=seed % 3)
        assert check(problem, plan).feasible
        assert problem.routes["busy_s"].sum() > 0
        return plan

    with ThreadPoolExecutor(16) as pool:
        plans = list(pool.map(work, range(300)))
    for seed, plan in enumerate(plans):
        assert plan.routing["fraction"].tolist() == plans[seed % 3].routing["fraction"].tolist()
        assert plan.objective_value == plans[seed % 3].objective_value


def test_columns_are_made_once_however_many_threads_ask() -> None:
    problem = two_types()
    start = threading.Barrier(8)

    def work(_: int) -> int:
        start.wait()
        return id(problem.routes["busy_s"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(work, range(8)))) == 1


@pytest.mark.parametrize("threads", [1, 2])
def test_other_threads_run_while_a_solve_does(endless: Problem, threads: int) -> None:
    token = CancelToken()
    plans: list[Plan] = []
    arguments = {"cancel": token, "threads": threads}
    solver = threading.Thread(target=lambda: plans.append(prove(endless, **arguments)))
    solver.start()
    time.sleep(0.1)
    count = 0
    end = time.perf_counter() + 0.2
    while time.perf_counter() < end:
        count += 1
    assert solver.is_alive()
    assert count > 1000
    token.cancel()
    solver.join(PATIENCE_S)
    assert not solver.is_alive()
    assert plans[0].stop_reason == "CANCELLED"
    assert token.is_cancelled


@pytest.mark.parametrize("threads", [1, 2])
def test_a_token_cancels_a_solve_on_the_main_thread(endless: Problem, threads: int) -> None:
    token = CancelToken()
    start = time.perf_counter()
    with after(0.2, token.cancel):
        plan = prove(endless, cancel=token, threads=threads)
    assert time.perf_counter() - start < PATIENCE_S
    assert plan.stop_reason == "CANCELLED"
    if plan.cost is not None:
        assert check(endless, plan).feasible


def test_a_token_that_is_cancelled_beforehand_still_leaves_an_answer() -> None:
    token = CancelToken()
    token.cancel()
    problem = two_types()
    plan = solve(problem, METHOD, cancel=token)
    assert plan.status in ("FEASIBLE", "NO_SOLUTION_FOUND")
    assert check(problem, plan).violations == []


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C is heard, also in a process that a shell has started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_solve_and_leaves_the_callers_token_alone(
    endless: Problem, threads: int
) -> None:
    token = CancelToken()
    start = time.perf_counter()
    with after(0.2, _thread.interrupt_main), pytest.raises(KeyboardInterrupt):
        prove(endless, cancel=token, threads=threads)
    assert time.perf_counter() - start < PATIENCE_S
    assert not token.is_cancelled


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no interval timers")
@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_signal_handler_raises_comes_out_of_the_solve(
    endless: Problem, threads: int
) -> None:
    class Late(Exception):
        pass

    def handler(*_: Any) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Late):
            prove(endless, threads=threads)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def test_signals_whose_handler_does_not_raise_leave_the_solve_alone(endless: Problem) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        with after(0.2, _thread.interrupt_main):
            plan = solve(endless, "bnb", rel_gap=0.0, time_limit=0.6)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]
    assert plan.stop_reason == "TIME_LIMIT"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_solves_work_before_and_after_a_fork() -> None:
    problem = two_types()
    before = solve(problem, METHOD, threads=2)
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[Any] = context.Queue()

    def child() -> None:
        queue.put([pickle.dumps(solve(problem, METHOD, threads=threads)) for threads in (1, 2)])

    process = context.Process(target=child)
    process.start()
    plans = [pickle.loads(plan) for plan in queue.get(timeout=PATIENCE_S)]
    process.join(PATIENCE_S)
    assert process.exitcode == 0
    for plan in plans:
        assert plan.objective_value == before.objective_value
