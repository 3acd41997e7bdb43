"""Systems of a run: the stages whose test translations it keeps, by default those that a claim is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.reports.evidence import TITLES
from experiments.runs.evaluation import Decode
from experiments.runs.finished_stages import ARM_STAGES, final_stage, rest_stages, stage_name
from experiments.runs.run_folder import read_lines
from experiments.runs.stages import SUPERVISED, translations_file
from seq2seq_env.suggestions import check_name

Lines = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class System:
    """A stage's translations of the test sources.

    Attributes:
        stage: Its name in the run.
        texts: N.
        measures: Learned reward, and oracle and judge where the run has them, of each text.
    """

    stage: str
    texts: list[str]
    measures: dict[str, list[float]]

    @property
    def name(self) -> str:
        """As tables show it."""
        return stage_name(self.stage)


def read_systems(run: Path, stages: Sequence[str] | None, decode: Decode) -> tuple[list[System], list[str], list[str]]:
    """The systems to compare, the sources, and their references.

    Args:
        run: Folder of the run.
        stages: Names, the one that others are compared with first; None takes the supervised policy, the run's final
            one, which a gate may have fallen back to, and the best control by true quality, by the judge or by the
            reward, whichever the run has first.
        decode: Which of the translations.

    Raises:
        FileNotFoundError: If the run keeps no translations.
        ValueError: If a stage is not there, or given twice, has no such translations, or fewer than two are there.
    """
    folder = (run / translations_file("x")).parent
    kept = sorted(path.stem for path in folder.glob("*.jsonl"))
    if not kept:
        raise FileNotFoundError(f"{str(run)!r} keeps no test translations in hypotheses/; name a run's folder")
    for stage in stages or ():
        check_name("stage", stage, kept)
    chosen = list(stages) if stages else _default_stages(run, kept, decode)
    if len(set(chosen)) < max(2, len(chosen)):
        raise ValueError(
            f"the stages are {', '.join(chosen)}; name two or more that differ with --stages, of {', '.join(kept)}"
        )
    lines = {stage: read_lines(folder / f"{stage}.jsonl") for stage in chosen}
    first = lines[chosen[0]]
    sources = [line["source"] for line in first]
    for stage, each in lines.items():
        if not each or decode not in each[0]:
            raise ValueError(f"stage {stage!r} has no translations by {decode!r}; choose other --stages or --decode")
        if [line["source"] for line in each] != sources:
            raise ValueError(f"stages {chosen[0]!r} and {stage!r} are of different sources; rate stages of one run")
    return [_system(stage, lines[stage], decode) for stage in chosen], sources, [line["reference"] for line in first]


def _system(stage: str, lines: Lines, decode: Decode) -> System:
    names = {name: f"{decode}_{name}" for name in ("reward", "oracle", "judge")}
    measures = {name: [float(line[column]) for line in lines] for name, column in names.items() if column in lines[0]}
    return System(stage, [line[decode] for line in lines], measures)


def _default_stages(run: Path, kept: Sequence[str], decode: Decode) -> list[str]:
    """The supervised policy, the run's final one, and the control that a gain counts above."""
    final = [final_stage(run)] if rest_stages(run) else []
    chosen = [stage for stage in dict.fromkeys([SUPERVISED, *final]) if stage in kept]
    controls = {stage: read_lines(run / translations_file(stage)) for stage in kept if stage in ARM_STAGES}
    for measure in TITLES:  # what is trusted most comes first
        column = f"{decode}_{measure}"
        known = {stage: lines for stage, lines in controls.items() if lines and column in lines[0]}
        if known:
            means = {stage: np.mean([line[column] for line in lines]) for stage, lines in known.items()}
            return [*chosen, max(means, key=means.__getitem__)]
    return chosen
