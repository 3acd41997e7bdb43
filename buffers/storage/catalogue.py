"""Which shards a buffer has: by Grow step and unit of Grow work, each unit once, all made in ways that fit together."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from buffers.storage.container import ShardError
from buffers.storage.provenance import Provenance
from buffers.storage.shard import Shard

SUFFIX = ".h5"


class Catalogue:
    """Shards that fit together.

    Attributes:
        steps: Those of each Grow step, by index, rising.
    """

    def __init__(self) -> None:
        self.steps: dict[int, list[Shard]] = {}

    def holding(self, grow_step: int, shard_index: int) -> Shard | None:
        """The shard that holds a unit of Grow work."""
        shards = self.steps.get(grow_step, [])
        place = bisect_right(shards, shard_index, key=_first_unit) - 1
        return shards[place] if place >= 0 and shard_index in shards[place].provenance.units else None

    def check_fits(self, provenance: Provenance) -> None:
        """Refuse a shard made from something else than those present.

        Raises:
            ShardError: Naming the first attribute that differs and both its values.
        """
        # All shards agree on the task, and those of a Grow step on how it was grown: one of each speaks for the rest.
        of_step = self.steps.get(provenance.grow_step, [])
        of_buffer = next(iter(self.steps.values()), [])
        for shard in (*of_buffer[:1], *of_step[:1]):
            difference = shard.provenance.difference(provenance)
            if difference:
                raise ShardError(
                    f"shard {str(shard.path)!r} does not fit g{provenance.grow_step} s{provenance.shard_index}: "
                    f"{difference}; use another folder or the settings that made it"
                )

    def add(self, shard: Shard) -> None:
        """Take a shard in, unless a compacted one that is here holds its units; one takes the place of those it holds.

        Raises:
            ShardError: If it has another's name, was made from something else, or overlaps one that is here.
        """
        file, provenance = shard.path, shard.provenance
        name = file_name(provenance.grow_step, provenance.shard_index, provenance.shard_count)
        if file.name != name:
            raise ShardError(
                f"shard {str(file)!r} holds Grow step {provenance.grow_step}, index {provenance.shard_index}; name it "
                f"{name!r} or move it out of the folder"
            )
        self.check_fits(provenance)
        shards = self.steps.setdefault(provenance.grow_step, [])
        # Units lie in disjoint ranges, so those that overlap this one's are neighbours: found by bisection, since a
        # folder of many thousand shards is opened at each start.
        low = bisect_left(shards, provenance.units.start, key=_end_unit)  # the first that ends after this one's start
        low += low < len(shards) and shards[low].provenance.units.stop == provenance.units.start
        high = bisect_left(shards, provenance.units.stop, key=_first_unit)
        for other in shards[low:high]:
            theirs = other.provenance.units
            if theirs.start <= provenance.units.start and provenance.units.stop <= theirs.stop:
                return  # what compaction has merged already and not yet deleted
            if not (provenance.units.start <= theirs.start and theirs.stop <= provenance.units.stop):
                raise ShardError(
                    f"shards {str(file)!r} and {str(other.path)!r} overlap; keep one of them, and grow what is missing"
                )
        shards[low:high] = [shard]


def file_name(grow_step: int, shard_index: int, shard_count: int = 1) -> str:
    """Name of a shard's file."""
    last = f"-{shard_index + shard_count - 1:05d}" if shard_count > 1 else ""
    return f"g{grow_step:03d}-s{shard_index:05d}{last}{SUFFIX}"


def _first_unit(shard: Shard) -> int:
    return shard.provenance.units.start


def _end_unit(shard: Shard) -> int:
    return shard.provenance.units.stop
