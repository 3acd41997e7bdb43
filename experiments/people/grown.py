"""Samples of a Grow step, as systems that people rate: the first translations of its sources, the second, and so on."""

from __future__ import annotations

from pathlib import Path

from buffers import GrowingBatchBuffer
from experiments.people.systems import System
from experiments.runs.finished_run import task_of
from experiments.runs.refresh_ratings import judging_sources, texts_of
from experiments.runs.run_folder import CONFIG
from seq2seq_env.atomic_files import read_json
from seq2seq_env.tasks.corpora.cleaning import bare


def read_grown(run: Path, grow_step: int, candidates: int) -> tuple[list[System], list[str], list[str]]:
    """Different samples of each source of a Grow step, the sources, and their references, empty where there is none.

    A source that the run is judged by is left out; of one with fewer samples, the last stands for those that lack.

    Args:
        run: Its folder; it need not be finished.
        grow_step: Number g, from 1.
        candidates: Samples of each source.

    Raises:
        FileNotFoundError: If the folder holds no run.
        ValueError: If its buffer has no such Grow step.
    """
    if not (run / CONFIG).is_file():
        raise FileNotFoundError(f"no run in {str(run)!r}; name a folder that growing_batch.py writes to")
    config = read_json(run / CONFIG)
    task = task_of(config)
    buffer = GrowingBatchBuffer(config.get("buffer") or run / "buffer", task=task)
    if grow_step not in buffer.grow_steps:
        known = ", ".join(str(g) for g in buffer.grow_steps if g) or "none yet"
        raise ValueError(f"{str(run)!r} has no Grow step {grow_step}; its Grow steps are: {known}")
    samples = buffer.select(grow_step=grow_step)
    samples = samples.where(~samples.is_reference)
    by_source: dict[str, dict[str, float]] = {}
    judging = judging_sources(task)
    for source, text, reward in zip(*texts_of(samples, task), samples.rewards.tolist(), strict=True):
        if bare(source) not in judging:
            by_source.setdefault(source, {}).setdefault(text, reward)
    first = [list(known.items())[:candidates] for known in by_source.values()]
    systems = []
    for place in range(candidates):
        texts, rewards = zip(*(own[min(place, len(own) - 1)] for own in first), strict=True)
        systems.append(System(f"sample-{place + 1}", list(texts), {"reward": list(rewards)}))
    pairs = task.split("train")
    references = dict(zip(pairs.sources, pairs.references, strict=True))
    return systems, list(by_source), [references.get(source, "") for source in by_source]
