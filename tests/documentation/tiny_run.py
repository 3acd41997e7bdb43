"""``python -m tests.documentation.tiny_run FOLDER``: a finished run of growing_batch.py, and text files, in seconds.

The run is of the embedded task, as the documentation's are, so its buffer and its policies work with that task; but of
so few sentences that a small policy learns them by heart and its samples are worth something.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from agents import PolicyConfig, TrainingConfig
from experiments.growing_batch import Config, growing_batch, report
from experiments.runs.evaluation import Evaluator
from experiments.runs.experiment import Experiment
from experiments.runs.run_folder import RunFolder
from seq2seq_env import Task, load_scorer, load_task
from seq2seq_env.tasks import Oracle, Split

PAIRS, EVALUATED = 64, 8
TEXT_LINES = {"train": 600, "validation": 60, "test": 60}

TRAINING = TrainingConfig(
    learning_rate=1e-2, max_tokens=20_000, tokens_per_batch=96, warmup_tokens=500, evaluate_every=20_000,
    progress=False,
)  # fmt: skip
CONFIG = Config(
    grow_steps=2,
    improve_steps=3,
    sources=48,
    candidates=4,
    policy=PolicyConfig(d_model=48, num_heads=2, encoder_layers=1, decoder_layers=1, ffn_dim=96, dropout=0.0),
    supervised=TRAINING,
    improve=replace(TRAINING, learning_rate=1e-3, tokens_per_batch=256, max_tokens=500, evaluate_every=500),
    device="cpu",
)


class Excerpt(Task):
    """The first training pairs of a task, which takes that task's place in a buffer.

    Validation and test are training pairs, too: what is learned by heart shows nowhere else.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self.name, self.fingerprint, self.tokenizer = task.name, task.fingerprint, task.tokenizer
        self.max_source_length, self.max_target_length = task.max_source_length, task.max_target_length
        self.default_scorer = task.default_scorer
        sources, references = pairs(task, "train", PAIRS)
        counts = {"train": PAIRS, "validation": EVALUATED, "test": EVALUATED}
        self._splits = {name: Split(name, sources[:count], references[:count]) for name, count in counts.items()}

    def split(self, name: str) -> Split:
        return self._splits[name]

    @property
    def oracle(self) -> Oracle | None:
        return self._task.oracle


def pairs(task: Task, split: str, count: int) -> tuple[list[str], list[str]]:
    """The first sources and references of a split, without making the others."""
    sources, references = zip(*(task.pair(split, row) for row in range(count)), strict=True)
    return list(sources), list(references)


def main(folder: Path) -> None:
    """Fill a folder with ``runs/growing_batch`` and ``data``."""
    task = load_task(CONFIG.task, source_only_size=0)
    scorer = load_scorer(str(task.default_scorer))
    config = replace(CONFIG, out=folder / "runs" / "growing_batch")
    facts = {"task_fingerprint": task.fingerprint, "scorer_fingerprint": scorer.fingerprint}
    excerpt, started = Excerpt(task), time.perf_counter()
    run_folder = RunFolder(config.out, config.recorded() | facts)
    evaluator = Evaluator(excerpt, scorer, temperature=config.temperature, seed=config.seed, watch=run_folder.watch)
    run = Experiment(config, excerpt, evaluator, run_folder)
    growing_batch(run)
    run_folder.spend(time.perf_counter() - started)
    run_folder.close()
    report(run)
    write_text(load_task(CONFIG.task, noise=0.0), folder / "data")


def write_text(task: Task, folder: Path) -> None:
    """Aligned text files of German and English."""
    folder.mkdir(parents=True)
    for split, count in TEXT_LINES.items():
        for ending, lines in zip(("de", "en"), pairs(task, split, count), strict=True):
            (folder / f"{split}.{ending}").write_text("".join(f"{line}\n" for line in lines), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
