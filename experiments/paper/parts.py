"""Parts of the reproduction: the commands that its claims need, where each leaves its results, and what they cost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from experiments.reports.claims import CONTROL
from experiments.runs.presets import PRESETS
from experiments.runs.refresh_ratings import ORACLE
from experiments.runs.run_folder import CONFIG, STAGES
from experiments.runs.settings import PresetName, Settings
from seq2seq_env.atomic_files import read_json, write_json

LOSSES = ("filtered-bc", "bvmpo", "gold", "oac")
"""The paper's losses, BC first; all of them train on what the filter keeps."""

NEGATIVE = ("q-bve", "reward-conditioned")
"""What did not work in the paper (A.2)."""

KINDS = {
    "rest": "whole runs of ReST with all arms",
    "losses": "the comparison of losses",
    "negative": "the comparison of q-bve and reward-conditioned",
    "batch": "BC on all of the batch for as many tokens as ReST",
    "online": "online RL",
    "best-of-n": "samples for the best of N",
    "filters": "the comparison of filters",
    "value": "a value function of 50 epochs",
    "refresh": "runs of ReST whose scorer is refreshed",
}
"""Kinds of parts, and what they are."""

DONE = "parts"
"""Folder with a record of each part that came to its end."""

RESULTS = {"run": "results.json", "online": "results.json", "compare": "comparison.json", "best-of-n": "best-of-n.json"}
"""File in the folder of a command's results that is written at its end."""

ONLINE_TO_GROWN = 1.5
"""Samples of online RL for each of one Grow step's, as in table 1."""

ONLINE_TOKENS, ONLINE_LOOKS = 100, 100_000
"""Target tokens that online RL may train on for each of its samples, and after how many it looks how good it is."""

# The steps of the first Grow step that "one-grow" has are ReST's own.
_TRAINED = re.compile(r"(control-(?!one-grow-g1i).+-)?g\d+i\d+")


@dataclass(frozen=True)
class Regime:
    """A regime of the embedded task that the claims are tested in.

    Attributes:
        preset: Of the scripts; None for their defaults.
    """

    preset: PresetName | None

    @property
    def growth(self) -> dict[str, int]:
        """Sources and candidates of a Grow step of growing_batch.py, where they are not every script's defaults."""
        return dict(PRESETS[self.preset].growing) if self.preset else {}

    @property
    def improve_step(self) -> dict[str, Any]:
        """Target tokens and evaluations of an Improve step of growing_batch.py."""
        return {"max_tokens": 250_000, "evaluate_every": 125_000} | dict(
            PRESETS[self.preset].nested.get("improve", {}) if self.preset else {}
        )

    @property
    def grown(self) -> int:
        """Samples of a Grow step of growing_batch.py."""
        sizes = {"sources": Settings.auto_sources, "candidates": Settings.candidates} | self.growth
        return sizes["sources"] * sizes["candidates"]


REGIMES = {
    "lowres": Regime(None),
    "noisy": Regime("phrasebook-noisy"),
    "clean": Regime("phrasebook-clean"),
    "domain": Regime("phrasebook-domain"),
}


class Spent(NamedTuple):
    """Samples drawn and target tokens trained on, over all runs."""

    samples: int = 0
    tokens: int = 0

    def __str__(self) -> str:
        return f"{self.samples:,} samples, {self.tokens / 1e6:.1f} M tokens"


@dataclass(frozen=True)
class Part:
    """One command.

    Attributes:
        name: Of its record.
        command: Of ``rest``.
        arguments: Behind it.
        out: Folder of its results.
        record: File that says that it is done, and of which command.
    """

    name: str
    command: str
    arguments: tuple[str, ...]
    out: Path
    record: Path

    @property
    def is_done(self) -> bool:
        """Whether this very command came to its end, or a finished run stands in its place."""
        if self.out.is_symlink():
            return (self.out / RESULTS[self.command]).is_file()  # what it links to may be gone
        return self.record.is_file() and read_json(self.record)["arguments"] == list(self.arguments)

    def finish(self, seconds: float) -> None:
        """Record its end."""
        self.record.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.record, {"command": self.command, "arguments": list(self.arguments), "seconds": seconds})


@dataclass(frozen=True)
class Plan:
    """All parts in one regime.

    Attributes:
        name: Of the regime.
        folder: Of its results.
        seeds: Of its whole runs.
        online: Agents that learn online; the first of them decides claim 5.
    """

    name: str
    folder: Path
    seeds: tuple[int, ...]
    online: tuple[str, ...] = ("ppo",)

    @property
    def online_samples(self) -> int:
        """Samples that a run of an online agent is to draw."""
        return round(ONLINE_TO_GROWN * REGIMES[self.name].grown)

    @property
    def runs(self) -> list[Path]:
        """Folders of the whole runs."""
        return [self.folder / "rest" / f"seed{seed}" for seed in self.seeds]

    @property
    def refreshed_runs(self) -> list[Path]:
        """Folders of the runs whose scorer is refreshed after each Grow step."""
        return [self.folder / "refresh" / f"seed{seed}" for seed in self.seeds]

    def online_runs(self, agent: str) -> list[Path]:
        """Folders of an online agent's runs."""
        return [self.folder / agent / f"seed{seed}" for seed in self.seeds]

    def compared(self, folder: str) -> list[Path]:
        """Folders of the seeds of a comparison."""
        return [self.folder / folder / f"seed{seed}" for seed in self.seeds]

    def parts(self, kind: str) -> list[Part]:
        """The commands of one of :data:`KINDS`."""
        return list(getattr(self, f"_{kind.replace('-', '_')}")())

    def is_done(self, kind: str) -> bool:
        """Whether all commands of a kind are done."""
        return all(part.is_done for part in self.parts(kind))

    def spent(self, kind: str) -> Spent:
        """What the commands of a kind took."""
        every = [_spent(part, self.seeds) for part in self.parts(kind)]
        return Spent(sum(each.samples for each in every), sum(each.tokens for each in every))

    def _rest(self) -> Iterator[Part]:
        for seed, out in zip(self.seeds, self.runs, strict=True):
            arms = ("--arms", "unfiltered", "filtered", "samples", "one-grow")
            yield self._part(f"rest-seed{seed}", "run", out, "--seed", str(seed), *arms)

    def _losses(self) -> Iterator[Part]:
        yield self._comparison("losses", "losses", "--agents", CONTROL, *LOSSES, *self._growth)

    def _batch(self) -> Iterator[Part]:
        # As long, as fast and with as many looks as the three Improve steps of ReST's first Grow step.
        improve = REGIMES[self.name].improve_step
        yield self._comparison(
            "batch", "batch", "--agents", CONTROL, *self._growth,
            "--improve.max-tokens", str(3 * improve["max_tokens"]), "--improve.learning-rate", "0.001",
            "--improve.evaluate-every", str(improve["evaluate_every"]), "--improve.patience", "6",
        )  # fmt: skip

    def _negative(self) -> Iterator[Part]:
        # Beside the losses, so that filtered BC is trained once.
        yield self._comparison("negative", "losses", "--agents", "filtered-bc", *NEGATIVE, *self._growth)

    def _filters(self) -> Iterator[Part]:
        yield self._comparison(
            "filters", "filters", "--agents", "filtered-bc", "--candidates", "8", "--improve-steps", "3",
            "--filter", "interpolation", "--filter-values", "0.5", "0.7", "0.9", "--filters", "threshold", "percentile",
        )  # fmt: skip

    def _value(self) -> Iterator[Part]:
        # Some 50 epochs of the value network over all sequences of the sources.
        yield self._comparison(
            "value", "value", "--agents", "oac", "--sources", "1000", "--oac.value-tokens", "3000000"
        )  # fmt: skip

    def _refresh(self) -> Iterator[Part]:
        for seed, run, out in zip(self.seeds, self.runs, self.refreshed_runs, strict=True):
            yield self._part(
                f"refresh-seed{seed}", "run", out, "--seed", str(seed), "--start", str(run),
                "--refresh-scorer", ORACLE, "--arms",
            )  # fmt: skip

    def _online(self) -> Iterator[Part]:
        samples, tokens = self.online_samples, ONLINE_TOKENS * self.online_samples
        # As many looks as the tokens allow: a run that stopped rising draws its samples all the same.
        patience = 1 + tokens // ONLINE_LOOKS
        for agent in self.online:
            for seed, run, out in zip(self.seeds, self.runs, self.online_runs(agent), strict=True):
                yield self._part(
                    f"{agent}-seed{seed}", "online", out, "--agent", agent, "--seed", str(seed), "--start", str(run),
                    "--max-samples", str(samples), "--improve.max-tokens", str(tokens),
                    "--improve.evaluate-every", str(ONLINE_LOOKS), "--improve.patience", str(patience),
                )  # fmt: skip

    def _best_of_n(self) -> Iterator[Part]:
        out = self.folder / "best-of-n"
        yield Part(
            "best-of-n", "best-of-n",
            (*map(str, self.runs), "--samples", "256", "--stages", "g0i0", "g1i3", "g2i3", "--other-samples", "0",
             "--out", str(out)),
            out, self._record("best-of-n"),
        )  # fmt: skip

    @property
    def _growth(self) -> list[str]:
        """Options that have compare_agents.py grow as many samples as the whole runs, where it would not by itself."""
        return [word for name, size in REGIMES[self.name].growth.items() for word in (f"--{name}", str(size))]

    def _comparison(self, name: str, folder: str, *arguments: str) -> Part:
        seeds = ("--seed", str(self.seeds[0]), "--seeds", str(len(self.seeds)))
        start = ("--start", str(self.folder / "rest"))
        return self._part(name, "compare", self.folder / folder, *start, *seeds, *arguments)

    def _part(self, name: str, command: str, out: Path, *arguments: str) -> Part:
        preset = REGIMES[self.name].preset
        options = (*(("--preset", preset) if preset else ()), *arguments, "--out", str(out))
        return Part(name, command, options, out, self._record(name))

    def _record(self, name: str) -> Path:
        return self.folder / DONE / f"{name}.json"


def _spent(part: Part, seeds: Sequence[int]) -> Spent:
    if part.command == "best-of-n":
        record = read_json(part.out / "best-of-n.json")
        return Spent(record["runs"] * record["sources"] * sum(curve["samples"] for curve in record["curves"]))
    if part.command == "compare":
        # The folder may hold more seeds, and a finished comparison in its place fewer.
        folders = [folder for seed in seeds if (folder := part.out / f"seed{seed}").is_dir()]
        every = [_of_comparison(folder, part.arguments) for folder in folders]
        return Spent(sum(each.samples for each in every), sum(each.tokens for each in every))
    return _of_run(part.out)


def _of_run(run: Path) -> Spent:
    """Of a run of growing_batch.py or online.py."""
    config, stages = read_json(run / CONFIG), sorted((run / STAGES).glob("*.json"))
    trained = [read_json(path)[0] for path in stages if _TRAINED.fullmatch(path.stem)]
    online = [row["samples"] for row in trained if "samples" in row]
    samples = sum(online) if online else config["grow_steps"] * _grown(config)
    return Spent(samples, sum(row["train_tokens"] for row in trained))


def _of_comparison(seed: Path, arguments: Sequence[str]) -> Spent:
    """Of the trainings of the agents that the arguments name, their value networks' too."""
    records = [read_json(path) for path in sorted((seed / STAGES).glob("*.json"))]
    trials = [record for record in records if isinstance(record, dict) and record.get("agent") in arguments]
    tokens = sum(trial.get("prepare_tokens", 0) + sum(step["tokens"] for step in trial["steps"]) for trial in trials)
    return Spent(_grown(read_json(seed / CONFIG)), tokens)


def _grown(config: dict[str, Any]) -> int:
    """Samples of a Grow step."""
    return int(config["sources"] or 0) * int(config["candidates"])
