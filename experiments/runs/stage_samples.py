"""Many samples of a finished run's policies, scored once, stage by stage; a stage that is there is not sampled again.

Shape letters: B sources, M samples of each, D distinct ones of a source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.runs.finished_run import FinishedRun, stage_place
from experiments.runs.run_folder import STAGES, RunFolder
from experiments.runs.stages import SUPERVISED
from seq2seq_env.atomic_files import read_json
from seq2seq_env.progress import progress_bar
from seq2seq_env.scorers import checked_scores

if TYPE_CHECKING:
    from agents import Engine, Seq2SeqPolicy
    from buffers import Samples

FOLDER = "best-of-n"
"""Folder within a run's, with the samples of its policies."""

AT_ONCE = 16
"""Sources that are sampled together, between two updates of the progress bar."""


@dataclass(frozen=True)
class Candidates:
    """The M samples of one source, equal ones together.

    Attributes:
        texts: D of them.
        counts: int64 [D], how often each was drawn.
        reward: float64 [D], the scorer's.
        gold: float64 [D], true quality by the oracle, else the judge; None where there is neither.
        log_ratio: float64 [D], ``log pi(y | x) - log pi_0(y | x)`` of the whole translation at the sampling
            temperature, nats, with the supervised policy as ``pi_0``.
    """

    texts: list[str]
    counts: NDArray[np.int64]
    reward: NDArray[np.float64]
    gold: NDArray[np.float64] | None
    log_ratio: NDArray[np.float64]

    def mean(self, values: NDArray[np.float64]) -> float:
        """Mean over the M samples of values [D]."""
        return float(self.counts @ values / self.counts.sum())

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(self).items()}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Candidates:
        """What :meth:`record` gave."""
        counts, reward, log_ratio = (np.array(record[name]) for name in ("counts", "reward", "log_ratio"))
        gold = None if record["gold"] is None else np.array(record["gold"])
        return cls(record["texts"], counts, reward, gold, log_ratio)


class _SamplesFolder(RunFolder):
    """Where a run's samples are kept, within its folder, so that no ``--out`` chooses another."""

    REMEDY: ClassVar[str] = "delete that folder to sample anew, or give the options that it was sampled with"


class Wanted(NamedTuple):
    """Which samples.

    Attributes:
        stage: Of the policy.
        temperature: Of the samples.
        samples: M, of each source.
    """

    stage: str
    temperature: float
    samples: int

    @property
    def name(self) -> str:
        """Of the record."""
        return f"{self.stage}-t{self.temperature:g}-n{self.samples}"


@dataclass(frozen=True)
class Sampling:
    """What the samples of all stages have in common.

    Attributes:
        sources: B distinct test sources, drawn without replacement.
        seed: Of the drawing and of the samples, the same for every policy.
        engine: That samples.
    """

    sources: int
    seed: int
    engine: Engine


def sources_drawn(available: int, wanted: int, seed: int) -> NDArray[np.int64]:
    """Rows of the distinct test sources that are sampled, sorted; all where there are no more than wanted."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(available, min(wanted, available), replace=False)).astype(np.int64)


def sample_stages(
    run: FinishedRun, wanted: Sequence[Wanted], sampling: Sampling, device: str = "cpu", *, progress: bool = True
) -> dict[Wanted, list[Candidates]]:
    """The samples of each stage by source, from the run's folder where they are there.

    Raises:
        FileExistsError: If the folder has samples of other sources, or of another seed or engine.
        FileNotFoundError: If a stage has no policy.
        OSError: If the samples cannot be written.
    """
    folder = _SamplesFolder(run.path / FOLDER, asdict(sampling) | {"gold": run.gold, "distinct": True}, ())
    missing = [each for each in wanted if not folder.has(each.name)]
    if missing:
        import agents

        test = list(dict.fromkeys(run.sources))
        sources = [test[row] for row in sources_drawn(len(test), sampling.sources, sampling.seed).tolist()]
        supervised = agents.Seq2SeqPolicy.load(run.checkpoint(SUPERVISED), device)
        for number, each in enumerate(missing, start=1):
            policy = agents.Seq2SeqPolicy.load(run.checkpoint(each.stage), device)
            desc, drawn = f"{run.path.name} {each.stage}, {number} of {len(missing)}", list[Candidates]()
            with progress_bar(total=len(sources), unit="source", desc=desc, shown=progress) as bar:
                for start in range(0, len(sources), AT_ONCE):
                    part = sources[start : start + AT_ONCE]
                    # One for all policies: the same random numbers give policies that differ little equal samples.
                    seed = int(np.random.SeedSequence((sampling.seed, start)).generate_state(1, np.uint64)[0])
                    sampler = agents.make_sampler(policy, sampling.engine)
                    samples = sampler.sample(policy.encode(part), each.samples, each.temperature, seed)
                    drawn += _scored(run, part, samples, supervised, each)
                    bar.update(len(part))
            folder.finish(each.name, [one.record() for one in drawn])
    return {each: _read(run.path, each) for each in wanted}


def kept_samples(path: Path) -> dict[Wanted, list[Candidates]]:
    """What :func:`sample_stages` left in a run's folder: of each stage and temperature, where it drew most samples.

    Raises:
        FileNotFoundError: If it left nothing.
        ValueError: If a record is corrupt.
    """
    most: dict[tuple[str, float], Wanted] = {}
    for record in (path / FOLDER / STAGES).glob("*-t*-n*.json"):
        stage, temperature, samples = record.stem.rsplit("-", 2)
        each = Wanted(stage, float(temperature[1:]), int(samples[1:]))
        most[each[:2]] = max(most.get(each[:2], each), each)
    if not most:
        raise FileNotFoundError(f"no samples of policies in {str(path)!r}; draw them first: rest best-of-n {path}")
    return {
        each: _read(path, each)
        for each in sorted(most.values(), key=lambda each: (each.temperature, stage_place(each.stage)))
    }


def _read(path: Path, wanted: Wanted) -> list[Candidates]:
    return [Candidates.from_record(each) for each in read_json(path / FOLDER / STAGES / f"{wanted.name}.json")]


class _Distinct(NamedTuple):
    """Distinct samples of some sources, those of a source together.

    Attributes:
        rows: Of their sources.
        tokens: Of each.
        texts: Of each.
        counts: int64, how often each was drawn.
        log_prob: float64, nats, under the policy that drew them.
    """

    rows: list[int]
    tokens: list[list[int]]
    texts: list[str]
    counts: NDArray[np.int64]
    log_prob: NDArray[np.float64]


def _distinct(samples: Samples) -> _Distinct:
    """Equal tokens of a source once."""
    log_prob = np.add.reduceat(samples.log_prob.astype(np.float64), samples.offsets[:-1])
    counts: dict[tuple[int, tuple[int, ...]], int] = {}
    first = []
    for i, (low, high) in enumerate(pairwise(samples.offsets.tolist())):
        key = int(samples.source_index[i]), tuple(samples.tokens[low:high].tolist())
        if key not in counts:
            first.append(i)
        counts[key] = counts.get(key, 0) + 1
    rows, tokens = [row for row, _ in counts], [list(each) for _, each in counts]
    return _Distinct(rows, tokens, [samples.texts[i] for i in first], np.array([*counts.values()]), log_prob[first])


def _scored(
    run: FinishedRun, sources: Sequence[str], samples: Samples, supervised: Seq2SeqPolicy, wanted: Wanted
) -> list[Candidates]:
    """The samples of each source with rewards, true quality and log-ratio."""
    rows, tokens, texts, counts, log_prob = _distinct(samples)
    repeated = [sources[row] for row in rows]
    if wanted.stage == SUPERVISED:
        log_ratio = np.zeros(len(rows))
    else:
        before = supervised.log_probs(supervised.encode(repeated), tokens, wanted.temperature)
        log_ratio = log_prob - np.array([each.sum(dtype=np.float64) for each in before])
    reward = checked_scores(run.scorer, repeated, texts).astype(np.float64)
    gold = run.gold_scores(repeated, texts)
    scored = []
    for low, high in pairwise(np.searchsorted(rows, np.arange(len(sources) + 1)).tolist()):
        known = None if gold is None else gold[low:high].astype(np.float64)
        scored.append(Candidates(texts[low:high], counts[low:high], reward[low:high], known, log_ratio[low:high]))
    return scored
