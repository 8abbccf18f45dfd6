"""What a measured file says, in one set of units."""

from __future__ import annotations

import msgspec

#: Figures that a point may have.
FIGURES = ("ttft_s", "tpot_s", "latency_s", "requests_per_s")


class Assume(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file leaves out, and what its names mean.

    Attributes
    ----------
    model, gpu, precision, tp, pp, max_num_seqs
        Of every row that does not say; names as in the scenario or the catalog.
    models, gpus
        The file's names, and ours for them.
    prompt_sizes, output_sizes
        Tokens that the rows and columns of a table stand for, where the file does not say.
    """

    model: str | None = None
    gpu: str | None = None
    precision: str | None = None
    tp: int | None = None
    pp: int | None = None
    max_num_seqs: int | None = None
    models: dict[str, str] = {}
    gpus: dict[str, str] = {}
    prompt_sizes: tuple[float, ...] = ()
    output_sizes: tuple[float, ...] = ()


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured: names of the scenario or the catalog, and how the model was spread.

    Attributes
    ----------
    model, gpu, precision
        Names in the scenario or the catalog; as the file writes them where neither knows them.
    tp, pp
        Tensor-parallel degree and pipeline-parallel depth.
    """

    model: str
    gpu: str
    precision: str
    tp: int = 1
    pp: int = 1

    def __str__(self) -> str:
        return f"{self.model} {self.precision} on {self.gpu} TP{self.tp} PP{self.pp}"


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One measured point of one replica; 0 stands for what was not measured.

    Attributes
    ----------
    deployment
        What was measured.
    concurrency
        Sequences in flight on the replica; 0 if the file does not say.
    prompt_tokens, output_tokens
        Lengths of a request.
    ttft_s, tpot_s, latency_s
        Time to the first token, per further token, and end to end, s.
    requests_per_s
        Requests that the replica finishes, 1/s.
    no_rate
        Whether the file says that no rate meets its SLO at this place; then there is no figure.
    where
        File and row, for errors.
    """

    deployment: Deployment
    concurrency: float
    prompt_tokens: float
    output_tokens: float
    ttft_s: float = 0.0
    tpot_s: float = 0.0
    latency_s: float = 0.0
    requests_per_s: float = 0.0
    no_rate: bool = False
    where: str = ""

    @property
    def figures(self) -> dict[str, float]:
        """What was measured, by its name in :data:`FIGURES`."""
        return {name: value for name in FIGURES if (value := getattr(self, name)) > 0.0}


#: Deployment, sequences in flight on a replica, prompt tokens and output tokens.
Place = tuple[Deployment, int, float, float]


def place_of(point: Point) -> Place:
    """Return where a point was measured."""
    return (point.deployment, int(point.concurrency), point.prompt_tokens, point.output_tokens)


class Coefficients(msgspec.Struct, frozen=True, kw_only=True):
    """A replica's service curve as a file gives it, up to a batch limit.

    Attributes
    ----------
    deployment
        What was measured.
    max_batch_size
        Largest batch that it holds for.
    at_tokens
        Output tokens of a request that ``max_batch_size`` is meant for: requests of f output tokens
        have batches of up to ``max_batch_size · at_tokens / f``. 0 if it holds for all.
    prefill_fixed_s, prefill_per_token_s
        Prefill of one prompt, s and s/token.
    step_fixed_s, step_per_sequence_s, step_per_context_token_s
        One decode step: s, s per sequence and s per context token.
    where
        File and row, for errors.
    """

    deployment: Deployment
    max_batch_size: int
    at_tokens: float = 0.0
    prefill_fixed_s: float
    prefill_per_token_s: float
    step_fixed_s: float
    step_per_sequence_s: float
    step_per_context_token_s: float = 0.0
    where: str = ""

    def batch_limit(self, output_tokens: float) -> int:
        """Return the largest batch of requests with so many output tokens, at least 1."""
        if self.at_tokens <= 0.0:
            return self.max_batch_size
        return max(int(self.max_batch_size * self.at_tokens / max(output_tokens, 1.0)), 1)


class GpuPrice(msgspec.Struct, frozen=True, kw_only=True):
    """Price of a GPU in a file.

    Attributes
    ----------
    name
        The file's own name of it.
    usd_per_h
        Price of what the file prices, USD/h: an instance or a group of GPUs.
    gpu
        Name of the GPU in the scenario or the catalog.
    gpus
        GPUs that the price is for.
    spot_usd_per_h
        Price where it may be taken back, USD/h; None if the file has none.
    place
        Region or zone; empty if the file does not say.
    """

    name: str
    usd_per_h: float
    gpu: str = ""
    gpus: float = 1
    spot_usd_per_h: float | None = None
    place: str = ""

    @property
    def usd_per_gpu_h(self) -> float:
        """Price of one GPU, USD/h."""
        return self.usd_per_h / self.gpus


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that a file expects.

    Attributes
    ----------
    name
        The file's own.
    rate_per_h
        Requests per hour.
    prompt_tokens, output_tokens
        Lengths of a request.
    ttft_slo_s, tpot_slo_s
        Limits, s; None if the file sets none.
    """

    name: str
    rate_per_h: float
    prompt_tokens: float
    output_tokens: float
    ttft_slo_s: float | None = None
    tpot_slo_s: float | None = None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Content of a measured file.

    Attributes
    ----------
    format
        Which format it was.
    where
        The file.
    points, coefficients
        Measured points, and fitted coefficients.
    prices, demands
        Prices and demand that the file carries along.
    left_out
        Rows that were not read, by reason.
    warnings
        What a reader must know before relying on it.
    """

    format: str
    where: str = ""
    points: tuple[Point, ...] = ()
    coefficients: tuple[Coefficients, ...] = ()
    prices: tuple[GpuPrice, ...] = ()
    demands: tuple[Demand, ...] = ()
    left_out: dict[str, int] = {}
    warnings: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[Point | Coefficients, ...]:
        """Everything that was measured."""
        return (*self.points, *self.coefficients)
