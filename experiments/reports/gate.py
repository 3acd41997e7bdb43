"""The gate of a run: it closes where the learned reward rises and an unrelated measure falls.

It looks at translations of the *validation* sources alone, so that test sentences decide nothing. The measure is of
greedy ones, so that sharper samples do not hide what was lost. The reward may be theirs, or that of samples, which
training goes by: of what pays in samples, greedy translations may lose both ways. Each Improve step is compared, source
by source, with all before it; a run falls back to the best of them by the measure that gates, because the reward is
what may be fooled.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import agents
from agents.policy.run_evaluation import GATED
from experiments.reports.interference import LEVEL, TITLES, Values, are_related, change_between, signed, stage_values
from experiments.reports.statistics import Interval
from experiments.reports.tables import p_value, table
from experiments.runs.evaluation import Decode
from experiments.runs.experiment import Experiment
from experiments.runs.finished_stages import final_stage, look_stage, rest_stages, stage_name, step_of
from experiments.runs.run_folder import RunFolder, read_lines
from experiments.runs.settings import Settings
from experiments.runs.stages import keep_translations, translations_file
from seq2seq_env.atomic_files import naming
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks import Task

GateAction = Literal["off", "stop", "fall-back"]
GateMeasure = Literal["auto", "oracle", "judge", "chrf"]

SPLIT = "validation"


@dataclass(frozen=True)
class Look:
    """What the gate sees at one Improve step.

    Attributes:
        step: Stage of the step.
        since: Stage before it that it is compared with.
        best: Stage before it that is the best by the measure.
        measure: What gates: "oracle", "judge" or "chrf".
        reward: Change of the learned reward of greedy translations.
        samples: Change of that of samples; None where they are not known.
        change: Change of the measure, its p-value corrected for all comparisons of the run.
        closes: Whether the reward rose and the measure fell.
    """

    step: str
    since: str
    best: str
    measure: str
    reward: Interval
    samples: Interval | None
    change: Interval
    closes: bool

    def __str__(self) -> str:
        """What changed, in words."""
        samples = f"that of samples by {self.samples:+.3f}, " if self.samples is not None else ""
        return (
            f"since {stage_name(self.since)} the learned reward of greedy {SPLIT} translations changes by "
            f"{self.reward:+.3f}, {samples}and {TITLES[self.measure]} by {signed(self.measure, self.change)}"
        )

    def record(self) -> dict[str, Any]:
        """As JSON."""
        known = {"reward": self.reward, "samples": self.samples, "change": self.change}
        intervals = {name: each._asdict() if each is not None else None for name, each in known.items()}
        names = ("step", "since", "best", "measure", "closes")
        return {name: getattr(self, name) for name in names} | intervals

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Look:
        """What :meth:`record` gave, of a stage's result that may hold more."""
        reward, change = (Interval(**record[name]) for name in ("reward", "change"))
        samples = Interval(**record["samples"]) if record["samples"] is not None else None
        step, since, best, measure = (record[name] for name in ("step", "since", "best", "measure"))
        return cls(step, since, best, measure, reward, samples, change, record["closes"])


def look(stages: Mapping[str, Values], measure: str, looks: int = 1) -> Look:
    """Compare the last of several stages with those before it.

    The gate closes where since any of them a reward rose, of greedy translations or of samples, and the measure fell. A
    reward has risen where its interval is above 0; the measure has fallen where its p-value, multiplied by the number
    of comparisons that the whole run may make (Bonferroni), is below the level.

    Args:
        stages: Values by the stage's name, the supervised policy's first, of the same sources; at least two stages.
        measure: What gates.
        looks: Improve steps of the whole run.
    """
    *earlier, step = stages
    # Of equal ones the later, whose reward is the higher.
    best = max(reversed(earlier), key=lambda stage: float(stages[stage][measure].mean()))
    comparisons = looks * (looks + 1) // 2
    seen = []
    for since in (best, *(stage for stage in earlier if stage != best)):
        differences = change_between(stages, step, since).differences
        reward, samples, change = differences["reward"], differences.get("samples"), differences[measure]
        change = change._replace(p=min(1.0, change.p * comparisons))
        rises = reward.low > 0 or (samples is not None and samples.low > 0)
        closes = rises and change.mean < 0 and change.p < LEVEL
        seen.append(Look(step, since, best, measure, reward, samples, change, closes))
    return next((each for each in seen if each.closes), seen[0])


def gate_measure(by: GateMeasure, task: Task, scorer: Scorer, judge: Scorer | None) -> str:
    """What gates: of "auto" a judge of another make than the scorer, or else chrF against the validation references.

    Raises:
        ValueError: If there is no such measure, or the judge is of the scorer's make.
    """
    related = judge is not None and are_related(scorer, judge)
    if by == "auto":
        return "chrf" if judge is None or related else "judge"
    if by == "oracle" and task.oracle is None:
        raise ValueError(f"--gate-by oracle: task {task.name!r} has no oracle; give judge or chrf")
    if by == "judge" and related:
        raise ValueError(
            "--gate-by judge: the judge is of the scorer's make, and may overlook the same; give a --judge of another "
            "make, or --gate-by chrf"
        )
    return by


class Gate:
    """The gate of one run, which asks it after every Improve step.

    Args:
        run: Its folder keeps the validation translations, and each look.
        action: "off", and it never closes and costs nothing; "stop"; or "fall-back", which makes the best earlier
            step's policy the run's.
        by: What gates.
        looks: Improve steps that the run may have.

    Raises:
        ValueError: As for :func:`gate_measure`.
    """

    def __init__(self, run: Experiment[Settings], action: GateAction, by: GateMeasure, looks: int) -> None:
        self._run, self._action, self._looks = run, action, looks
        evaluator = run.evaluator
        self._measure = gate_measure(by, run.task, evaluator.scorer, evaluator.judge) if action != "off" else ""

    def closes(self, stage: str) -> bool:
        """Whether the run ends after a finished stage; looked once, and read from the folder from then on."""
        if self._action == "off":
            return False
        folder, name = self._run.folder, look_stage(stage)
        if not folder.has(name):
            folder.finish(name, self._look(stage) if folder.is_writer else None)
        return bool(folder.result(name)["closes"])

    def _look(self, stage: str) -> dict[str, Any]:
        stages = [each for each in rest_stages(self._run.folder.path) if step_of(each) <= step_of(stage)]
        seen = look({each: validation_values(self._run, each) for each in stages}, self._measure, self._looks)
        verdict = f"closes ({self._action})" if seen.closes else "stays open"
        print(f"Gate at {stage_name(stage)}: {seen}: {verdict}")
        final = stage
        if seen.closes and self._action == "fall-back":
            final = seen.best
            self._fall_back(final)
        return seen.record() | {"action": self._action, "final": final}

    def _fall_back(self, stage: str) -> None:
        """Copy a policy to where a reader of the folder looks for its last one."""
        place = self._run.folder.checkpoint(GATED)
        partial = place.with_name(f".{GATED}.partial")
        with naming(place):
            for folder in (partial, place):
                shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed here
            shutil.copytree(self._run.folder.checkpoint(stage), partial)
            partial.replace(place)


def validation_values(run: Experiment[Settings], stage: str) -> Values:
    """What the gate sees of the policy that a run keeps of a stage; translated once."""
    folder = run.folder
    file = folder.path / translations_file(stage, SPLIT)
    if not file.is_file():
        policy = agents.Seq2SeqPolicy.load(folder.checkpoint(stage), run.config.device)
        decodes: tuple[Decode, ...] = ("sample", "greedy")
        translated = {each: run.evaluator.translations(policy, SPLIT, each) for each in decodes}
        keep_translations(run, stage, translated, SPLIT)
    lines = read_lines(file)
    return {**stage_values(lines), "samples": stage_values(lines, decode="sample")["reward"]}


def looks_of(run: RunFolder) -> list[dict[str, Any]]:
    """Records of the gate's looks at a run, in order; none where it had no gate."""
    names = [look_stage(stage) for stage in rest_stages(run.path)]
    return [run.result(name) for name in names if run.has(name)]


def gate_sentence(run: RunFolder) -> list[str]:
    """What the gate did, for the first lines of a report; nothing of a run without a gate."""
    records = looks_of(run)
    if not records:
        return []
    last, seen = records[-1], Look.from_record(records[-1])
    if not seen.closes:
        return [
            f"The gate, by {TITLES[seen.measure]} of {SPLIT} translations, stayed open at all of {len(records)} "
            "Improve steps."
        ]
    did = "The run stopped" if last["action"] == "stop" else "The run fell back"
    return [
        f"GATED at {stage_name(seen.step)}: {seen}. {did}: its policy is that of {stage_name(final_stage(run.path))}, "
        "and controls trained for the tokens that were really spent."
    ]


def gate_parts(run: RunFolder) -> list[str]:
    """Section of the report on all looks; nothing of a run without a gate."""
    looks = [Look.from_record(record) for record in looks_of(run)]
    if not looks:
        return []
    measure = TITLES[looks[0].measure]
    rows = (
        [stage_name(each.step), stage_name(each.since), f"{each.reward:+.3f}",
         "-" if each.samples is None else f"{each.samples:+.3f}", signed(each.measure, each.change),
         p_value(each.change.p), "closes" if each.closes else "open"] for each in looks
    )  # fmt: skip
    return [
        "## Gate",
        f"Greedy {SPLIT} translations of each Improve step, and the reward of samples, against the best one before it "
        f"by {measure}, or another before it that closed the gate; p is corrected for all comparisons that the run "
        "might have made.",
        table(["step", "since", "learned reward", "of samples", measure, "p", "gate"], rows),
    ]
