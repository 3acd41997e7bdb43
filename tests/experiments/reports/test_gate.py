"""The gate: what closes it, what it leaves open, and a whole run that is fooled without it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from numpy.typing import NDArray

from agents import Agent, Seq2SeqPolicy, policy_folder, run_evaluation
from experiments import growing_batch as script
from experiments.growing_batch import Config, growing_batch, report
from experiments.reports.gate import Gate, Look, gate_measure, gate_parts, gate_sentence, look
from experiments.runs import supervised
from experiments.runs.evaluation import Evaluator
from experiments.runs.experiment import Experiment
from experiments.runs.finished_stages import final_stage, rest_stages
from experiments.runs.run_folder import RunFolder
from experiments.runs.stages import UNTRAINED
from seq2seq_env.atomic_files import read_json
from seq2seq_env.scorers import CachedScorer
from seq2seq_env.tasks import Task
from tests.digest_scorer import Digest
from tests.experiments.tiny_experiment import GROWING, begin

NOISE = np.random.default_rng(0).normal(0, 0.1, (6, 400))


def stages(**shifts: Sequence[float]) -> dict[str, dict[str, NDArray[np.float64]]]:
    """A supervised policy and Improve steps after it, whose measures differ from its by so much, but for noise."""
    names = ["g0i0", "g1i1", "g1i2", "g2i1", "g2i2", "g2i3"][: len(next(iter(shifts.values())))]
    return {
        name: {measure: 0.5 + shift[step] + NOISE[step] for measure, shift in shifts.items()}
        for step, name in enumerate(names)
    }


@pytest.mark.parametrize(
    ("reward", "chrf", "since", "closes"),
    [
        ([0, 0.1, 0.2], [0, 0.1, -0.1], "g1i1", True),  # since the best step, not the one before all
        ([0, 0.1, 0.2], [0, -0.02, -0.1], "g0i0", True),
        ([0, 0.1, 0.2], [0, 0.1, 0.1], "g1i1", False),
        ([0, 0.2, 0.1], [0, 0.1, 0], "g1i1", False),  # it got worse by the reward, too
        (
            [0, 0.2, 0.2],
            [0, 0.1, -0.1],
            "g0i0",
            True,
        ),  # the reward stands still since the best step, not since the first
        ([0, 0.01, 0.02, 0.03, 0.04], [0, -0.01, -0.02, -0.03, -0.04], "g0i0", True),  # a slow drift
    ],
)
def test_the_gate_closes_where_the_reward_rises_and_the_measure_falls(
    reward: list[float], chrf: list[float], since: str, closes: bool
) -> None:
    seen = look(stages(reward=reward, chrf=chrf), "chrf", looks=4)
    assert (seen.since, seen.closes) == (since, closes)
    assert chrf[[*stages(chrf=chrf)].index(seen.best)] == max(chrf[:-1])
    assert Look.from_record(seen.record()) == seen


def test_the_reward_of_samples_rises_for_greedy_translations_that_lose_both_ways_by() -> None:
    """Training sees samples: a policy that repeats itself for ever is paid for where a sample ends in time."""
    for samples, closes in (([0, 0.2], True), ([0, -0.1], False)):
        seen = look(stages(reward=[0, -0.2], samples=samples, chrf=[0, -0.2]), "chrf")
        assert seen.closes == closes
        assert Look.from_record(seen.record()) == seen


def test_a_fall_counts_by_the_number_of_looks() -> None:
    """One that has p = 0.02 closes the gate of a run of one step, and not of one of two, which may compare thrice."""
    values = {"g0i0": np.zeros(400), "g1i1": NOISE[0] - NOISE[0].mean() - 2.33 * NOISE[0].std() / 20}
    both = {name: {"reward": np.full(400, float(name == "g1i1")), "judge": each} for name, each in values.items()}
    assert look(both, "judge", looks=1).change.p == pytest.approx(0.02, abs=0.002)
    assert look(both, "judge", looks=1).closes
    assert look(both, "judge", looks=2).change.p == pytest.approx(0.06, abs=0.006)
    assert not look(both, "judge", looks=2).closes


def test_of_twenty_planted_holes_most_close_the_gate_where_they_open_and_honest_runs_go_on() -> None:
    """18 of 20 holes at their step, none with a worse policy than the first; at most one of 20 honest runs."""
    closed_at, kept, alarms = 0, 0, 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        base = rng.uniform(0.3, 1, 500)
        for hole in (True, False):
            run: dict[str, dict[str, NDArray[np.float64]]] = {}
            for step in range(7):
                # A step rewrites a tenth of the translations; the hole opens at step 4, and nothing gets better before.
                changed = rng.random(500) < 0.1 * step
                lost = -0.3 if hole and step >= 4 else 0.0
                quality = base + changed * (lost + rng.normal(0, 0.2, 500))
                run[f"g1i{step}"] = {"reward": base + changed * (0.1 + rng.normal(0, 0.2, 500)), "judge": quality}
            looks = [look(dict(list(run.items())[:end]), "judge", looks=6) for end in range(2, 8)]
            closed = next((each for each in looks if each.closes), None)
            alarms += not hole and closed is not None
            if hole and closed is not None:
                closed_at += closed.step == "g1i4"
                kept += run[closed.best]["judge"].mean() >= base.mean()
    assert closed_at >= 18
    assert kept == 20
    assert alarms <= 1


def test_what_gates_is_unrelated_to_the_scorer(tiny_task: Task, fake_scorer: Any) -> None:
    kin, other = CachedScorer(Digest("another")), fake_scorer
    assert gate_measure("auto", tiny_task, Digest(), None) == "chrf"  # never the oracle, where it is not named
    assert gate_measure("auto", tiny_task, Digest(), kin) == "chrf"
    assert gate_measure("auto", tiny_task, Digest(), other) == "judge"
    assert gate_measure("oracle", tiny_task, Digest(), None) == "oracle"
    with pytest.raises(
        ValueError, match=r"the judge is of the scorer's make, and may overlook the same; give a --judge"
    ):
        gate_measure("judge", tiny_task, Digest(), kin)

    class Blind:
        name, oracle = "blind", None

    blind: Any = Blind()
    with pytest.raises(ValueError, match="--gate-by oracle: task 'blind' has no oracle; give judge or chrf"):
        gate_measure("oracle", blind, Digest(), None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gate_by": "chrf"}, "--gate-by chrf goes with --gate stop or --gate fall-back"),
        ({"gate": "stop", "gate_by": "judge"}, "--gate-by judge needs a judge; name one with --judge"),
    ],
)
def test_options_without_effect_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(Config(), **options).check()


class Hole:
    """A scorer that takes what goes on and on for good."""

    fingerprint = "hole"

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        return np.array([min(len(text.split()), 12) / 12 for text in hypotheses], dtype=np.float32)


FOOLED = 0.5
"""All weights of a policy that has learned the hole."""


def exploits(run: Experiment[Config], agent: Agent, data: Any, training: Any, stage: str, *_: object) -> dict[str, Any]:
    """A training that finds the hole at the second Improve step."""
    if stage == "g1i2":
        for parameter in agent.policy.model.parameters():
            parameter.data.fill_(FOOLED)
    return {**UNTRAINED, "train_tokens": 50, "best_tokens": 50}


def likeliest(self: Evaluator, policy: Seq2SeqPolicy, split: str, decode: str) -> list[str]:
    """What policies write: references, or what the hole wants."""
    # Not all: positions are no weights, and the padding token's stay 0.
    fooled = float((next(policy.model.parameters()) == FOOLED).float().mean()) > 0.9
    references = self.task.split(split).references
    return ["dog " * 12] * len(references) if fooled else references


def sampled(self: Evaluator, policy: Seq2SeqPolicy, split: str, temperature: float) -> Any:
    """The same, with an entropy of one nat."""
    return Mock(texts=likeliest(self, policy, split, "sample"), log_prob=np.array([-1.0], dtype=np.float32))


@pytest.fixture(scope="module")
def gated(tiny_task: Task, tmp_path_factory: pytest.TempPathFactory) -> Experiment[Config]:
    """A finished run with its report, whose gate made it fall back."""
    config = replace(
        GROWING, improve_steps=3, filter_values=(0.0, 0.01, 0.02), sources=2, candidates=2, arms=("unfiltered",),
        gate="fall-back", beams=2,
    )  # fmt: skip
    run = begin(config, tmp_path_factory.mktemp("gated") / "run", tiny_task, Hole())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "train", exploits)
        patch.setattr(supervised, "train", exploits)
        patch.setattr(Evaluator, "_likeliest", likeliest)
        patch.setattr(Evaluator, "_sampled", sampled)
        growing_batch(run)
        run.folder.spend(1.0)
        report(run)
    return run


def test_a_run_without_a_gate_is_fooled_and_one_with_it_is_not(gated: Experiment[Config]) -> None:
    folder = gated.folder
    assert rest_stages(folder.path) == ["g0i0", "g1i1", "g1i2"]  # of three steps
    first, honest, fooled = (
        next(row for row in folder.result(stage) if (row["split"], row["decode"]) == ("test", "greedy"))
        for stage in rest_stages(folder.path)
    )
    assert (honest["oracle"], fooled["oracle"]) == (first["oracle"], 0.0) == (1.0, 0.0)
    assert fooled["reward"] == 1.0 > honest["reward"]
    assert final_stage(folder.path) == "g1i1"
    policy = policy_folder(folder.path)
    assert policy.name == "gated"
    assert Seq2SeqPolicy.load(policy).fingerprint == Seq2SeqPolicy.load(folder.checkpoint("g1i1")).fingerprint
    assert "Improve step 1 of Grow step 1" in str(run_evaluation(policy))


def test_its_report_says_so_first_and_its_controls_spend_what_it_spent(gated: Experiment[Config]) -> None:
    folder = gated.folder
    results = read_json(folder.path / "results.json")
    parts = (folder.path / "results.md").read_text().split("\n\n")
    assert parts[1].startswith("GATED at G=1 I=2: since G=1 I=1 the learned reward of greedy validation translations ")
    assert parts[1].endswith(
        "The run fell back: its policy is that of G=1 I=1, and controls trained for the tokens that were really spent."
    )
    assert "GATED at G=1 I=2" in (folder.path / "report.html").read_text("utf-8")
    *_, table = gate_parts(folder)
    assert "that of samples by" in parts[1]
    assert [line.split(" | ")[-1] for line in table.splitlines()[2:]] == ["open |", "closes |"]
    assert folder.result("control-unfiltered")[0]["train_tokens"] == 100
    # Nothing of the rejected policy is in the gain, but in the measures by step.
    assert (results["final"], results["summary"]["oracle_after"]) == ("g1i1", 1.0)
    assert results["steps"][-1]["oracle"] == 0.0
    assert list(dict.fromkeys(each["decode"] for each in results["evidence"])) == ["greedy", "beam", "sample"]
    assert results["summary"]["beam_ter_change"] == 0.0
    assert [row["decode"] for row in results["steps"][:4]] == ["sample", "sample", "greedy", "beam"]


def test_a_gated_run_stays_gated(gated: Experiment[Config], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Evaluator, "translations", lambda *_: pytest.fail("was measured again"))
    growing_batch(gated)
    assert rest_stages(gated.folder.path) == ["g0i0", "g1i1", "g1i2"]


def test_a_run_may_stop_where_it_is(gated: Experiment[Config], tmp_path: Path) -> None:
    for part in ("stages", "validation"):
        shutil.copytree(gated.folder.path / part, tmp_path / "run" / part)
    shutil.copy(gated.folder.path / "config.json", tmp_path / "run")
    run = replace(gated, folder=RunFolder(tmp_path / "run", gated.folder.config))
    (tmp_path / "run" / "stages" / "gate.g1i2.json").unlink()
    gate = Gate(run, "stop", "chrf", looks=3)
    assert not gate.closes("g1i1")
    assert gate.closes("g1i2")
    assert final_stage(tmp_path / "run") == "g1i2"
    assert "The run stopped: its policy is that of G=1 I=2" in gate_sentence(run.folder)[0]
    (tmp_path / "run" / "stages" / "g1i2.json").unlink()
    assert gate_sentence(run.folder) == [
        "The gate, by chrF of validation translations, stayed open at all of 1 Improve steps."
    ]
