"""Score hypotheses of sources by any scorer, without a reference: a line in, a line out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from agents.cli.line_files import open_output
from experiments.cli.text_lines import check_aligned, read_text
from experiments.command_line.parsing import parse
from experiments.names import AnyTaskName
from seq2seq_env.commands import UsageError, command_frame
from seq2seq_env.tasks import TaskOptions, load_task

LINES_AT_ONCE = 1_024
"""Lines that are scored and written together."""


@dataclass(frozen=True)
class Score:
    """Options of the scoring."""

    scorer: str
    """Name, folder or specification of the scorer, "process:", "metricx:" or "ensemble:" and what it is made of."""
    sources: Path
    """File of sources, a text a line."""
    hypotheses: Path | None = None
    """File of as many hypotheses, a text a line; None takes standard input."""
    output: Path | None = None
    """File to write atomically, in place of one of that name; None writes to standard output."""
    task: AnyTaskName = None
    """Task whose pairs the scorer goes by: "lexical:" counts them, "guarded:" takes its limits from them."""
    task_options: TaskOptions = field(default_factory=dict)
    """Options of the task, names and values in turn."""
    json: bool = False
    """Write JSON Lines with source, hypothesis and score, in place of scores alone."""
    device: str = "cpu"
    """Device of the scorer, "cpu" or "cuda"."""
    progress: bool = True
    """Show a progress bar on standard error."""

    def run(self) -> None:
        """Score every line, and say the mean on standard error."""
        if self.task is None and self.task_options:
            raise UsageError(f"--task-options names {', '.join(self.task_options)}, and there is no --task; name it")
        sources, hypotheses = read_text(self.sources), read_text(self.hypotheses)
        check_aligned({"sources": sources, "hypotheses": hypotheses})
        from seq2seq_env.scorers import checked_scores, load_scorer

        task = None if self.task is None else load_task(self.task, **self.task_options)
        scorer = load_scorer(self.scorer, device=self.device, task=task)
        total = 0.0
        with (
            open_output(self.output) as output,
            tqdm(total=len(sources), unit="line", desc="score", disable=not self.progress, leave=False) as bar,
        ):
            for start in range(0, len(sources), LINES_AT_ONCE):
                part = slice(start, start + LINES_AT_ONCE)
                scores = checked_scores(scorer, sources[part], hypotheses[part]).astype(np.float64)
                total += float(scores.sum())
                rows = zip(sources[part], hypotheses[part], scores.tolist(), strict=True)
                with tqdm.external_write_mode():
                    output.write("".join(f"{self._line(*row)}\n" for row in rows).encode())
                    output.flush()
                bar.update(len(scores))
        print(f"{len(sources):,} pairs, {total / len(sources):.4f} on average", file=sys.stderr)

    def _line(self, source: str, hypothesis: str, score: float) -> str:
        if not self.json:
            return f"{score:.6f}"
        record = {"source": source, "hypothesis": hypothesis, "score": round(score, 6)}
        return json.dumps(record, ensure_ascii=False)


def main(arguments: Sequence[str]) -> None:
    """``rest score``."""
    with command_frame():
        parse(Score, arguments, prog="rest score", description=__doc__).run()
