"""What engines and GPUs reach of the hardware's rates: defaults, and factors per engine and GPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from servemix._errors import InvalidInputError
from servemix._files import read_whole

Positive = Annotated[float, msgspec.Meta(gt=0)]
Factors = dict[str, Positive]
Provenance = dict[str, str | int | float | dict[str, int | float]]
Floats = npt.NDArray[np.float64]

#: Coefficients that are shares of a peak rate, so at most 1 whatever their factors.
SHARES = (
    "bandwidth_efficiency",
    "kv_bandwidth_efficiency",
    "expert_bandwidth_efficiency",
    "compute_efficiency",
    "expert_compute_efficiency",
    "link_efficiency",
)


class Coefficients(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the roofline model needs beyond the hardware's rates.

    Attributes
    ----------
    bandwidth_efficiency
        Reached share of the memory bandwidth when weights are read.
    kv_bandwidth_efficiency
        Reached share of the bandwidth when the KV cache is read.
    expert_bandwidth_efficiency
        Reached share of the bandwidth when the routed experts of a batch are read.
    compute_efficiency
        Reached share of the dense peak rate in matrix products.
    expert_compute_efficiency
        Reached share of the peak rate in the prefill of a mixture of experts.
    link_efficiency
        Reached share of the link bandwidth in collectives.
    collective_latency_s
        Latency of one collective of a tensor-parallel group, s.
    layer_s
        Kernel launches and small kernels of one layer in a decode step, s.
    expert_layer_s
        Kernel launches for routing and grouped products, in each layer of a mixture of experts, s.
    latent_layer_s, state_layer_s
        Additional kernel launches of latent attention and of layers with a state, s.
    host_layer_s
        Work of the host per layer, s; it overlaps with the GPU's, so it counts where it is larger.
    sequence_s
        Sampling and scheduling of one sequence in a step, s.
    prefill_layer_s
        Fixed cost of a prefill per layer, s.
    first_token_s
        What a request waits for outside the engine's steps before its first token (tokenising, the
        server, the way there), s; it occupies no GPU.
    accepted_tokens
        Tokens per step of a sequence where a model's own heads for multi-token prediction draft.
    held_steps
        Steps for which TensorRT-LLM holds a prompt back until every copy of the attention has one,
        where it balances them. Used to compare with such measurements only, never in a plan.
    prefill_wait
        Share of the other sequences' prefills, halved, that a first token waits for in a
        benchmark which starts all its sequences at once. Used to compare with such measurements
        only, never in a plan.
    """

    bandwidth_efficiency: Positive
    kv_bandwidth_efficiency: Positive
    compute_efficiency: Positive
    link_efficiency: Positive
    collective_latency_s: Positive
    layer_s: Positive
    host_layer_s: Positive
    sequence_s: Positive
    prefill_layer_s: Positive
    prefill_wait: Positive
    expert_bandwidth_efficiency: Positive = 0.6
    expert_compute_efficiency: Positive = 0.4
    expert_layer_s: Positive = 20e-6
    latent_layer_s: Positive = 10e-6
    state_layer_s: Positive = 10e-6
    first_token_s: Positive = 1e-9
    accepted_tokens: Positive = 1.8
    held_steps: Positive = 48.0


#: Names of the coefficients.
COEFFICIENTS: tuple[str, ...] = Coefficients.__struct_fields__


class Interval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lowest and highest measured/predicted that nine of ten points out of sample had."""

    low: Positive
    high: Positive


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Coefficients as fitted to measurements: a default × factors.

    The factors are those of the engine, the GPU, the GPU's family and the precision.

    Attributes
    ----------
    defaults
        For an engine and a GPU that nothing was measured on.
    engines, gpus, families, precisions
        Factors by engine, by the GPU's name in the catalog, by its family, and by precision.
    models
        Names of the models that were measured.
    intervals
        Per figure (``tpot_s``, ``ttft_s``, ``output_tokens_per_s``) and distance from the
        measurements (``measured``, ``partly new``, ``new``), how far a prediction may be off.
    provenance
        For people: what was fitted to what, when, and how well it fits.
    """

    defaults: Coefficients
    engines: dict[str, Factors] = {}
    gpus: dict[str, Factors] = {}
    families: dict[str, Factors] = {}
    precisions: dict[str, Factors] = {}
    models: tuple[str, ...] = ()
    intervals: dict[str, dict[str, Interval]] = {}
    provenance: Provenance = {}

    def __post_init__(self) -> None:
        for kind in ("engines", "gpus", "families", "precisions"):
            table: dict[str, Factors] = getattr(self, kind)
            for name, factors in table.items():
                for unknown in factors.keys() - set(COEFFICIENTS):
                    raise InvalidInputError(
                        f"{kind}.{name}: {unknown!r} is not a coefficient; available: "
                        f"{', '.join(COEFFICIENTS)}"
                    )

    def values(
        self,
        engine: str | None,
        gpus: Sequence[str],
        families: Sequence[str] | None = None,
        precisions: Sequence[str] | None = None,
    ) -> dict[str, Floats]:
        """Coefficients for an engine on each of some GPUs, as columns of shape ``(len(gpus),)``.

        Parameters
        ----------
        engine
            One of ``engines``; None takes the defaults.
        gpus
            Names as in the catalog; one without factors has the defaults.
        families, precisions
            Of each GPU and what is served on it; None has no factors.

        Returns
        -------
        dict of str to ndarray
            Per coefficient, one value per GPU.

        Raises
        ------
        InvalidInputError
            There is no such engine.
        """
        if engine is not None and engine not in self.engines:
            raise InvalidInputError(
                f"engine {engine!r} is not calibrated; available: {', '.join(self.engines)}"
            )
        of_engine = self.engines[engine] if engine is not None else {}
        columns = {}
        for name in COEFFICIENTS:
            value = getattr(self.defaults, name) * of_engine.get(name, 1.0)
            column = np.full(len(gpus), value, dtype=np.float64)
            tables = ((self.gpus, gpus), (self.families, families), (self.precisions, precisions))
            for table, keys in tables:
                if keys is not None and table:
                    column *= [table.get(key, {}).get(name, 1.0) for key in keys]
            columns[name] = np.minimum(column, 1.0) if name in SHARES else column
        return columns


def read_calibration(path: str | Path) -> Calibration:
    """Read a calibration file as ``servemix fit`` writes it.

    Raises
    ------
    InvalidInputError
        The file is not one; the message names the entry.
    """
    return decode_calibration(read_whole(path), str(path))


def decode_calibration(text: bytes, where: str) -> Calibration:
    """Decode a calibration; ``where`` names it in errors."""
    try:
        return msgspec.json.decode(text, type=Calibration)
    except msgspec.DecodeError as error:
        raise InvalidInputError(f"{where}: {error}") from error
