"""Make a scorer out of others, in a folder that every --scorer takes: normalised to [0, 1], or an ensemble."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from seq2seq_env.scorers.description import write_description
from seq2seq_env.scorers.loading import load_scorer, located
from seq2seq_env.scorers.wrappers.ensemble import EnsembleScorer
from seq2seq_env.scorers.wrappers.fitting import Method, fit, give, task_pairs
from seq2seq_env.tasks import TaskOptions, load_task
from seq2seq_env.tasks.corpora.aligned_text import read_pairs


@dataclass(frozen=True)
class Fit:
    """Map a scorer's own scale to [0, 1], fitted to a task's texts or a file's, or given by --low and --high."""

    scorer: str
    """Name or folder of the scorer, as for every --scorer; its scores may be any finite numbers."""
    out: Path
    """Folder to write scorer.json to, made if it is not there."""
    method: Method = "affine"
    """"affine" keeps distances between two ends, beyond which all is 0 or 1; "quantile" makes ranks of scores."""
    low: float | None = None
    """The score that becomes 0, with --high and "affine"; nothing is fitted then. Above --high where small scores are
    good ones."""
    high: float | None = None
    """The score that becomes 1."""
    task: str | None = None
    """Fit to this task's references and as many of other sources, bad translations."""
    task_options: TaskOptions = field(default_factory=dict)
    """Its options, names and values in turn: --task text-files --task-options folder data source de target en."""
    split: str = "train"
    """Of the task: "train", "validation" or "test"."""
    sources: int = 1_000
    """Drawn from the split, at least 2; all if there are fewer."""
    pairs: Path | None = None
    """Fit to the pairs of this .tsv (with a header) or .jsonl instead, such as `buffers export --texts` writes."""
    columns: tuple[str, str] = ("source_text", "target_text")
    """Of --pairs: source and hypothesis."""
    percentiles: tuple[float, float] = (1.0, 99.0)
    """Of the scores, which "affine" takes as the two ends."""
    knots: int = 101
    """Points of the distribution that "quantile" keeps, at least 2."""
    lower_is_better: bool = False
    """The scorer rates errors."""
    seed: int = 0
    """Of the draw, at least 0."""
    device: str = "cpu"
    """Where the scorer computes, "cpu" or "cuda"."""

    def run(self) -> None:
        """Write it and print what it does to the texts."""
        if self.low is not None or self.high is not None:
            self._give()
            return
        if (self.task is None) == (self.pairs is None):
            raise ValueError("a normalisation is fitted to --task or --pairs, or given by --low and --high; give one")
        sources, hypotheses, texts = self._texts()
        fitted = fit(
            self.scorer, sources, hypotheses, self.out, method=self.method, percentiles=self.percentiles,
            knots=self.knots, falling=self.lower_is_better, fitted_on=texts, device=self.device,
        )  # fmt: skip
        print(f"{len(sources):,} pairs: {texts}")
        for what, scores in (("own scale", fitted.raw), ("normalised", fitted.scores)):
            marks = np.percentile(scores, (0, 25, 50, 75, 100))
            print(f"{what}: {' '.join(f'{mark:.3f}' for mark in marks)} (least, quartiles, most)")
        self._say_next()

    def _give(self) -> None:
        fitting = [name for name in ("task", "pairs") if getattr(self, name) is not None]
        if self.low is None or self.high is None or self.method != "affine" or self.lower_is_better or fitting:
            raise ValueError(
                "--low and --high go together, with the affine method and without --task, --pairs and "
                "--lower-is-better; give a --low above --high where small scores are good ones"
            )
        give(self.scorer, self.low, self.high, self.out, device=self.device)
        self._say_next()

    def _texts(self) -> tuple[list[str], list[str], str]:
        if self.pairs is not None:
            name = self.pairs.name.removesuffix(".gz").removesuffix(".tsv").removesuffix(".jsonl")
            pairs = read_pairs(self.pairs.parent, name, *self.columns)
            if not pairs:
                raise ValueError(f"{str(self.pairs)!r} has no pairs; a normalisation needs some to be fitted to")
            return [source for source, _ in pairs], [hypothesis for _, hypothesis in pairs], str(self.pairs)
        assert self.task is not None
        if self.seed < 0:
            raise ValueError(f"--seed is {self.seed}; give 0 or more")
        task = load_task(self.task, **self.task_options)
        texts = f"references of {self.task} ({self.split}, {task.fingerprint[:12]}), half of them of other sources"
        return *task_pairs(task, self.split, self.sources, self.seed), texts

    def _say_next(self) -> None:
        print(f"next: --scorer {self.out}, or load_scorer({str(self.out)!r})")


@dataclass(frozen=True)
class Ensemble:
    """Write down the weighted mean of several scorers; --scorer "ensemble: one other" needs no folder."""

    scorers: tuple[str, ...]
    """Names or folders."""
    out: Path
    """Folder to write scorer.json to, made if it is not there."""
    weights: tuple[float, ...] | None = None
    """One for each, 1 in all; None weighs them alike."""

    def run(self) -> None:
        """Write it."""
        names = [located(name, Path.cwd()) for name in self.scorers]
        weights = None if self.weights is None else list(self.weights)
        EnsembleScorer([load_scorer(name) for name in names], weights)
        write_description(
            self.out, {"kind": "ensemble", "scorers": names} | ({} if weights is None else {"weights": weights})
        )
        print(f"next: --scorer {self.out}, or load_scorer({str(self.out)!r})")


Command = Annotated[Fit, tyro.conf.subcommand("fit")] | Annotated[Ensemble, tyro.conf.subcommand("ensemble")]


def main() -> None:
    """Run the command; exit with 1 and one sentence where something is wrong."""
    command: Fit | Ensemble = tyro.cli(Command, prog="python -m seq2seq_env.scorers", description=__doc__)
    try:
        command.run()
    except (ValueError, TypeError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
