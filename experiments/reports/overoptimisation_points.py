"""Points of over-optimisation curves: of runs whose policies were sampled by best_of_n.py, and of comparisons.

Shape letters: R runs, B sources, M samples of each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from experiments.reports.best_of_n_curves import Curve, best_of_curve
from experiments.reports.comparison_entry import Entry, agent_entry, supervised_entry
from experiments.reports.overoptimisation_fit import Point, Series, best_of_n_kl
from experiments.reports.sampled_policies import stage_means
from experiments.reports.subsets import best_kl
from experiments.runs.finished_stages import is_step, stage_name
from experiments.runs.matched_filters import LIMITS
from experiments.runs.run_folder import CONFIG, STAGES, RunFolder
from experiments.runs.stage_samples import FOLDER, Candidates, kept_samples
from experiments.runs.stages import SUPERVISED, translations_file
from experiments.runs.trials import DATA, step_stage
from experiments.scorer_training.make_scorer import REPORT, SHIPPED, ScorerConfig
from seq2seq_env.atomic_files import read_json
from seq2seq_env.scorers import SCORERS

COMPARISON = "comparison.json"
"""File by which a comparison's folder is known."""


class Reward(NamedTuple):
    """The scorer that policies were trained by.

    Attributes:
        name: As options name it.
        ratings: Of an oracle, that it learned from; None where that is not known.
        parameters: Of its network; None where that is not known.
    """

    name: str
    ratings: int | None = None
    parameters: int | None = None


@dataclass(frozen=True)
class Family:
    """Policies that came from the same supervised policies.

    Attributes:
        name: As the report's headings have it.
        gold: "oracle", "judge" or None: what the gains by "gold" are.
        series: Best of N of the supervised policy first, where it was sampled.
        kl: float64 [R,B,M], estimated, of the best of N from one sample; None where it was not sampled.
        gains: Of the best of N, float64 [R,B,M] by measure.
        reward: What they were trained by.
    """

    name: str
    gold: str | None
    series: list[Series]
    kl: NDArray[np.float64] | None
    gains: Mapping[str, NDArray[np.float64]]
    reward: Reward


def families(paths: Sequence[Path]) -> list[Family]:
    """Runs of one configuration together, each comparison by itself.

    Raises:
        FileNotFoundError: If a path is neither, or the policies of a run were not sampled.
        ValueError: If runs of one configuration were sampled differently.
    """
    groups: dict[str, list[Path]] = {}
    for path in paths:
        if not (path / CONFIG).is_file():
            raise FileNotFoundError(f"neither a run nor a comparison in {str(path)!r}; name folders of finished ones")
        config = {
            name: value for name, value in read_json(path / CONFIG).items() if name not in ("seed", "start", "buffer")
        }
        key = str(path) if (path / COMPARISON).is_file() else json.dumps(config, sort_keys=True)
        groups.setdefault(key, []).append(path)
    known = [
        of_comparison(group[0]) if (group[0] / COMPARISON).is_file() else of_runs(group) for group in groups.values()
    ]
    if len({each.reward for each in known}) > 1:  # by which alone runs may differ
        known = [replace(each, name=f"{each.name}, by scorer {each.reward.name}") for each in known]
    return known


def of_runs(paths: Sequence[Path]) -> Family:
    """Runs of one configuration: best of N of the supervised policy, the Improve steps, and the arms.

    Raises:
        FileNotFoundError: If their policies were not sampled.
        ValueError: If they were not sampled alike, or the supervised policy was not.
    """
    every = [kept_samples(path) for path in paths]
    facts = [read_json(path / FOLDER / CONFIG) for path in paths]
    config = read_json(paths[0] / CONFIG)
    if any(fact != facts[0] for fact in facts):
        raise ValueError(
            "the policies of these runs were sampled with other sources, seeds or engines; sample them by one call of "
            "rest best-of-n"
        )
    alike = [wanted for wanted in every[0] if all(wanted in run for run in every)]
    wanted = {each.stage: each for each in alike if each.temperature == float(config["temperature"])}
    if SUPERVISED not in wanted:
        raise ValueError(
            f"the supervised policies of {', '.join(map(str, paths))} were not sampled alike at the runs' temperature; "
            "sample them by one call of rest best-of-n"
        )
    base = stage_means([run[wanted[SUPERVISED]] for run in every])
    points = {
        stage: point_of(stage_name(stage), [run[each] for run in every], base)
        for stage, each in wanted.items() if stage != SUPERVISED
    }  # fmt: skip
    samples = [run[wanted[SUPERVISED]] for run in every]
    curve = best_of_curve(wanted[SUPERVISED], samples)
    kl = np.array([[best_kl(each, range(1, curve.wanted.samples + 1)) for each in run] for run in samples])
    steps = [point for stage, point in points.items() if is_step(stage)]
    arms = [point for stage, point in points.items() if not is_step(stage)]
    series = [*best_of_n_series(curve, kl), Series(config["agent"], "rl", steps), Series("arms", None, arms)]
    gains = {name: getattr(curve, name) - curve.at(name, 1)[..., None] for name in curve.measures}
    name = f"{config['agent']} on {config['task']}, {len(paths)} run{'s' if len(paths) > 1 else ''}"
    return Family(name, facts[0]["gold"], [each for each in series if each.points], kl, gains, reward_of(config))


def point_of(name: str, runs: Sequence[Sequence[Candidates]], base: Mapping[str, NDArray[np.float64]]) -> Point:
    """A stage beside the means of the supervised policy's samples."""
    means = stage_means(runs)
    return Point(name, means["kl"], {each: means[each] - base[each] for each in ("reward", "gold") if each in means})


def best_of_n_series(curve: Curve, kl: NDArray[np.float64]) -> list[Series]:
    """Best of N of the supervised policy, at the KL of continuous rewards and at the one that was estimated."""
    numbers = curve.numbers[1:]
    gains = [{name: curve.at(name, n) - curve.at(name, 1) for name in curve.measures} for n in numbers]
    known = [
        Point(f"best of {n}", np.full(kl.shape[:2], best_of_n_kl(n)), gain)
        for n, gain in zip(numbers, gains, strict=True)
    ]
    measured = [Point(f"best of {n}", kl[..., n - 1], gain) for n, gain in zip(numbers, gains, strict=True)]
    return [
        Series("best of N, at log N - (N - 1) / N", "best-of-n", known),
        Series("best of N, at its estimated KL", "best-of-n", measured),
    ]


def of_comparison(path: Path) -> Family:
    """A comparison of agents: one curve through their last policies, and one through the Improve steps of each.

    Gains are those of one sample of each test source. The KL is that of each seed's record, a mean over sources, so
    that resamples of sources leave it as it is.
    """
    config = read_json(path / CONFIG)
    folders = {
        int(each.name.removeprefix("seed")): each
        for each in path.glob("seed*") if (each / STAGES / f"{SUPERVISED}.json").is_file()
    }  # fmt: skip
    runs = {seed: RunFolder(each, read_json(each / CONFIG), ()) for seed, each in sorted(folders.items())}
    base = supervised_entry(runs)
    gold = next((name for name in ("oracle", "judge") if base.has(f"sample_{name}")), None)
    measures = {"reward": "sample_reward"} | ({"gold": f"sample_{gold}"} if gold else {})
    last, own = [], []
    for stage in _stages(folders.values()):
        number = min(len(run.result(stage)["steps"]) for run in runs.values() if run.has(stage))
        # Comparisons that are older kept no translations but the last step's.
        steps = [step for step in range(1, number + 1) if step == number or _has(runs, step_stage(stage, step))]
        entries = [agent_entry(runs, stage, step) for step in steps]
        points = [
            Point(f"{entry.name}, step {step}" if step < number else entry.name, *_above(entry, base, measures))
            for step, entry in zip(steps, entries, strict=True) if entry is not None and entry.common(base)
        ]  # fmt: skip
        last += points[-1:]
        own += [Series(points[-1].name, "rl", points)] if len(points) > 1 else []
    name = f"comparison {path.name} on {config['task']}, {len(runs)} seed{'s' if len(runs) > 1 else ''}"
    return Family(name, gold, [Series("agents", "rl", last), *own], None, {}, reward_of(config))


def _above(
    entry: Entry, base: Entry, measures: Mapping[str, str]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """KL and gains of an agent, [R,B]."""
    seeds = entry.common(base)
    gains = {name: entry.values(column, seeds) - base.values(column, seeds) for name, column in measures.items()}
    kl = np.array([[entry.records[seed]["kl"]] for seed in seeds])
    return np.broadcast_to(kl, gains["reward"].shape), gains


def reward_of(config: Mapping[str, Any]) -> Reward:
    """The scorer of a run or a comparison by its options, with its size and ratings where its folder says so."""
    own = SHIPPED if config["task"] == ScorerConfig.task else None
    folder = own if config.get("scorer") in (None, *SCORERS) else Path(str(config["scorer"]))
    report = folder / REPORT if folder is not None else None
    recorded = read_json(report).get("config", {}) if report is not None and report.is_file() else {}
    weights = folder / "model.safetensors" if folder is not None else None
    parameters = _numbers(weights) if weights is not None and weights.is_file() else None
    # The report of a scorer that learned from pairs has the options of one that learns from the oracle, too.
    by_oracle = parameters is not None and recorded.get("refresh") is None
    ratings = recorded.get("oracle", {}).get("ratings") if by_oracle else None
    return Reward(str(config.get("scorer") or "the task's own"), ratings, parameters)


def _numbers(weights: Path) -> int:
    """How many a file of tensors holds."""
    with safe_open(weights, "np") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 - no mapping


def _has(runs: Mapping[int, RunFolder], stage: str) -> bool:
    return all((run.path / translations_file(stage)).is_file() for run in runs.values())


def _stages(folders: Any) -> list[str]:
    """Trials of any seed, agents in the order of their names."""
    names = {record.stem for folder in folders for record in (folder / STAGES).glob("*.json")}
    return sorted(name for name in names if name.rpartition(".")[2] in (*DATA, *LIMITS))
