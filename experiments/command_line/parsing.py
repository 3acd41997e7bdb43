"""Parsing of a command's options: from the command line, over those of a file, with each agent's own.

The options are the fields of a frozen dataclass, by tyro. An agent's own are the fields of its ``Config`` under its
name, ``--bvmpo.eta 0.05``; the class is imported, and PyTorch with it, where the agent is named.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, Field, field, fields, make_dataclass
from inspect import getdoc
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import tyro

import agents
from experiments.command_line.config_file import AGENT_OPTIONS, file_arguments, file_text
from experiments.command_line.help_text import first_sentences
from experiments.command_line.refusals import parser_errors, usage_errors
from seq2seq_env.commands import UsageError
from seq2seq_env.suggestions import check_name

C = TypeVar("C")

HELP_ALL = "--help-all"

_CONFIG = "YAML file of options, or a run's config.json. Options of the command line override it."
_PRINT_CONFIG = "Print all options as YAML, for --config, and stop."


def parse(
    kind: type[C],
    arguments: Sequence[str],
    *,
    prog: str | None = None,
    description: str | None = None,
    defaults: Callable[[Sequence[str]], C] | None = None,
    implied: Callable[[Sequence[str]], Sequence[str]] | None = None,
    most_used: Collection[str] = (),
) -> C:
    """The configuration that a command line asks for.

    Args:
        kind: Its class; one with a field ``agent_options`` takes those of agents. Where names in ``agents`` stand for
            agents of other names, its ``algorithms`` tells which.
        arguments: The command line behind the program's name.
        prog: The program's name in the help.
        description: Of the help; None takes the class's docstring.
        defaults: Gives what options stand for where they are not given, by those that are; None takes the class's.
        implied: Gives what those that are given stand for, as arguments, which the given ones override; None for none.
        most_used: Fields that ``--help`` shows, with ``--help-all`` for all; none shows all.

    Raises:
        UsageError: If the options cannot be meant, or their file not be read.
        SystemExit: After help, with 0.
    """
    # The class that is made of it here has no docstring of its own.
    description = getdoc(kind) if description is None else description
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    names = tuple(agents.AGENTS) if AGENT_OPTIONS in known else ()
    with usage_errors():
        # Behind what has no name, which a list at the end of the file's options would else take in.
        unnamed = list(takewhile(lambda each: not each.startswith("-"), arguments))
        given = [*unnamed, *_from_file(kind, arguments, names), *arguments[len(unnamed) :]]
        given = given if implied is None else [*unnamed, *implied(given), *given[len(unnamed) :]]
        configs = _agent_configs(kind, given) if names else {}
    shortened = bool(most_used) and HELP_ALL not in given
    given = ["--help" if each == HELP_ALL else each for each in given]
    if shortened and not {"-h", "--help"}.isdisjoint(given):
        summary = (description or "").partition("\n\n")[0]
        description = f"{summary}\n\nThe options that are used most; all of them: {prog} {HELP_ALL}"
    else:
        most_used = ()
    extended = _extended(kind, configs, most_used)
    with usage_errors():
        default = None if defaults is None else defaults(given)
    values: dict[str, Any] = {} if default is None else {"default": extended(**_values(kind, default))}
    with parser_errors():
        parsed = tyro.cli(extended, prog=prog, description=description, args=given, **values)
    options = {name: _changed(getattr(parsed, _attribute(name))) for name in configs}
    own = {AGENT_OPTIONS: {name: each for name, each in options.items() if each}} if names else {}
    config = kind(**_values(kind, parsed) | own)
    if parsed.print_config:
        print(file_text(config), end="")
        sys.exit(0)
    return config


def look_ahead(arguments: Sequence[str], **options: dict[str, Any]) -> argparse.Namespace:
    """Options on which others depend, read before those.

    Args:
        arguments: All.
        **options: What argparse must know of each.

    Raises:
        UsageError: If one has no value.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name, how in options.items():
        parser.add_argument(f"--{name}", **how)
    try:
        return parser.parse_known_args(list(arguments))[0]
    except argparse.ArgumentError as error:
        raise UsageError(str(error)) from error


def _from_file(kind: type, arguments: Sequence[str], names: Collection[str]) -> list[str]:
    config: Path | None = look_ahead(arguments, config={"type": Path}).config
    return [] if config is None else file_arguments(config, kind, names)


def _agent_configs(kind: type, arguments: Sequence[str]) -> dict[str, type]:
    """The ``Config`` of each agent that is named, or whose options are given.

    Raises:
        ValueError: If there is no such agent, or options are given of one that is not chosen.
    """
    known = look_ahead(arguments, agent={}, agents={"nargs": "*"})
    named = [*(known.agents or ()), *([known.agent] if known.agent else [])]
    named = list(getattr(kind, "algorithms", tuple)(named))
    for name in named:
        check_name("agent", name, sorted(agents.AGENTS))
    chosen = named or _default_agents(kind)
    prefixed = {
        name: argument
        for argument in arguments if argument.startswith("--") and "." in argument
        if (name := argument[2:].partition(".")[0]) in agents.AGENTS
    }  # fmt: skip
    for name, argument in prefixed.items():
        if name not in chosen:
            option = "--agents" if "agents" in {each.name for each in fields(kind)} else "--agent"
            raise ValueError(f"{argument.partition('=')[0]} is an option of agent {name!r}; choose it with {option}")
    classes = {name: agents.agent_class(name).Config for name in dict.fromkeys((*named, *prefixed))}
    return {name: config for name, config in classes.items() if fields(config)}


def _default_agents(kind: type) -> tuple[str, ...]:
    """By the field ``agents``, or ``agent``."""
    chosen: dict[str, Any] = {each.name: each.default for each in fields(kind)}
    return chosen["agents"] if "agents" in chosen else (chosen["agent"],)


def _extended(kind: type, configs: Mapping[str, type], shown: Collection[str]) -> type:
    """The class with the options of files and agents, and, where only some fields are shown, the others suppressed."""
    hints, changed = get_type_hints(kind, include_extras=True), []
    sentences = first_sentences(kind) if shown else {}
    for each in fields(kind) if shown else ():
        brief = tyro.conf.arg(help=sentences[each.name]) if each.name in shown else tyro.conf.Suppress
        changed.append((each.name, Annotated[hints[each.name], brief], _same(each)))
    extra = [
        ("config", Annotated[Path | None, tyro.conf.arg(help=_CONFIG)], field(default=None, kw_only=True)),
        ("print_config", Annotated[bool, tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help=_PRINT_CONFIG)],
         field(default=False, kw_only=True)),
    ]  # fmt: skip
    own = [
        (_attribute(name), Annotated[config, tyro.conf.arg(name=name)], field(default_factory=config, kw_only=True))
        for name, config in configs.items()
    ]
    return make_dataclass(kind.__name__, [*changed, *extra, *own], bases=(kind,), frozen=True)


def _same(each: Field[Any]) -> Any:
    """A field's default, for its declaration anew."""
    if each.default_factory is not MISSING:
        return field(default_factory=each.default_factory)
    return field() if each.default is MISSING else field(default=each.default)


def _attribute(agent: str) -> str:
    return "agent_" + agent.replace("-", "_")


def _values(kind: type, config: Any) -> dict[str, Any]:
    return {each.name: getattr(config, each.name) for each in fields(kind)}


def _changed(config: Any) -> dict[str, Any]:
    """The options of an agent that differ from its own."""
    usual = type(config)()
    return {
        each.name: getattr(config, each.name)
        for each in fields(config)
        if getattr(config, each.name) != getattr(usual, each.name)
    }
