"""Finished runs of growing_batch.py in the place of those that the reproduction would train."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.paper.parts import KINDS, Plan
from experiments.runs.run_folder import CONFIG, flat
from seq2seq_env.atomic_files import read_json
from seq2seq_env.tasks.phrasebook.regimes import DEFAULT_REGIME

TASK = "phrasebook-de-en"
"""The embedded task, whose oracle knows the truth."""

VERSIONS = ("task_fingerprint", "scorer_fingerprint")
"""What a configuration says of the task's texts and of the scorer, by which rows of two runs are pairs."""


def places_of(
    folders: Sequence[Path], plans: Sequence[Plan], options: Callable[[Plan], Mapping[str, Any]]
) -> dict[Path, Path]:
    """Finished runs of growing_batch.py by the places of those that would be trained.

    Args:
        folders: Of the finished runs.
        plans: Of the regimes.
        options: What a run that is planned would record.

    Raises:
        FileNotFoundError: If a folder holds no finished run.
        ValueError: If a run is of another regime, seed or configuration than those that are planned, or of another task
            or scorer than the others and the finished parts of its regime, or two are of one regime and seed.
        FileExistsError: If another run stands in its place.
    """
    known = {(plan.name, seed): (plan, run) for plan in plans for seed, run in zip(plan.seeds, plan.runs, strict=True)}
    places: dict[Path, Path] = {}
    for folder in folders:
        if not (folder / "results.json").is_file():
            raise FileNotFoundError(f"no results.json in {str(folder)!r}; name finished runs of growing_batch.py")
        config = read_json(folder / CONFIG)
        if config["task"] != TASK:
            raise ValueError(f"{str(folder)!r} is a run of task {config['task']!r}; name runs of {TASK}")
        regime = config["task_options"].get("regime", DEFAULT_REGIME).rpartition("-v")[0]
        if (regime, config["seed"]) not in known:
            raise ValueError(
                f"{str(folder)!r} is a run of regime {regime!r} and seed {config['seed']}, which is not planned; give "
                "--regimes and --seeds that have it, or leave it out"
            )
        plan, place = known[regime, config["seed"]]
        if place in places:
            raise ValueError(
                f"{str(places[place])!r} and {str(folder)!r} are both of regime {regime!r} and seed {config['seed']}; "
                "name one of them"
            )
        if different := unlike(config, options(plan)):
            raise ValueError(
                f"{str(folder)!r} is another run than the claims need: {'; '.join(different)}; name runs of "
                "growing_batch.py with that configuration, or leave it out"
            )
        if place.exists() and place.resolve() != folder.resolve():
            raise FileExistsError(f"{str(place)!r} holds another run than {str(folder)!r}; choose another --out")
        places[place] = folder
    for plan in plans:  # before any of them is linked, so that what is refused stays out
        _check_versions([*(places.get(run, run) for run in plan.runs), *_finished_parts(plan)])
    return places


def unlike(config: Mapping[str, Any], planned: Mapping[str, Any]) -> list[str]:
    """In which options a run differs from one that is planned, of those that its version knows, a phrase each.

    A seed's own options are left out, as is the regime, which has one name or none where it is the default.
    """
    one, other = flat(config), flat(planned)
    both = [name for name in one if name in other or name.startswith("task_options.")]
    own = {"seed", "start", "buffer", "task_options.regime"}
    return [
        f"{name} is {one[name]!r}, not {other.get(name)!r}"
        for name in both
        if one[name] != other.get(name) and name not in own and not name.endswith("_fingerprint")
    ]


def link(places: Mapping[Path, Path]) -> None:
    """Put the runs into their places, as links."""
    for place, folder in places.items():
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)  # a link whose run is gone
            place.symlink_to(folder.resolve(), target_is_directory=True)


def check_alike(plan: Plan) -> None:
    """Refuse whole runs whose options differ by more than their seed, as far as their versions know the same options.

    Those that have not begun differ in nothing. Finished parts must be of the same task and scorer, too.

    Raises:
        ValueError: Naming what they differ in.
    """
    _check_versions([*plan.runs, *_finished_parts(plan)])
    runs = [run for run in plan.runs if (run / CONFIG).is_file()]
    configs = [read_json(run / CONFIG) for run in runs]
    for run, config in zip(runs, configs, strict=True):
        common = config.keys() & configs[0].keys()
        different = {name for name in common if config[name] != configs[0][name] and not name.endswith("_fingerprint")}
        if different := different - {"seed", "start", "buffer"}:
            raise ValueError(
                f"{str(runs[0])!r} and {str(run)!r} differ in {', '.join(sorted(different))}; name runs of one "
                "configuration"
            )


def _finished_parts(plan: Plan) -> Iterator[Path]:
    """Folders of a regime's runs beside the whole ones, of parts that are done."""
    for part in (part for kind in KINDS for part in plan.parts(kind) if part.is_done):
        yield from (part.out / f"seed{seed}" for seed in plan.seeds) if part.command == "compare" else (part.out,)


def _check_versions(folders: Sequence[Path]) -> None:
    """Refuse runs of several tasks or scorers, as far as their configurations say; their rows are paired.

    Raises:
        ValueError: Naming the first two folders that differ.
    """
    configs = {folder: read_json(folder / CONFIG) for folder in folders if (folder / CONFIG).is_file()}
    for name in VERSIONS:
        known = [(folder, config[name]) for folder, config in configs.items() if name in config]
        for folder, version in known:
            first, other = known[0]
            if version != other:
                raise ValueError(
                    f"{str(folder)!r} has {name} {version[:12]!r} and {str(first)!r} {other[:12]!r}, so that their "
                    "rows are no pairs; name runs of one version of task and scorer, or choose another --out"
                )
