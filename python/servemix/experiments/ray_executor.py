"""An executor whose workers are those of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures import wait as wait_for
from typing import Any

from servemix._extras import require

__all__ = ["RayExecutor"]


class RayExecutor(Executor):
    """Run calls on a Ray cluster: wherever an ``executor`` is taken, and by ``map`` for replays.

    Connects to the cluster that this process is connected to already, else to ``address``. Workers
    need the same version of servemix and of Python.

    Parameters
    ----------
    address
        Of the cluster, as in ``"ray://head:10001"`` or ``"auto"``; None (the default) for the one
        that ``RAY_ADDRESS`` names, or for a new one on this machine.
    **options
        Options of every task, as :func:`ray.remote` takes them, such as ``num_cpus=2``.

    Raises
    ------
    MissingExtraError
        Ray is not installed (extra ``ray``).

    Examples
    --------
    >>> with RayExecutor("ray://head:10001") as executor:
    ...     stress(problem, plan, 1.5, 100_000, executor=executor, parts=64)
    """

    def __init__(self, address: str | None = None, **options: Any) -> None:
        self._ray = require("ray", extra="ray")
        self._connected_here = not self._ray.is_initialized()
        if self._connected_here:
            self._ray.init(address=address, log_to_driver=False)
        task = self._ray.remote(_call)
        self._task = task.options(**options) if options else task
        self._references: dict[Future[Any], Any] = {}
        self._is_shut_down = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a call on a worker.

        Parameters
        ----------
        fn
            Function of a module that workers can import, or any that Ray can serialise.
        *args, **kwargs
            Its arguments.

        Returns
        -------
        concurrent.futures.Future
            Its result. Where the call raises, what it raises, also of its own class.

        Raises
        ------
        RuntimeError
            The executor is shut down.
        """
        if self._is_shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        reference = self._task.remote(fn, args, kwargs)
        future: Future[Any] = reference.future()
        self._references[future] = reference
        future.add_done_callback(self._forget)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the connection that this executor made; the cluster of another stays connected.

        Parameters
        ----------
        wait
            Whether to wait for what runs. Where the connection is this executor's own, what still
            runs without it ends.
        cancel_futures
            Whether calls that have not ended are given up.
        """
        self._is_shut_down = True
        left = list(self._references)
        if cancel_futures:
            for future in left:
                future.cancel()
        elif wait:
            wait_for(left)
        if self._connected_here and (wait or cancel_futures):
            self._ray.shutdown()
            self._connected_here = False

    def _forget(self, future: Future[Any]) -> None:
        reference = self._references.pop(future, None)
        if reference is not None and future.cancelled():
            self._ray.cancel(reference)


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return function(*args, **kwargs)
