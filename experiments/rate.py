"""Ask people: export translations of a run for blind rating, and import what raters say.

export draws test sources, or with --grow sources of a Grow step, and hides whose translations are whose; it writes a
page that loads nothing and saves a file, and a campaign for Pearmut. import brings the files back: figure 7 of Gulcehre
et al. 2023 for the run, agreement of the raters, and of the learned reward with them, and a table that train_scorer.py
and growing_batch.py --refresh-scorer learn from.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from experiments.command_line.parsing import parse
from experiments.command_line.refusals import parser_errors, usage_errors
from experiments.people.protocols import ProtocolName
from experiments.runs.evaluation import Decode
from experiments.runs.run_folder import own_scorer_folder
from experiments.scorer_training.make_scorer import ScorerConfig
from seq2seq_env import commands
from seq2seq_env.atomic_files import read_json, write_json
from seq2seq_env.ranges import check_seed
from seq2seq_env.scorers import SCORERS
from seq2seq_env.suggestions import check_name

DEFAULT_TASK = ScorerConfig.task

FEW_SOURCES = 60
"""Rated sources below which a scorer of two folds, each with 20 at least, is not to be had."""


@dataclass(frozen=True)
class Export:
    """Write a blind campaign of a run: a rating page, Pearmut's JSON, and the key that raters must not see."""

    run: Path
    """Folder of the run."""
    protocol: ProtocolName = "side-by-side"
    """How translations are rated. "side-by-side" shows two, the first system's and another's, to score from 0 to 6 as
    in the paper; "da" shows one, to score from 0 to 100; "esa" has its errors marked first; "cesa" does so with the
    translations of all systems together."""
    stages: tuple[str, ...] | None = None
    """Stages whose policies are compared, the one that others are compared with first. None takes the supervised
    policy, the run's final one and the best control."""
    grow: int | None = None
    """Grow step, from 1, whose samples are rated in place of test translations, for --refresh-scorer to learn from; the
    run need not be finished."""
    candidates: int | None = None
    """Different samples of each source, 2 or more, with --grow; None takes 2."""
    sources: int = 50
    """Test sources, at least 2, in each comparison, or with --grow sources of the Grow step. Those whose translations
    differ come first."""
    decode: Decode = "greedy"
    """Whether greedy translations are rated, samples, or those by beam search, where the run has them (--beams)."""
    raters: int = 1
    """Raters in Pearmut, at least 1, each of whom sees everything; the page goes to as many as you like."""
    reference: bool = False
    """Show the reference too, for raters who do not read the source language."""
    seed: int = 0
    """Seed of sources, order and hidden names, 0 or more."""
    name: str | None = None
    """Name of the campaign, a folder in the run's ratings/. None takes the protocol's, or with --grow 1 "grow-1"."""

    def execute(self) -> None:
        """Write it, and say what to do next.

        Raises:
            UsageError: If an option cannot work.
            OSError: If the run keeps no translations, or another campaign has the name.
        """
        from experiments.people.campaign import KEY, RATINGS, make_campaign
        from experiments.people.grown import read_grown
        from experiments.people.pearmut import pearmut_campaign
        from experiments.people.rating_page import write_rating_page
        from experiments.people.systems import read_systems
        from experiments.runs.finished_stages import stage_name
        from experiments.runs.refresh_ratings import imported_table

        name = self.name or (self.protocol if self.grow is None else imported_table(self.run, self.grow).parent.name)
        with usage_errors():
            self._check(name)
        origin: dict[str, Any] = {"name": name, "decode": self.decode, "config": _config(self.run)}
        if self.grow is None:
            systems, sources, references = read_systems(self.run, self.stages, self.decode)
        else:
            systems, sources, references = read_grown(self.run, self.grow, self.candidates or 2)
            origin |= {"decode": "sample", "grow": self.grow}
        campaign = make_campaign(self.protocol, systems, sources, references, self.sources, self.seed, origin)
        folder = self.run / RATINGS / name
        campaign.write_key(folder)
        page = write_rating_page(folder, campaign, name, reference=self.reference)
        tool = folder / "pearmut.json"
        write_json(tool, pearmut_campaign(campaign, name, self.raters, reference=self.reference))
        print(f"systems: {', '.join(stage_name(each) for each in campaign.systems)}")
        for group in campaign.groups:
            pair = " and ".join(map(stage_name, group.systems))
            kind = "test sources" if self.grow is None else f"sources of Grow step {self.grow}"
            print(f"{pair}: {group.different:,} of {group.total:,} {kind} have different translations")
        print(f"campaign {campaign.fingerprint}: {campaign.size} translations on {len(campaign.items)} pages")
        print(f"send to raters, alone: {page}; or: pearmut add {shlex.quote(str(tool))} && pearmut run")
        print(f"keep from raters: {folder / KEY}, which says whose translations they are")
        print(f"next: rest rate import --run {shlex.quote(str(self.run))} FILE...")

    def _check(self, name: str) -> None:
        for option, least in (("sources", 2), ("raters", 1), ("grow", 1), ("candidates", 2)):
            if (value := getattr(self, option)) is not None and value < least:
                raise ValueError(f"{option} is {value}; give {least} or more")
        if self.grow is None and self.candidates is not None:
            raise ValueError(f"--candidates {self.candidates} goes with --grow; leave it out, or name a Grow step")
        if self.grow is not None and self.stages:
            raise ValueError(
                "--grow rates samples of a Grow step, and --stages test translations; leave out one of them"
            )
        check_seed(self.seed)
        if Path(name).name != name or name.startswith("."):
            raise ValueError(f"name is {name!r}; give one that a folder can have, without slashes")


@dataclass(frozen=True)
class Import:
    """Bring ratings back: all files of all raters of one campaign at a time, in place of earlier ones."""

    files: tyro.conf.Positional[tuple[Path, ...]]
    """What the page saved, or Pearmut's annotations."""
    run: Path
    """Folder of the run."""
    partial: bool = False
    """Take what there is of raters who have not finished; else they are refused with what is missing."""

    def execute(self) -> None:
        """Write what people say into the campaign's folder, and print it.

        Raises:
            ValueError: If there is no file, or the ratings cannot be used.
            OSError: If a file cannot be read or written.
        """
        from experiments.people.human_report import RESULTS, TABLE, write_human_report
        from experiments.people.rating_files import read_ratings
        from experiments.people.verdict import human_verdict
        from experiments.reports.page.page import refresh_links
        from experiments.runs.refresh_ratings import GROW, imported_table

        if not self.files:
            raise ValueError("there is no file of ratings; name what the page saved, or Pearmut's annotations")
        folder, campaign, ratings = read_ratings(self.run, self.files, partial=self.partial)
        for line in write_human_report(folder, campaign, ratings, human_verdict(campaign, ratings)):
            print(line)
        print(f"wrote {folder / RESULTS} and what belongs to it")
        refresh_links(self.run)
        if campaign.grow_step is not None:
            table_name = folder / TABLE
            if table_name == imported_table(self.run, campaign.grow_step):
                table_name = imported_table(self.run, GROW)
            print(f"next: the run's own command, with --refresh-scorer {shlex.quote(str(table_name))}")
            return
        few = len({rating.item.source for rating in ratings}) < FEW_SOURCES
        config = campaign.origin["config"]
        words = ["python", "-m", "experiments.train_scorer", *_task_options(config)]
        table = ["--estimator.ratings", str(folder / TABLE)]
        out = ["--out", str(folder / "scorer")]
        if scorer := _scorer(self.run, config):
            print(f"next: teach the run's scorer: {shlex.join([*words, '--refresh', scorer, *table, *out])}")
        if config.get("task") != DEFAULT_TASK:  # whose oracle rates for a scorer
            folds = ["--estimator.folds", "1"] if few else []
            print(f"next: or make a scorer that learns from them: {shlex.join([*words, *table, *folds, *out])}")


Command = (
    Annotated[Export, tyro.conf.subcommand("export")] | Annotated[Import, tyro.conf.subcommand("import")]
)  # fmt: skip

COMMANDS: dict[str, type[Export] | type[Import]] = {"export": Export, "import": Import}


def _config(run: Path) -> dict[str, Any]:
    """The run's options and fingerprints."""
    path = run / "config.json"
    return dict(read_json(path)) if path.is_file() else {}


def _scorer(run: Path, config: Mapping[str, Any]) -> str | None:
    """The scorer of a run: the one that its options name, the one that it made itself, or the shipped one."""
    own = own_scorer_folder(run)
    shipped = next(iter(SCORERS)) if config.get("task") == DEFAULT_TASK else None
    return config.get("scorer") or (str(own) if own.is_dir() else shipped)


def _task_options(config: Mapping[str, Any]) -> list[str]:
    """Those of a run's task as arguments."""
    options = [str(word) for option in config.get("task_options", {}).items() for word in option]
    return [
        *(["--task", config["task"]] if "task" in config else []),
        *(["--task-options", *options] if options else []),
    ]


def main(arguments: Sequence[str] | None = None, prog: str = "python -m experiments.rate") -> None:
    """The command that the command line asks for; exit with one sentence where something is wrong."""
    with commands.command_frame():
        arguments = commands.arguments() if arguments is None else arguments
        name, *rest = arguments or [""]
        if name in COMMANDS:
            parse(COMMANDS[name], rest, prog=f"{prog} {name}").execute()
            return
        with usage_errors():
            if not name.startswith("-") and name:
                check_name("command", name, COMMANDS)
        with parser_errors():
            # What is left is help, or nothing: the parser of both commands knows what to say.
            tyro.cli(Command, prog=prog, description=__doc__, args=arguments)


if __name__ == "__main__":
    main()
