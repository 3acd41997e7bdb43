"""Which arithmetic, attention and optimiser train a network fastest on this machine: found by trying them.

The library itself never probes: what "auto" means in a ``TrainingConfig`` is a fixed rule, so that equal calls give
equal weights. Who wants the machine's best calls :func:`probe` once, trains with what :meth:`Probe.applied` gives, and
writes it down where a training has to be repeated.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, TypeVar, get_args

import torch
from accelerate import PartialState  # type: ignore[import-untyped]
from accelerate.utils import broadcast_object_list  # type: ignore[import-untyped]

from agents.bc import BC
from agents.policy.backends import attention_of
from agents.policy.hidden_states import is_plain_marian
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.training.loop import fit
from agents.training.machine import device_name
from agents.training.precision import bf16_pays, has_fused
from agents.training.training_config import Attention, TrainingConfig
from agents.value import DROPOUTS
from buffers import Slice

T = TypeVar("T")

FIELDS = ("precision", "attention", "optimiser", "compile")
"""What is chosen, in the order in which it is tried."""

WORTH_IT = 1.1
"""So many times as fast as the rule's must another choice be, or the rule's is kept."""

REPEATS = 5
"""Pairs of readings, of which a choice must win all but one."""

READING = 0.5
"""Seconds of a reading; one of a large network has three steps and takes what they take."""

MOST_STEPS = 64
"""Of a reading."""


@dataclass(frozen=True)
class Probe:
    """What a probe found.

    Attributes:
        choice: Values of ``precision``, ``attention``, ``optimiser`` and ``compile``; "auto" only for an attention of
            the network's own that has no name in a configuration.
        ratios: How many times as fast each other value was that was tried, by "field value"; of one that lost
            two pairs of readings, the larger of these.
        cached: Whether an earlier probe of this machine found it.
    """

    choice: dict[str, str]
    ratios: dict[str, float]
    cached: bool = False

    def applied(self, config: TrainingConfig) -> TrainingConfig:
        """A configuration whose "auto" fields are the choice's."""
        values: dict[str, Any] = {name: value for name, value in self.choice.items() if getattr(config, name) == "auto"}
        return replace(config, **values)

    def __str__(self) -> str:
        tried = ", ".join(f"{name} {ratio:.2f}x" for name, ratio in self.ratios.items()) or "nothing else to try"
        chosen = ", ".join(f"{name} {value}" for name, value in self.choice.items())
        return f"{chosen} (speed of others: {tried})"


def probe(policy: Seq2SeqPolicy, data: Slice, config: TrainingConfig, cache: Path | None = None) -> Probe:
    """Try what ``config`` leaves open, a field after the other, in steps of behaviour cloning on a copy of the policy.

    A choice replaces the rule's where it is :data:`WORTH_IT` in the median of interleaved readings and at most one
    reading of it was the slower. Precision is tried where there are bfloat16 instructions, attention and optimiser
    where the other one can win, compilation on a GPU alone, because it costs minutes on a CPU; what it costs counts
    against what it saves over ``config.max_tokens``. Where nothing is left to try, nothing is run: a float32 CPU trains
    a Marian model by the rule. Of several processes all take part, and get what the first found.

    Args:
        policy: Of the shape and on the device that will be trained; it stays as it is.
        data: As it will be trained on; some thousand targets are enough.
        config: Its fields that are not "auto" are kept.
        cache: JSON file of what was found before, made where it is not there; None probes anew. A file that cannot be
            read or written is as good as none.

    Raises:
        ValueError: If the slice is empty, or the configuration asks for what the machine or the policy lacks.
    """
    choice = _rule(policy, config)
    alternatives = _alternatives(policy, config, choice)
    if not alternatives:
        return Probe(choice, {})
    key, is_first = _key(policy, data, config), PartialState().is_main_process
    known = _agreed(_read(cache).get(key) if cache is not None and is_first else None)
    if known is not None:
        return replace(known, cached=True)
    trial, ratios = _Trial(policy, data, config, choice), dict[str, float]()
    for field, other in alternatives:
        try:
            ratio = trial.ratio(choice, choice | {field: other})
        except ValueError:  # the policy or the machine does not have it
            continue
        ratios[f"{field} {other}"] = round(ratio, 3)
        if ratio >= WORTH_IT:
            choice = choice | {field: other}
    found = Probe(choice, ratios)
    if cache is not None and is_first:
        _write(cache, _read(cache) | {key: found})
    return found


def _rule(policy: Seq2SeqPolicy, config: TrainingConfig) -> dict[str, str]:
    """What "auto" means without a probe."""
    own = attention_of(policy.model)
    fixed = {
        "precision": "bf16" if bf16_pays(policy.model) else "fp32",
        "attention": own if own in get_args(Attention) else "auto",
        "optimiser": "fused" if has_fused(policy.device) else "foreach",
        "compile": "off",
    }
    return {name: value if getattr(config, name) == "auto" else getattr(config, name) for name, value in fixed.items()}


def _alternatives(policy: Seq2SeqPolicy, config: TrainingConfig, rule: Mapping[str, str]) -> list[tuple[str, str]]:
    """Other values of what is open, where they can win.

    On a CPU "foreach" never beat "fused", and in our own forward of Marian "sdpa" took from 9 % less to 4 % more time
    than "eager" (batches of 13 to 256 tokens, one thread): nothing that readings could tell from noise.
    """
    on_gpu = policy.device.type == "cuda"
    others = {
        "precision": ("fp32", "bf16") if bf16_pays(policy.model) else (),
        "attention": ("eager", "sdpa") if on_gpu or not is_plain_marian(policy.model.base_model) else (),
        "optimiser": ("fused", "foreach") if on_gpu else (),
        "compile": ("off", "on") if on_gpu else (),
    }
    return [
        (field, value)
        for field, values in others.items()
        for value in values
        if getattr(config, field) == "auto" and value != rule[field]
    ]


class _Trial:
    """Readings of some steps each, the two of a pair on the same batches, every pair on others.

    Batches seen before would flatter bfloat16 on a CPU: oneDNN makes code for every new shape, which costs more than a
    small product itself.
    """

    def __init__(self, policy: Seq2SeqPolicy, data: Slice, config: TrainingConfig, rule: dict[str, str]) -> None:
        self._agent = BC(policy.clone())
        self._data = data
        self._budget = config.max_tokens
        self._most = max(config.tokens_per_batch, int(data.target_lengths.max(initial=0)))  # target tokens of a step
        self._config = replace(
            config, learning_rate=1e-6, schedule="constant", evaluate_every=1, progress=False, workers=0
        )
        self._read(rule, steps=3, seed=0)
        a_step = self._read(rule, steps=3, seed=0) * self._most
        self._steps = _agreed(min(MOST_STEPS, max(3, 1 + round(READING / a_step))))

    def ratio(self, now: dict[str, str], other: dict[str, str]) -> float:
        """How many times as fast another choice is; see :attr:`Probe.ratios`."""
        started = time.perf_counter()
        self._read(other, self._steps, seed=0)
        first = time.perf_counter() - started
        ratios: list[float] = []
        while len(ratios) < REPEATS:
            seed = len(ratios) + 1
            mine = self._read(now, self._steps, seed)
            started = time.perf_counter()
            its = self._read(other, self._steps, seed)
            if other["compile"] != now["compile"]:
                its += max(0.0, first - (time.perf_counter() - started)) / self._budget
            ratios.append(_agreed(mine / its))
            lost = [ratio for ratio in ratios if ratio <= 1]
            if len(lost) > 1:
                return max(lost)
        return median(ratios)

    def _read(self, choice: dict[str, str], steps: int, seed: int) -> float:
        """Seconds a target token, the first step not counted."""
        stamps: list[tuple[float, int]] = []

        def stamp(name: str, value: float, tokens: int) -> None:
            if name == "learning_rate":  # once in every row of the history
                stamps.append((time.perf_counter(), tokens))

        values: dict[str, Any] = dict(choice)
        config = replace(self._config, max_tokens=steps * self._most, seed=seed, **values)
        fit(self._agent, self._data, config, None, stamp)
        (began, before), (ended, after) = stamps[1], stamps[-1]
        return (ended - began) / (after - before)


def _agreed(value: T) -> T:
    """What the first of several processes says."""
    found: T = broadcast_object_list([value])[0]
    return found


def _key(policy: Seq2SeqPolicy, data: Slice, config: TrainingConfig) -> str:
    """What a choice may depend on, near enough: lengths by powers of two."""
    network = policy.model.config
    length = float(data.target_lengths.mean()) if len(data) else 0.0
    facts = {
        "device": device_name(policy.device),
        "processes": PartialState().num_processes,
        "torch": torch.__version__,
        "network": f"{network.model_type}, width {network.hidden_size}, vocabulary {network.vocab_size}, "
        f"{sum(parameter.numel() for parameter in policy.model.parameters())} parameters",
        "dropout": [getattr(network, name) for name in DROPOUTS if hasattr(network, name)],
        "version": 2,  # 1 read the same batches again and again
        "target length up to": 2 ** int(length).bit_length(),
        "training": {name: getattr(config, name) for name in (*FIELDS, "tokens_per_batch", "max_tokens")},
    }
    return json.dumps(facts, sort_keys=True)


def _read(cache: Path) -> dict[str, Probe]:
    try:
        stored = json.loads(cache.read_text("utf-8"))
        found = {key: Probe(value["choice"], value["ratios"]) for key, value in stored.items()}
        for each in found.values():
            each.applied(TrainingConfig())
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return found


def _write(cache: Path, found: Mapping[str, Probe]) -> None:
    stored = {key: {"choice": each.choice, "ratios": each.ratios} for key, each in found.items()}
    aside = cache.with_name(f"{cache.name}.{os.getpid()}")
    with suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(stored, indent=2) + "\n", "utf-8")
        aside.replace(cache)
