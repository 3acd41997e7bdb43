"""Throughput of a scorer pool and of a cascade beside scoring in line, on samples of a shipped behaviour policy.

Seconds are of CPU time, so that other programs on the machine matter less: of a pool those of its busiest process and
of this one together, which is how long it takes on cores of its own. The two ways take turns. The dear scorer of the
cascade is made up: it runs the shipped network as often as it is to cost more, and differs from it by noise, an own
normal deviate of each pair added to the score's logit.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.benchmarks.timings import Benchmark, parse_options, spread
from experiments.datasets.behaviours import load_behaviour
from experiments.reports.tables import table
from seq2seq_env.scorers import CascadeScorer, PoolScorer, Scorer, cascade_gate, load_scorer
from seq2seq_env.tasks import load_task


@dataclass(frozen=True)
class Config(Benchmark):
    """Options of the benchmark."""

    scorer: str = "phrasebook-qe"
    """Scorer that is timed, by name."""
    behaviour: str = "lowres-supervised"
    """Shipped policy whose samples are scored."""
    sources: int = 1_000
    """Number of sources; the first half chooses the cascade's gate."""
    candidates: int = 8
    """Number of samples of each source."""
    processes: tuple[int, ...] = (1, 2)
    """Numbers of processes of the pool."""
    repeats: int = 3
    """Timings of each, at least 1."""
    cost: int = 10
    """Calls of the network that one score of the dear scorer takes."""
    noise: tuple[float, ...] = (0.25, 0.5, 1.0)
    """Standard deviations of the dear scorer's logit around the cheap one's."""
    keep: tuple[float, ...] = (0.1,)
    """Shares of the samples that the filter keeps by the dear scorer."""
    agreement: float = 0.97
    """Share of the kept that may pass the gate in the half that chooses it; the target for the other half is 0.95."""


TINY = {"sources": 8, "candidates": 4, "repeats": 1, "cost": 2, "noise": (0.5,), "processes": (1,), "keep": (0.5,)}


class Dear:
    """A scorer of a known cost and a known distance to another.

    Args:
        scorer: The other one.
        cost: Calls of it that one score takes.
        noise: Standard deviation of the logits' difference.
    """

    def __init__(self, scorer: Scorer, cost: int, noise: float) -> None:
        self.scorer, self.cost, self.noise = scorer, cost, noise
        self.fingerprint = f"dear-{cost}-{noise}-{scorer.fingerprint}"

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """``[N]`` float32 in [0, 1]."""
        from scipy.special import expit, logit
        from scipy.stats import norm

        for _ in range(self.cost):
            scores = self.scorer.score(sources, hypotheses)
        digests = [
            hashlib.sha256(f"{source}\0{text}".encode()).digest()
            for source, text in zip(sources, hypotheses, strict=True)
        ]
        uniform = (np.array([int.from_bytes(each[:6], "big") for each in digests]) + 0.5) / 2**48
        return np.asarray(expit(logit(np.clip(scores, 1e-6, 1 - 1e-6)) + self.noise * norm.ppf(uniform)), np.float32)


def samples(behaviour: str, sources: int, candidates: int) -> tuple[list[str], list[str]]:
    """Sources and so many samples of each by a shipped policy, at the paper's temperature, repeats left in."""
    task = load_task("phrasebook-de-en", train_size=1, source_only_size=0)
    texts = list(task.split("validation").sources[:sources])
    policy = load_behaviour(behaviour, task)
    drawn = policy.sample(task.tokenizer.encode(texts), candidates, 0.8, seed=0)
    return [texts[place] for place in drawn.source_index], list(drawn.texts)


def cpu_seconds() -> tuple[float, dict[int, float]]:
    """CPU time of this process, and of each of its children by process id."""
    children: dict[int, float] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended since
            continue
        if int(fields[1]) == os.getpid():
            children[int(place.parent.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return time.process_time(), children


def critical_seconds(scorer: Scorer, sources: Sequence[str], hypotheses: Sequence[str]) -> float:
    """CPU time of one call, of this process and of the child that has most of it."""
    own, children = cpu_seconds()
    scorer.score(sources, hypotheses)
    own_after, children_after = cpu_seconds()
    return own_after - own + max([0.0, *(spent - children.get(each, 0.0) for each, spent in children_after.items())])


def pool_rows(config: Config, scorer: Scorer, sources: Sequence[str], hypotheses: Sequence[str]) -> list[list[str]]:
    """A pool of each number of processes, beside the scorer in line."""
    pools = {number: PoolScorer(scorer, config.scorer, processes=number) for number in config.processes}
    spent: dict[int, list[float]] = {number: [] for number in (0, *pools)}
    for repeat in range(1 + config.repeats):  # the first loads the networks
        for number in spent:
            seconds = critical_seconds(pools[number] if number else scorer, sources, hypotheses)
            if repeat:
                spent[number].append(len(sources) / seconds)
    inline = spent[0]
    for pool in pools.values():
        pool.close()
    return [
        [
            f"pool of {number}" if number else "in line",
            spread(rates),
            spread([rate / base for rate, base in zip(rates, inline, strict=True)]) if number else "",
        ]
        for number, rates in spent.items()
    ]


def cascade_row(
    config: Config, scorer: Scorer, noise: float, keep: float, sources: Sequence[str], hypotheses: Sequence[str]
) -> list[str]:
    """A cascade whose gate the first half of the samples chooses, beside the dear scorer on the second half."""
    dear, half = Dear(scorer, config.cost, noise), len(sources) // 2
    cheap = scorer.score(sources[:half], hypotheses[:half])
    rated = Dear(scorer, 1, noise).score(sources[:half], hypotheses[:half])
    threshold = float(np.quantile(rated, 1 - keep))
    cascade = CascadeScorer(scorer, dear, gate=cascade_gate(cheap, rated, threshold, config.agreement))
    texts = sources[half:], hypotheses[half:]
    started = time.process_time()
    alone = dear.score(*texts) > threshold
    between = time.process_time()
    ours = cascade.score(*texts) > threshold
    ended = time.process_time()
    passed = float((scorer.score(*texts) > cascade.gate).mean())
    agreement = float((alone & ours).sum() / max(1, (alone | ours).sum()))
    correlation = float(np.corrcoef(cheap, rated)[0, 1])
    return [
        f"{noise:g}", f"{correlation:.3f}", f"{keep:.0%}", f"{cascade.gate:.3f}", f"{passed:.1%}", f"{agreement:.1%}",
        f"{(between - started) / (ended - between):.2f}x",
    ]  # fmt: skip


def main() -> None:
    """Print the table of pools and that of cascades."""
    config = parse_options(Config, __doc__, TINY)
    scorer = load_scorer(config.scorer)
    sources, hypotheses = samples(config.behaviour, config.sources, config.candidates)
    distinct = len(set(zip(sources, hypotheses, strict=True)))
    print(f"{len(sources):,} samples of {config.behaviour}, {distinct:,} of them distinct")
    print(table(("way", "pairs per CPU second", "of in line"), pool_rows(config, scorer, sources, hypotheses)))
    names = ("noise", "correlation", "kept", "gate", "pass the gate", "agreement", f"of the dear one, {config.cost}x")
    rows = [
        cascade_row(config, scorer, each, keep, sources, hypotheses) for each in config.noise for keep in config.keep
    ]
    print(table(names, rows))


if __name__ == "__main__":
    main()
