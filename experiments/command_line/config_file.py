"""Options in a file: a YAML mapping of them, or the ``config.json`` of a run, as arguments of the command line.

Keys are the options' names, with hyphens or underscores; what the command line writes with a dot is a mapping.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import tyro
import yaml

from seq2seq_env.suggestions import suggestion

_POSITIONAL: Any = tyro.conf.Positional
_UNPREFIXED: Any = tyro.conf.OmitArgPrefixes

FACTS = ("task_fingerprint", "scorer_fingerprint", "judge_fingerprint")
"""What a run's ``config.json`` holds beside options."""

AGENT_OPTIONS = "agent_options"
"""Field of a configuration with the agents' own options, each agent's under its name; files and command lines have
the names alone."""


def file_arguments(path: Path, kind: type, agents: Collection[str]) -> list[str]:
    """The options of a file as the command line would have them.

    Args:
        path: A YAML or JSON file.
        kind: The configuration, a dataclass, whose fields are the options.
        agents: Names that options of agents may stand under; none for a command that has no agents.

    Raises:
        ValueError: If the file cannot be read or is no mapping, has a key that is no option, or a value of another form
            than its option.
    """
    try:
        options = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{str(path)!r} is no YAML ({' '.join(str(error).split())}); mend it") from error
    except OSError as error:
        raise ValueError(f"--config {str(path)!r} cannot be read ({error.strerror}); name a file of options") from error
    if not isinstance(options, Mapping):
        raise ValueError(f"{str(path)!r} holds no mapping; write options and their values, such as seed: 1")
    known = {*FACTS, *getattr(kind, "DERIVED", ())}
    named = {str(key): value for key, value in options.items() if key not in known}
    return option_arguments(named, kind, agents, str(path))


def option_arguments(options: Mapping[str, Any], kind: type, agents: Collection[str], where: str) -> list[str]:
    """Options as the command line would have them.

    Args:
        options: By name, with mappings for what the command line writes with a dot.
        kind: The configuration, a dataclass, whose fields are the options.
        agents: Names that options of agents may stand under.
        where: What has them, for messages.

    Raises:
        ValueError: If a key is no option, or a value of another form than its option.
    """
    own = {key: value for key, value in options.items() if key in agents}
    others = {key: value for key, value in options.items() if key not in own}
    arguments = list(_arguments(kind, others, "", where))
    for agent, values in own.items():
        if not isinstance(values, Mapping):
            raise ValueError(f"{agent} in {where!r} is {values!r}; give a mapping of its options")
        arguments += [f"--{agent}.{_hyphened(str(name))}={_text(value)}" for name, value in values.items()]
    return arguments


def file_text(config: Any) -> str:
    """A configuration as YAML that :func:`file_arguments` reads, without what has no name on the command line."""
    named = _hints(type(config))
    options: dict[str, Any] = {name: value for name, value in _plain(asdict(config)).items() if name in named}
    options |= _plain(getattr(config, AGENT_OPTIONS, {}))
    return str(yaml.safe_dump(options, sort_keys=False, allow_unicode=True))


def _arguments(kind: type, options: Mapping[str, Any], prefix: str, path: str) -> Iterator[str]:
    hints = _hints(kind)
    for key, value in options.items():
        name = key.replace("-", "_")
        if name not in hints:
            near = suggestion(prefix + name, [prefix + each for each in hints])
            raise ValueError(f"{path!r} has {prefix + key!r}, which is no option{near}")
        option, hint = f"{prefix}{_hyphened(name)}", _bare(hints[name])
        nested = is_dataclass(hint) or get_origin(hint) is dict
        if nested != isinstance(value, Mapping):
            wanted = "a mapping of its options" if nested else "a value"
            raise ValueError(f"{prefix + key} in {path!r} is {value!r}; give {wanted}")
        if isinstance(hint, type) and is_dataclass(hint):
            yield from _arguments(hint, value, prefix if _has(hints[name], _UNPREFIXED) else f"{option}.", path)
        elif hint is bool:
            if not isinstance(value, bool):
                raise ValueError(f"{prefix + key} in {path!r} is {value!r}; give true or false")
            yield f"--{option}" if value else f"--{prefix}no-{_hyphened(name)}"
        elif isinstance(value, Mapping):
            yield from [f"--{option}", *(_text(each) for pair in value.items() for each in pair)]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield from [f"--{option}", *map(_text, value)]
        else:
            yield f"--{option}={_text(value)}"


def _hints(kind: type) -> dict[str, Any]:
    """The types of the fields that are options with a name."""
    hints = get_type_hints(kind, include_extras=True)
    named = (each.name for each in fields(kind) if each.name != AGENT_OPTIONS)
    return {
        name: hints[name]
        for name in named if not _has(hints[name], _POSITIONAL) and not _has(hints[name], tyro.conf.Fixed)
    }  # fmt: skip


def _has(hint: Any, marker: Any) -> bool:
    return marker in getattr(hint, "__metadata__", ())


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _hyphened(name: str) -> str:
    return name.replace("_", "-")


def _text(value: Any) -> str:
    """YAML takes yes and no for truth, which options of tasks spell out."""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _plain(value: Any) -> Any:
    """As YAML and JSON have it: texts for paths, lists for tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
