"""Play the environment in the terminal: write a translation line by line and see its score."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import tyro

from seq2seq_env.commands import USERS_ERRORS, arguments, command_frame
from seq2seq_env.play.game import HELP, BadLineError, Game
from seq2seq_env.tasks import load_task


@dataclass(frozen=True)
class Play:
    """Task and first source of a game; after an episode's end the next source is a random one of the split."""

    task: str = "phrasebook-de-en"
    """Task that gives the sources, by its name."""
    task_options: dict[str, str] = field(default_factory=dict)
    """Options of the task, names and values in turn: --task text-files --task-options folder data source de target
    en."""
    split: str = "validation"
    """Split that sources are drawn from: "train", "validation" or "test", or "source-only" where the task has sentences
    without references."""
    scorer: str | None = None
    """Name, folder or specification of the scorer ("process: ...", "metricx: ...", "ensemble: ..."); None takes the
    task's own."""
    max_target_length: int | None = None
    """Length limit: tokens after which an episode is truncated, at least 1; None takes the task's."""
    seed: int | None = None
    """Seed of the random sources, at least 0; None draws others each time."""
    index: int | None = None
    """Row of the first source in the split, from 0; None draws one."""
    source: str | None = None
    """Sentence that is the first source, any at all; it has no reference."""

    def run(self) -> None:
        """Play until ``:quit`` or the end of input."""
        if self.index is not None and self.source is not None:
            raise ValueError("--index and --source both name a source; give one of them")
        if self.seed is not None and self.seed < 0:
            raise ValueError(f"--seed is {self.seed}; give 0 or more")
        options: dict[str, Any] = {}
        if self.index is not None:
            options["source_index"] = self.index
        if self.source is not None:
            options["source"] = self.source
        task = load_task(self.task, **self.task_options)
        env = gym.make(
            "Seq2SeqTranslate-v0",
            task=task,
            scorer=self.scorer,
            split=self.split,
            max_target_length=self.max_target_length,
            render_mode="ansi",
        )
        game = Game(env, task, self.split)
        state = game.start(seed=self.seed, options=options)
        print(f"{HELP}\n{state}")
        for line in _lines():
            try:
                print(game.enter(line))
            except BadLineError as error:
                print(f"{error}\n")
            if game.stopped:
                break
            if not game.playing:
                print(game.start())
        env.close()


def _lines() -> Iterator[str]:
    """Lines typed or piped, each shown after a prompt, up to the end of input."""
    if sys.stdin.isatty():
        # Gives the prompt editing and a history; not every Python has it.
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401
    # A line in another encoding is the game's to refuse, and no reason to stop.
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    while True:
        try:
            line = input("> ")
        except EOFError:
            print()
            return
        if not sys.stdin.isatty():
            print(line)
        yield line


def main() -> None:
    """Play as the command line says; exit with 1 and one sentence where something is wrong."""
    with command_frame(errors=(*USERS_ERRORS, IndexError)):
        tyro.cli(Play, args=arguments(), prog="python -m seq2seq_env", description=__doc__).run()


if __name__ == "__main__":
    main()
