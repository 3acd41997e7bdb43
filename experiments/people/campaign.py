"""Campaign: what is rated, blind, and the key that says whose translations they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, Self

from experiments.people.protocols import Protocol, protocol_of
from experiments.people.systems import System
from seq2seq_env.atomic_files import read_json, write_json

RATINGS = "ratings"
"""Folder of a run with its campaigns, a folder each."""

KEY = "key.json"
"""File of a campaign that maps what is shown to systems; raters do not see it."""


@dataclass(frozen=True)
class Candidate:
    """One translation of an item.

    Attributes:
        code: What stands for its systems where all are told apart, "S2", or "S1-S3" where two wrote the same.
        systems: Stages that wrote it.
        text: As the systems wrote it.
        measures: Learned reward, and oracle and judge where the run has them.
    """

    code: str
    systems: tuple[str, ...]
    text: str
    measures: Mapping[str, float]


@dataclass(frozen=True)
class Item:
    """What a rater sees at a time.

    Attributes:
        name: Blind, in the order of the page.
        group: Place of its group of systems in the campaign.
        row: Of the source among the test sources.
        source: Text.
        reference: Likewise; not shown unless the export says so.
        candidates: In the order shown.
    """

    name: str
    group: int
    row: int
    source: str
    reference: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Group:
    """Systems whose translations of a source are rated together.

    Attributes:
        systems: Stages.
        different: Test sources of which not all of them have the same translation.
        total: Test sources.
    """

    systems: tuple[str, ...]
    different: int
    total: int


@dataclass(frozen=True)
class Campaign:
    """What is rated, and whose it is.

    Attributes:
        protocol: Name.
        systems: Stages, the one that others are compared with first.
        means: Of each system, its measures over all test sources.
        groups: Of systems that are rated together.
        items: In the order shown.
        origin: What determines the run: its options and fingerprints, and how items were drawn.
    """

    protocol: str
    systems: tuple[str, ...]
    means: Mapping[str, Mapping[str, float]]
    groups: tuple[Group, ...]
    items: tuple[Item, ...]
    origin: Mapping[str, Any]

    @cached_property
    def fingerprint(self) -> str:
        """By which ratings know their campaign: 16 hexadecimal digits over all that it is."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def rules(self) -> Protocol:
        """The protocol itself."""
        return protocol_of(self.protocol)

    @property
    def grow_step(self) -> int | None:
        """The Grow step whose samples are rated; None where test translations of several policies are."""
        return self.origin.get("grow")

    @property
    def size(self) -> int:
        """How many translations are rated."""
        return sum(len(item.candidates) for item in self.items)

    def write_key(self, folder: Path) -> None:
        """Write the key of the campaign in ``folder``.

        Raises:
            FileExistsError: If another campaign's is there, whose ratings would be lost.
        """
        path = folder / KEY
        if path.is_file() and (known := self.read_key(folder).fingerprint) != self.fingerprint:
            raise FileExistsError(f"{str(folder)!r} has campaign {known} already; give this one another --name")
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, {"campaign": self.fingerprint, **asdict(self)})

    @classmethod
    def read_key(cls, folder: Path) -> Self:
        """What :meth:`write_key` wrote.

        Raises:
            ValueError: If it is corrupt.
        """
        record = read_json(folder / KEY)
        try:
            fingerprint = record.pop("campaign")
            campaign = cls(
                record["protocol"], tuple(record["systems"]), record["means"],
                tuple(Group(tuple(each.pop("systems")), **each) for each in record["groups"]),
                tuple(_item(each) for each in record["items"]), record["origin"],
            )  # fmt: skip
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{str(folder / KEY)!r} is no key of a campaign ({error}); export again") from error
        if campaign.fingerprint != fingerprint:
            raise ValueError(f"{str(folder / KEY)!r} was changed after the export; take a copy that was not")
        return campaign


def _item(record: Mapping[str, Any]) -> Item:
    candidates = tuple(Candidate(**{**each, "systems": tuple(each["systems"])}) for each in record["candidates"])
    return Item(**{**record, "candidates": candidates})


def campaigns_of(run: Path) -> dict[str, tuple[Path, Campaign]]:
    """The campaigns of a run with their folders, by fingerprint.

    Raises:
        FileNotFoundError: If there are none.
        ValueError: If a key is corrupt.
    """
    folders = [path.parent for path in sorted((run / RATINGS).glob(f"*/{KEY}"))]
    if not folders:
        raise FileNotFoundError(f"{str(run)!r} has no campaign; make one with: rest rate export --run {run}")
    known = [(folder, Campaign.read_key(folder)) for folder in folders]
    return {campaign.fingerprint: (folder, campaign) for folder, campaign in known}


def make_campaign(
    protocol: str,
    systems: Sequence[System],
    sources: Sequence[str],
    references: Sequence[str],
    count: int,
    seed: int,
    origin: Mapping[str, Any],
) -> Campaign:
    """Draw sources and hide whose translations are whose.

    Sources whose translations differ between the systems of a group come first, for only they can tell systems apart;
    others fill up. Groups share their sources as far as that leaves them.

    Args:
        protocol: Name.
        systems: The one that others are compared with first.
        sources: N test sources.
        references: Theirs.
        count: Sources of each group.
        seed: Of the draw, the codes and the orders.
        origin: What determines the run.
    """
    rules, random = protocol_of(protocol), Random(f"{seed}/{protocol}")
    stages = [system.stage for system in systems]
    codes = dict(
        zip(random.sample(stages, len(stages)), (f"S{place}" for place in range(1, len(stages) + 1)), strict=True)
    )
    order = random.sample(range(len(sources)), len(sources))
    groups, items = [], []
    for members in _groups(systems, rules):
        different = [row for row in order if len({_spaced(system.texts[row]) for system in members}) > 1]
        known = set(different)
        groups.append(Group(tuple(system.stage for system in members), len(different), len(sources)))
        for row in [*different, *(row for row in order if row not in known)][:count]:
            candidates = _candidates(members, row, codes)
            random.shuffle(candidates)
            shown = [[each] for each in candidates] if rules.shown == "one" else [candidates]
            items += [
                Item("", len(groups) - 1, row, sources[row], references[row], tuple(together)) for together in shown
            ]
    random.shuffle(items)
    named = tuple(replace(item, name=f"{place:03d}") for place, item in enumerate(items, start=1))
    means = {
        each.stage: {name: sum(values) / len(values) for name, values in each.measures.items()} for each in systems
    }
    return Campaign(protocol, tuple(stages), means, tuple(groups), named, dict(origin) | {"seed": seed})


def _groups(systems: Sequence[System], rules: Protocol) -> Iterator[Sequence[System]]:
    if rules.shown == "pair":
        yield from ([systems[0], other] for other in systems[1:])
    else:
        yield systems


def _candidates(members: Sequence[System], row: int, codes: Mapping[str, str]) -> list[Candidate]:
    """The distinct translations: one that several systems wrote is rated once, for all of them."""
    by_text: dict[str, list[System]] = {}
    for system in members:
        by_text.setdefault(_spaced(system.texts[row]), []).append(system)
    return [
        Candidate(
            "-".join(sorted(codes[system.stage] for system in same)),
            tuple(system.stage for system in same),
            same[0].texts[row],
            {name: values[row] for name, values in same[0].measures.items()},
        )
        for same in by_text.values()
    ]


def _spaced(text: str) -> str:
    return " ".join(text.split())
