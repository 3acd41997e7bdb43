"""A page as its reader follows it: block after block, in one folder and one Python session."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from tests.documentation.interpreter import FAST, LONG, Interpreter, Outcome
from tests.documentation.pages import Block, Page
from tests.documentation.recording import record


class Reading:
    """A page being read.

    Args:
        page: Its blocks.
        folder: Where they run.
        interpreter: Runs them.
        begin: Puts into the folder what a reader has, and says which runs are only stand-ins for a reader's own, so
            that a slow block may make them anew.
    """

    def __init__(self, page: Page, folder: Path, interpreter: Interpreter, begin: Callable[[Path], list[Path]]) -> None:
        self.page, self.folder, self.interpreter = page, folder, interpreter
        self._outcomes: dict[Block, Outcome] = {}
        self._child: socket.socket | None = None
        self._stand_ins = begin(folder)

    def run(self, block: Block) -> Outcome:
        """Run a block, after those before it that have not run yet; slow ones only before a slow one."""
        modes = ("run", "slow") if block.mode == "slow" else ("run",)
        for other in self.page.blocks[: self.page.blocks.index(block) + 1]:
            if other not in self._outcomes and other.mode in modes:
                self._outcomes[other] = self._run(other)
        return self._outcomes[block]

    def parse(self, block: Block) -> Outcome:
        """Parse a block: the options of each program of ours, by its own parser; or Python and what it imports."""
        if block.language == "python":
            with self.interpreter.connect() as child:
                return self._ask(child, block, parse=True)
        outcomes = self._parsed_programs(block)
        return Outcome(any(one.failed for one in outcomes), "\n".join(one.output for one in outcomes if one.failed))

    def close(self) -> None:
        """End the Python session; another block begins one of its own."""
        if self._child is not None:
            self._child.close()

    def _run(self, block: Block) -> Outcome:
        seconds = LONG if block.mode == "slow" else FAST
        if block.language == "python":
            if self._child is None or self._child.fileno() < 0:  # the first block, or the one before hung or died
                self._child = self.interpreter.connect()
            return self._ask(self._child, block, seconds)
        if block.mode == "slow":
            self._make_way(block)
        return self.interpreter.shell(block.code, self.folder, seconds)

    def _ask(self, child: socket.socket, block: Block, seconds: float = FAST, parse: bool = False) -> Outcome:
        page = str(self.interpreter.root / block.page)
        return self.interpreter.ask(
            child, self.folder, seconds, code=block.code, page=page, line=block.line, parse=parse
        )

    def _parsed_programs(self, block: Block) -> list[Outcome]:
        aside = self.folder / ".recording"
        aside.mkdir(exist_ok=True)
        recording = record(block.code, aside, self.interpreter.root)
        outcomes = [Outcome(True, fault) for fault in recording.faults]
        for program in recording.programs:
            with self.interpreter.connect() as child:
                done = self.interpreter.ask(child, self.interpreter.root, FAST, program=program, parse=True)
                outcomes.append(Outcome(done.failed, f"{' '.join(program)}\n{done.output}", done.out))
        return outcomes

    def _make_way(self, block: Block) -> None:
        """A run that a slow block makes begins anew, in place of the stand-in for it."""
        filled = {(self.folder / parsed.out).resolve() for parsed in self._parsed_programs(block) if parsed.out}
        for run in [run for run in self._stand_ins if run.resolve() in filled]:
            shutil.rmtree(run)
            self._stand_ins.remove(run)
