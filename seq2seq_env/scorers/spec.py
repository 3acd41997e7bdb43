"""Scorer specifications: ``kind: key=value word``, and the classes that are made from them."""

from __future__ import annotations

import re
import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from seq2seq_env.options import typed_options
from seq2seq_env.scorers.scorer import Scorer

if TYPE_CHECKING:
    from seq2seq_env.tasks.task import Task

_OPTION = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


@dataclass(frozen=True)
class ScorerSpec:
    """The parts of a specification, separated as a shell would.

    Attributes:
        kind: What stands before the colon.
        options: The words ``key=value`` that come first.
        words: The others, which the scorer is made of.
    """

    kind: str
    options: dict[str, str]
    words: list[str]

    @classmethod
    def parse(cls, text: str) -> ScorerSpec:
        """The parts of ``text``.

        Raises:
            ValueError: If a quotation mark is not closed.
        """
        kind, _, rest = text.partition(":")
        try:
            words = shlex.split(rest)
        except ValueError as error:
            raise ValueError(f"the scorer {text!r} cannot be read ({error}); quote it as for a shell") from error
        options = {}
        while words and (option := _OPTION.fullmatch(words[0])):
            options[option[1]] = option[2]
            words = words[1:]
        return cls(kind, options, words)

    def __str__(self) -> str:
        return f"{self.kind}: {shlex.join([*(f'{key}={value}' for key, value in self.options.items()), *self.words])}"

    def scorer_names(self, count: int, which: str) -> list[str]:
        """The words, where each names a scorer.

        Args:
            count: How many there must be.
            which: What they are, for the error.

        Raises:
            ValueError: If there are more or fewer.
        """
        if len(self.words) != count:
            raise ValueError(
                f"{self.kind}: is followed by {len(self.words)} scorers ({' '.join(self.words)}); name {which}, quoted "
                "where a name has spaces"
            )
        return self.words

    def keyword_arguments(self, make: Callable[..., Any]) -> dict[str, Any]:
        """The options as keyword arguments of ``make``, of the types that it declares.

        An option is a parameter that has a default, but for ``device``, which the caller decides.

        Raises:
            TypeError: If there is no such option.
            ValueError: If a value does not fit the parameter's type.
        """
        parameters = signature(make).parameters.items()
        known = [key for key, each in parameters if each.default is not Parameter.empty and key != "device"]
        return typed_options(make, self.options, known, f"the scorer kind {self.kind!r}")


class ScorerKind(ABC):
    """A class of scorers made from a specification; a line in ``seq2seq_env.scorers.KINDS`` names its kind."""

    path_options: ClassVar[tuple[str, ...]] = ()
    """Options that may name a folder."""

    @classmethod
    @abstractmethod
    def from_spec(cls, spec: ScorerSpec, *, device: str, load: Callable[[str], Scorer]) -> Scorer:
        """The scorer of a specification.

        Args:
            spec: Its options and words.
            device: Where the scorer computes.
            load: Gives the scorer of a name, for a scorer that is made of others.

        Raises:
            TypeError: If there is no such option.
            ValueError: If an option or a word does not fit.
        """

    def for_task(self, task: Task) -> Scorer:
        """The scorer for the sentences of a task, where it goes by the task's references; by default the same."""
        assert isinstance(self, Scorer)
        return self

    @classmethod
    def resolve(cls, spec: ScorerSpec, base: Path, resolve_name: Callable[[str], str]) -> ScorerSpec:
        """The specification that means from everywhere what ``spec`` means in the folder ``base``.

        Args:
            spec: With names relative to ``base``.
            base: A folder.
            resolve_name: Does the same to the name of a scorer, which leaves a word alone that names no folder.
        """
        paths = {key: absolute(value, base) for key, value in spec.options.items() if key in cls.path_options}
        return replace(spec, options=spec.options | paths, words=[resolve_name(word) for word in spec.words])


def task_missing(reason: str) -> ValueError:
    """The error of a scorer that goes by a task and was loaded without one; ``reason`` says what it takes from it."""
    return ValueError(
        f"{reason}, and no task is known here; load it with load_scorer(..., task=task), or name it in a run, an "
        "environment, or a command with --task"
    )


def absolute(word: str, base: Path, is_there: Callable[[Path], bool] = Path.is_dir) -> str:
    """The absolute path of what ``word`` names in the folder ``base``, or the word itself where that is not there."""
    try:
        exists = bool(word) and is_there(base / word)
    except (OSError, ValueError):  # a word of a command may be too long for a name
        exists = False
    return str((base / word).absolute()) if exists else word
