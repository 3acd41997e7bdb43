"""Make a scorer out of others, in a folder that every --scorer takes: normalised to [0, 1], or an ensemble."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro
from numpy.typing import NDArray

from seq2seq_env.commands import arguments, command_frame
from seq2seq_env.scorers.description import check_free, write_description
from seq2seq_env.scorers.loading import RUN_PROGRAMS, load_scorer, resolve, runs_program
from seq2seq_env.scorers.scorer import raw_scores
from seq2seq_env.scorers.wrappers.ensemble import EnsembleScorer
from seq2seq_env.scorers.wrappers.normalised import Knot, NormalisedScorer, affine_knots, quantile_knots
from seq2seq_env.tasks import TaskOptions, load_task
from seq2seq_env.tasks.corpora.aligned_text import read_pairs
from seq2seq_env.tasks.task import SPLITS, Task


@dataclass(frozen=True)
class Calibrate:
    """Map a scorer's own scale to [0, 1], by its scores of a task's texts or a file's, or by --low and --high."""

    scorer: str
    """Name, folder or specification of the scorer, as for every --scorer; its scores may be any finite numbers."""
    out: Path
    """Folder to write scorer.json to; made if it is not there."""
    method: Literal["affine", "quantile"] = "affine"
    """Form of the map: "affine" keeps distances between two ends, beyond which all is 0 or 1; "quantile" makes ranks of
    scores."""
    low: float | None = None
    """Score that becomes 0, together with --high and "affine", in place of texts; above --high where small scores are
    good ones."""
    high: float | None = None
    """Score that becomes 1, together with --low."""
    task: str | None = None
    """Task whose references, and as many references of other sources as bad translations, are scored; a scorer that
    goes by a task, "guarded:" or "lexical:", goes by this one."""
    task_options: TaskOptions = field(default_factory=dict)
    """Options of the task, names and values in turn: --task text-files --task-options folder data source de target
    en."""
    split: str = "train"
    """Split of the task: "train", "validation" or "test"."""
    sources: int = 1_000
    """Number of sources drawn from the split, at least 2; all if there are fewer."""
    pairs: Path | None = None
    """Table of pairs to score in place of a task's: a .tsv (with a header) or .jsonl, such as `buffers export --texts`
    writes."""
    columns: tuple[str, str] = ("source_text", "target_text")
    """Columns of --pairs with source and hypothesis."""
    percentiles: tuple[float, float] = (1.0, 99.0)
    """Percentiles of the scores that "affine" takes as the two ends."""
    knots: int = 101
    """Points of the scores' distribution that "quantile" keeps, at least 2."""
    lower_is_better: bool = False
    """Whether small scores are good ones, as of a scorer that rates errors."""
    seed: int = 0
    """Seed of the draw of sources, at least 0."""
    device: str = "cpu"
    """Device of the scorer, "cpu" or "cuda"."""

    def run(self) -> None:
        """Write it and print what it does to the texts."""
        lower, upper = self.percentiles
        if not 0 <= lower < upper <= 100:
            raise ValueError(f"the percentiles are {lower:g} and {upper:g}; give two that rise, from 0 to 100")
        check_free(self.out)
        name = resolve(self.scorer, Path.cwd())
        if self.seed < 0:
            raise ValueError(f"--seed is {self.seed}; give 0 or more")
        task = None if self.task is None else load_task(self.task, **self.task_options)
        scorer = load_scorer(name, device=self.device, task=task)
        if self.low is not None or self.high is not None:
            calibrated_on, knots = "given", NormalisedScorer(scorer, self._given_knots()).knots
        else:
            sources, hypotheses, calibrated_on = self._texts(task)
            raw = raw_scores(scorer, sources, hypotheses)
            normalised = NormalisedScorer(scorer, self._knots(raw))
            knots = normalised.knots
            print(f"{len(sources):,} pairs: {calibrated_on}")
            for what, scores in (("own scale", raw), ("normalised", normalised.mapped(raw))):
                marks = np.percentile(scores, (0, 25, 50, 75, 100))
                print(f"{what}: {' '.join(f'{mark:.3f}' for mark in marks)} (least, quartiles, most)")
        record = {"kind": "normalised", "scorer": name, "knots": knots}
        write_description(self.out, record | {"scorer_fingerprint": scorer.fingerprint, "calibrated_on": calibrated_on})
        print(_next(self.out))

    def _given_knots(self) -> list[Knot]:
        texts = [name for name in ("task", "pairs") if getattr(self, name) is not None]
        if self.low is None or self.high is None or self.method != "affine" or self.lower_is_better or texts:
            raise ValueError(
                "--low and --high go together, with the affine method and without --task, --pairs and "
                "--lower-is-better; give a --low above --high where small scores are good ones"
            )
        return affine_knots(self.low, self.high)

    def _knots(self, raw: NDArray[np.float32]) -> list[Knot]:
        if self.method == "quantile":
            return quantile_knots(raw, self.knots, falling=self.lower_is_better)
        ends = np.percentile(raw.astype(np.float64), self.percentiles).tolist()
        return affine_knots(*(reversed(ends) if self.lower_is_better else ends))

    def _texts(self, task: Task | None) -> tuple[list[str], list[str], str]:
        """Sources and hypotheses from bad to good, and a description of them for a reader."""
        if (task is None) == (self.pairs is None):
            raise ValueError("a scorer is calibrated on --task or --pairs, or by --low and --high; give one of them")
        if self.pairs is not None:
            name = self.pairs.name.removesuffix(".gz").removesuffix(".tsv").removesuffix(".jsonl")
            pairs = read_pairs(self.pairs.parent, name, *self.columns)
            if not pairs:
                raise ValueError(f"{str(self.pairs)!r} has no pairs; give a table with some to calibrate on")
            return [source for source, _ in pairs], [hypothesis for _, hypothesis in pairs], str(self.pairs)
        assert task is not None
        most = min(self.sources, task.size(self.split))
        if most < 2:
            raise ValueError(f"a scorer cannot be calibrated on {most} sources; give 2 or more")
        rows = np.random.default_rng(self.seed).choice(task.size(self.split), size=most, replace=False)
        drawn = [task.pair(self.split, int(row)) for row in rows]
        own, references = [source for source, _ in drawn], [text for _, text in drawn if text is not None]
        if len(references) < len(own):
            raise ValueError(
                f"split {self.split!r} has no references to calibrate on; choose one of {', '.join(SPLITS)}"
            )
        texts = f"references of {self.task} ({self.split}, {task.fingerprint[:12]}), half of them of other sources"
        return own * 2, references + references[1:] + references[:1], texts


@dataclass(frozen=True)
class Ensemble:
    """Describe the weighted mean of several scorers in a folder; --scorer "ensemble: one other" needs none."""

    scorers: tuple[str, ...]
    """Names, folders or specifications of the scorers."""
    out: Path
    """Folder to write scorer.json to; made if it is not there."""
    weights: tuple[float, ...] | None = None
    """Weight of each scorer, 1 in all; None weighs them alike."""

    def run(self) -> None:
        """Write it."""
        names = [resolve(name, Path.cwd()) for name in self.scorers]
        weights = None if self.weights is None else list(self.weights)
        EnsembleScorer([load_scorer(name) for name in names], weights)
        write_description(
            self.out, {"kind": "ensemble", "scorers": names} | ({} if weights is None else {"weights": weights})
        )
        print(_next(self.out))


def _next(out: Path) -> str:
    """How to use what was written."""
    usage = f"--scorer {shlex.quote(str(out))}, or load_scorer({str(out)!r})"
    if not runs_program(str(out)):
        return f"next: {usage}"
    return f"next: set the environment variable {RUN_PROGRAMS}=1, since a program is inside; then {usage}"


Command = (
    Annotated[Calibrate, tyro.conf.subcommand("calibrate")] | Annotated[Ensemble, tyro.conf.subcommand("ensemble")]
)


def main() -> None:
    """Run the command; exit with 1 and one sentence where something is wrong."""
    with command_frame():
        command: Calibrate | Ensemble = tyro.cli(
            Command, args=arguments(), prog="python -m seq2seq_env.scorers", description=__doc__
        )
        command.run()


if __name__ == "__main__":
    main()
