"""The service curve of a replica: what one request costs in time and memory, per configuration."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from servemix._errors import InvalidInputError
from servemix.performance._columns import checked_column, mean_context

if TYPE_CHECKING:
    from typing_extensions import Self

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Tokens = npt.ArrayLike

#: Tokens of one step of an engine where nothing else is said: vLLM's default for a server on large
#: GPUs (``--max-num-batched-tokens``).
DEFAULT_MAX_NUM_BATCHED_TOKENS = 8192


@dataclass(frozen=True, kw_only=True, eq=False)
class ServiceCurve:
    """Service curves of all configurations, as columns of one length.

    With h prompt tokens, B sequences in a decode step and C context tokens in all of them::

        prefill_s(h)   = prefill_fixed_s + prefill_per_token_s·h + prefill_per_token2_s·h²
        step_s(B, C)   = max(read_s(B) + per_context_token_s·C, per_sequence_s·B)
                         + step_fixed_s + step_sequence_s·B
        read_s(B)      = weights_s + experts_s·(1 - (1 - expert_share)^B)

    The methods take token counts that broadcast against the configurations on the last axis: a
    scalar or an array of shape ``(A,)`` gives ``(A,)``; query types along ``h[:, None]`` give
    ``(I, A)``. A route is judged at the largest batch that the replica reaches with such requests
    (:meth:`batch`), so its SLO holds when the replica is busy.

    Attributes
    ----------
    model, tier
        Index of the configuration's model and tier in the caller's lists.
    tp, pp
        Tensor-parallel degree and pipeline-parallel depth; a replica has ``tp·pp`` GPUs.
    max_num_seqs
        The engine's limit of sequences in one pipeline micro-batch; ``pp`` micro-batches are in
        flight.
    prefill_fixed_s, prefill_per_token_s, prefill_per_token2_s
        Coefficients of one request's prefill: s, s/token, s/token².
    weights_s
        Reading once the weights that every sequence passes through, s per step.
    experts_s
        Reading all routed experts of a mixture once, s; a step reads those that its batch touches.
    expert_share
        Share of the routed experts that one sequence passes through.
    per_context_token_s
        Reading the KV cache of one token, s per step.
    per_sequence_s
        Arithmetic of one sequence, s per step.
    step_fixed_s
        Communication and launches of a step, s.
    step_sequence_s
        What each sequence adds to them (sampling, its activations on the links), s.
    first_token_s
        What a request waits for outside the engine's steps before its first token, s.
    max_num_batched_tokens
        Tokens that one step takes up, prompts' and decodes'; 0 if there is no such limit.
    kv_gb_per_token
        KV cache of one token on the whole replica, GB.
    kv_cache_gb
        Memory of the replica's GPUs left for KV cache, GB; 0 if the weights do not fit.
    weights_gb
        Weights of one replica, GB; also what is stored.

    Raises
    ------
    InvalidInputError
        Columns of different lengths, or a number that is NaN, infinite or out of range; the message
        names the entry.
    """

    model: Ints
    tier: Ints
    tp: Ints
    pp: Ints
    max_num_seqs: Ints
    prefill_fixed_s: Floats
    prefill_per_token_s: Floats
    prefill_per_token2_s: Floats
    weights_s: Floats
    per_context_token_s: Floats
    per_sequence_s: Floats
    step_fixed_s: Floats
    kv_gb_per_token: Floats
    kv_cache_gb: Floats
    weights_gb: Floats
    step_sequence_s: Floats = field(default_factory=lambda: np.zeros(1))
    first_token_s: Floats = field(default_factory=lambda: np.zeros(1))
    max_num_batched_tokens: Floats = field(
        default_factory=lambda: np.full(1, float(DEFAULT_MAX_NUM_BATCHED_TOKENS))
    )
    experts_s: Floats = field(default_factory=lambda: np.zeros(1))
    expert_share: Floats = field(default_factory=lambda: np.ones(1))

    def __post_init__(self) -> None:
        length = np.atleast_1d(np.asarray(self.tp)).shape[0]
        for one in fields(self):
            column = checked_column(one.name, getattr(self, one.name), length)
            object.__setattr__(self, one.name, column)
        if (above := np.flatnonzero(self.expert_share > 1.0)).size:
            at = int(above[0])
            raise InvalidInputError(f"expert_share[{at}]: {self.expert_share[at]} is above 1")

    def __len__(self) -> int:
        return int(self.tp.shape[0])

    def take(self, configurations: npt.ArrayLike) -> Self:
        """Select configurations by index or by a mask of shape ``(A,)``.

        Parameters
        ----------
        configurations
            Indices, or a mask.

        Returns
        -------
        ServiceCurve
            The chosen columns.
        """
        chosen = np.asarray(configurations)
        columns: dict[str, Any] = {f.name: getattr(self, f.name)[chosen] for f in fields(self)}
        return type(self)(**columns)

    @property
    def num_gpus(self) -> Ints:
        """GPUs of one replica."""
        return self.tp * self.pp

    def prefill_s(self, prompt_tokens: Tokens) -> Floats:
        """Prefill of one prompt alone, s.

        Parameters
        ----------
        prompt_tokens
            Tokens of the prompt; see the class for shapes.

        Returns
        -------
        ndarray of float
            Per configuration, s.
        """
        tokens = np.asarray(prompt_tokens, dtype=np.float64)
        per_token = self.prefill_per_token_s + self.prefill_per_token2_s * tokens
        return np.asarray(self.prefill_fixed_s + per_token * tokens)

    def read_s(self, sequences: Tokens) -> Floats:
        """Weights that a step of some sequences reads, s.

        Each of E experts is passed by with probability 1 - k/E by each sequence, so B sequences
        touch the share 1 - (1 - k/E)^B of them on average.

        Parameters
        ----------
        sequences
            Sequences in the step.

        Returns
        -------
        ndarray of float
            Per configuration, s.
        """
        if not self.experts_s.any():
            return np.asarray(self.weights_s + np.zeros_like(sequences, dtype=np.float64))
        passed_by = (1.0 - self.expert_share) ** np.asarray(sequences, dtype=np.float64)
        return np.asarray(self.weights_s + self.experts_s * (1.0 - passed_by))

    def step_s(self, sequences: Tokens, context_tokens: Tokens) -> Floats:
        """One decode step of a micro-batch: its sequences, and context tokens in all of them, s.

        Parameters
        ----------
        sequences
            Sequences in the micro-batch.
        context_tokens
            Context tokens in all of them.

        Returns
        -------
        ndarray of float
            Per configuration, s.
        """
        context = np.asarray(context_tokens, dtype=np.float64)
        batch = np.asarray(sequences, dtype=np.float64)
        memory_s = self.read_s(batch) + self.per_context_token_s * context
        fixed_s = self.step_fixed_s + self.step_sequence_s * batch
        return np.asarray(np.maximum(memory_s, self.per_sequence_s * batch) + fixed_s)

    def batch(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """Sequences of a micro-batch that are in flight when the replica is full, at least one.

        The least of ``max_num_seqs``, what the KV cache holds to the requests' end, and, for more
        than one output token, what a step's token budget T keeps full: for each of its B decodes a
        step takes up h/(f - 1) prompt tokens on average, so ``B = T·(f - 1)/(h + f - 1)``. An
        engine that may run more sequences than its memory holds simply keeps fewer in flight.

        Parameters
        ----------
        prompt_tokens, output_tokens
            Tokens of the prompt and of the answer; see the class for shapes.

        Returns
        -------
        ndarray of float
            Per configuration, sequences.
        """
        prompts = np.asarray(prompt_tokens, dtype=np.float64)
        outputs = np.asarray(output_tokens, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            one_gb = (prompts + outputs) * (self.kv_gb_per_token * self.pp)
            held = np.where(one_gb > 0.0, self.kv_cache_gb / one_gb, np.inf)
            decodes = outputs - 1.0
            limited = (decodes > 0.0) & (self.max_num_batched_tokens > 0.0)
            share = decodes / (prompts + decodes)
            kept = np.where(limited, self.max_num_batched_tokens * share, np.inf)
        return np.asarray(np.maximum(np.minimum(np.minimum(held, kept), self.max_num_seqs), 1.0))

    def _full(self, prompt_tokens: Tokens, output_tokens: Tokens) -> tuple[Floats, Floats, Floats]:
        """Batch of a full replica, its step and a prefill, kept for the next figure of a route."""
        lengths = (prompt_tokens, output_tokens)
        last: tuple[Any, tuple[Floats, Floats, Floats]] | None = self.__dict__.get("_last")
        if last is not None and all(map(np.array_equal, last[0], lengths)):
            return last[1]
        batch, prefill_s = self.batch(prompt_tokens, output_tokens), self.prefill_s(prompt_tokens)
        step_s = self.step_s(batch, batch * mean_context(prompt_tokens, output_tokens))
        for column in (found := (batch, step_s, prefill_s)):
            column.setflags(write=False)
        object.__setattr__(self, "_last", (tuple(map(np.array, lengths)), found))
        return found

    def at_full_batch(self) -> Self:
        """Return the same curves with ``max_num_seqs`` in flight, whatever memory or budget say.

        Returns
        -------
        ServiceCurve
            Curves without KV cache and without a token limit.
        """
        free = np.zeros(len(self))
        return replace(self, kv_gb_per_token=free, max_num_batched_tokens=free)

    def tpot_s(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """Time per output token at a full batch of such requests, s.

        Parameters
        ----------
        prompt_tokens, output_tokens
            Tokens of the prompt and of the answer; see the class for shapes.

        Returns
        -------
        ndarray of float
            Per configuration, s.
        """
        return self._full(prompt_tokens, output_tokens)[1]

    def ttft_s(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """Time to the first token, waiting for a replica left out, s.

        Parameters
        ----------
        prompt_tokens, output_tokens
            Tokens of the prompt and of the answer; see the class for shapes.

        Returns
        -------
        ndarray of float
            Per configuration, s.
        """
        prefill_s = self._full(prompt_tokens, output_tokens)[2] + self.first_token_s
        return prefill_s + self.tpot_s(prompt_tokens, output_tokens)

    def latency_s(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """Prefill and all decode steps of one request at a full batch, s.

        Parameters
        ----------
        prompt_tokens, output_tokens
            Tokens of the prompt and of the answer; see the class for shapes.

        Returns
        -------
        ndarray of float
            Per configuration, s.
        """
        steps = np.asarray(output_tokens, dtype=np.float64)
        tpot_s = self.tpot_s(prompt_tokens, output_tokens)
        prefill_s = self._full(prompt_tokens, output_tokens)[2]
        return np.asarray(self.first_token_s + prefill_s + steps * tpot_s)

    def busy_s(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """Share of the replica's time that one request takes, replica·s.

        Pipeline stages work on different micro-batches, so ``pp`` divides both parts.

        Parameters
        ----------
        prompt_tokens, output_tokens
            Tokens of the prompt and of the answer; see the class for shapes.

        Returns
        -------
        ndarray of float
            Per configuration, s of one replica.
        """
        steps = np.asarray(output_tokens, dtype=np.float64)
        batch, _, prefill_s = self._full(prompt_tokens, output_tokens)
        decode_s = steps * self.tpot_s(prompt_tokens, output_tokens) / batch
        return np.asarray((prefill_s + decode_s) / self.pp)

    def loaded_tpot_s(self, prompt_tokens: Tokens, output_tokens: Tokens, ttft_s: Tokens) -> Floats:
        """Time per output token as a benchmark at full concurrency sees it, s.

        While a request comes and goes, every request in flight takes its ``busy_s`` of the replica;
        what its first token did not wait for, its other tokens do::

            step_s(B, B·c) + (B·prefill_s(h) - (TTFT - step_s(B, B·c))) / f

        Parameters
        ----------
        prompt_tokens, output_tokens
            Tokens of the prompt and of the answer; see the class for shapes.
        ttft_s
            Time to the first token in that benchmark, s.

        Returns
        -------
        ndarray of float
            Per configuration, s.
        """
        outputs = np.maximum(np.asarray(output_tokens, dtype=np.float64), 1.0)
        tpot_s = self.tpot_s(prompt_tokens, output_tokens)
        waited_s = np.asarray(ttft_s, dtype=np.float64) - tpot_s
        batch, _, prefill_s = self._full(prompt_tokens, output_tokens)
        others_s = batch * prefill_s - waited_s
        return np.asarray(tpot_s + np.maximum(others_s, 0.0) / outputs)

    def kv_gb_s(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """KV-cache memory times the time that one request holds it, GB·s.

        Parameters
        ----------
        prompt_tokens, output_tokens
            Tokens of the prompt and of the answer; see the class for shapes.

        Returns
        -------
        ndarray of float
            Per configuration, GB·s.
        """
        context = mean_context(prompt_tokens, output_tokens)
        latency_s = self.latency_s(prompt_tokens, output_tokens)
        return np.asarray(latency_s * context * self.kv_gb_per_token)

    def kv_least_gb(self, prompt_tokens: Tokens, output_tokens: Tokens) -> Floats:
        """KV cache of one such request per pipeline stage at its end, GB: what must fit.

        Parameters
        ----------
        prompt_tokens, output_tokens
            Tokens of the prompt and of the answer; see the class for shapes.

        Returns
        -------
        ndarray of float
            Per configuration, GB.
        """
        at_end = np.asarray(prompt_tokens, dtype=np.float64) + np.asarray(output_tokens)
        return np.asarray(at_end * (self.pp * self.kv_gb_per_token))

    def fits(self, prompt_tokens: Tokens, output_tokens: Tokens) -> npt.NDArray[np.bool_]:
        """Whether such a request fits in the KV cache to its end, one per pipeline stage.

        Parameters
        ----------
        prompt_tokens, output_tokens
            Tokens of the prompt and of the answer; see the class for shapes.

        Returns
        -------
        ndarray of bool
            Per configuration.
        """
        needed_gb = self.kv_least_gb(prompt_tokens, output_tokens)
        return np.asarray((needed_gb <= self.kv_cache_gb) & (self.kv_cache_gb > 0.0))
