"""Frozen data sets: list them, make or download one, check a copy.

list      names, with what is in them
make      make one from its recipe, in minutes
download  copy one from a folder or from the Hugging Face hub
check     compare every byte of one with its manifest
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from experiments.command_line.parsing import parse
from experiments.command_line.refusals import usage_errors
from experiments.datasets.recipes import DATASETS, DatasetRecipe
from seq2seq_env.commands import command_frame
from seq2seq_env.process_group import process_state
from seq2seq_env.suggestions import check_name

if TYPE_CHECKING:
    from experiments.datasets.making import Dataset


class DatasetCommand(ABC):
    """Something done with data sets."""

    @abstractmethod
    def run(self) -> int:
        """Do it and print what came of it; the exit code."""


@dataclass(frozen=True)
class List(DatasetCommand):
    """Names of all data sets, with what is in them."""

    def run(self) -> int:
        """Print them; 0."""
        width = max(map(len, DATASETS)) + 2
        for name, recipe in DATASETS.items():
            print(f"{name:{width}}{summary(recipe)}")
        return 0


@dataclass(frozen=True)
class Make(DatasetCommand):
    """Make a data set from its recipe; what is there already of it is not made again."""

    name: tyro.conf.Positional[str]
    """Name of the data set, with or without its namespace."""
    out: Path | None = None
    """Folder to make; None takes the one of its name within runs/datasets."""
    progress: bool = True
    """Show progress bars on standard error."""

    def run(self) -> int:
        """Make it and print where it is; 0."""
        from buffers import ByRank
        from experiments.datasets.making import make

        processes = process_state(cpu=True)
        first = bool(processes.is_main_process)
        dataset = make(
            self.name, self.out, workers=ByRank(processes), is_writer=first, progress=self.progress and first
        )
        if dataset is not None:
            _show(dataset)
        if processes.num_processes > 1:
            processes.wait_for_everyone()
            processes.destroy_process_group()
        return 0


@dataclass(frozen=True)
class Download(DatasetCommand):
    """Copy a data set and compare it with the published one."""

    name: tyro.conf.Positional[str]
    """Name of the data set, with or without its namespace."""
    source: str
    """Folder that holds it, or a repository of data sets on the Hugging Face hub."""
    out: Path | None = None
    """Folder to make; None takes the one of its name within runs/datasets."""

    def run(self) -> int:
        """Copy it and print where it is; 0."""
        from experiments.datasets.downloading import download

        _show(download(self.name, self.source, self.out))
        return 0


@dataclass(frozen=True)
class Check(DatasetCommand):
    """Compare every byte of a data set with its manifest, and that with the published one."""

    folder: tyro.conf.Positional[Path]
    """Folder of the data set."""

    def run(self) -> int:
        """Print how it stands; 0."""
        from experiments.datasets.making import opened

        _show(opened(self.folder))
        return 0


COMMANDS: dict[str, type[DatasetCommand]] = {"list": List, "make": Make, "download": Download, "check": Check}


def summary(recipe: DatasetRecipe) -> str:
    """What is in a data set, in a line."""
    each = " each" if len(recipe.policies) > 1 else ""
    return (
        f"regime {recipe.regime}, {recipe.sources:,} sources, {recipe.candidates} samples{each} of "
        f"{', '.join(recipe.policies)}"
    )


def _show(dataset: Dataset) -> None:
    folder = dataset.folder
    print(f"{folder}: {dataset.manifest.name}: {dataset.verdict.text}")
    print(
        f"next: read {folder / 'README.md'}; rest compare --dataset {folder}; rest buffer export {folder} --to minari"
    )


def main(arguments: Sequence[str]) -> int:
    """``rest dataset``, which has commands of its own."""
    with command_frame():
        name, *rest = arguments or [""]
        if name in ("-h", "--help", "--help-all"):
            print(f"usage: rest dataset [-h] COMMAND [OPTIONS]\n\n{__doc__}")
            sys.exit(0)
        with usage_errors():
            check_name("command", name, COMMANDS)
        return parse(COMMANDS[name], rest, prog=f"rest dataset {name}").run()
    raise AssertionError("command_frame() leaves with an exit code")
