"""Progress bars: redrawn in place on a terminal, a line now and then in a log, and none for short work."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

DELAY = 1.0
"""Seconds of work before which a terminal shows no bar."""

LINE_EVERY = 30.0
"""Seconds between two lines of a log; shorter work leaves none."""

LINE = "{desc}: {n_fmt}/{total_fmt}, {elapsed}<{remaining}, {rate_fmt}{postfix}"
"""What a line of a log shows: a bar of characters would only make it longer."""

LINE_WITHOUT_TOTAL = "{desc}: {n_fmt}, {elapsed}, {rate_fmt}{postfix}"


def on_terminal() -> bool:
    """Whether standard error is a terminal, where a line can be redrawn."""
    return sys.stderr.isatty()


def progress_bar(
    iterable: Iterable[Any] | None = None,
    *,
    unit: str,
    desc: str,
    total: int | None = None,
    initial: int = 0,
    unit_scale: bool = False,
    leave: bool = True,
    shown: bool = True,
) -> tqdm[Any]:
    """A bar on standard error, to be updated by hand or by going through ``iterable``.

    Where standard error is a file or a pipe, it is a line every :data:`LINE_EVERY` seconds and a last one.

    Args:
        iterable: What is gone through; None for a bar that is updated by hand.
        unit: What is counted, in the singular.
        desc: What is done.
        total: Number of units; None for that of the iterable, or for an unknown one.
        initial: Units that were done before.
        unit_scale: Show thousands and millions as k and M.
        leave: Whether the finished bar stays on a terminal.
        shown: False shows nothing.
    """
    options: dict[str, Any] = {
        "iterable": iterable, "unit": unit, "desc": desc, "total": total, "initial": initial,
        "unit_scale": unit_scale, "disable": not shown,
    }  # fmt: skip
    if on_terminal():
        return tqdm(**options, leave=leave, delay=DELAY)
    # The clock is read at each update: tqdm would guess when the next line is due, and miss it where the rate changes.
    bar = _Lines(**options, leave=False, mininterval=LINE_EVERY, miniters=1, delay=LINE_EVERY)
    bar.bar_format = LINE_WITHOUT_TOTAL if bar.total is None else LINE
    return bar


class _Lines(tqdm):  # type: ignore[type-arg]  # generic in its stubs alone
    """A bar of which every state is a line of its own."""

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Write a line; what tqdm writes to wipe a bar out is left out."""
        if msg is None:
            self.fp.write(f"{self}\n")
            self.fp.flush()

    def clear(self, nolock: bool = False) -> None:
        """A line stays."""

    def refresh(self, nolock: bool = False, lock_args: Any = None) -> None:
        """Write a line, but for whoever holds tqdm's lock: its monitor, or what is written beside a bar."""
        if not nolock:
            super().refresh(lock_args=lock_args)

    def close(self) -> None:
        """Write the last line, unless it stands there or the work was short."""
        if not self.disable and self.start_t < self.last_print_t and self.last_print_n < self.n:
            self.refresh()
        super().close()
