"""Make a learned scorer, which reads source and hypothesis only, for a task.

Where the task has an oracle, it stands for human raters and rates a limited number of hypotheses. For other text, two
translation models are trained on its pairs and read hypotheses of held-out sources, which are labelled by chrF against
their references, or by ratings of your own.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

from experiments.command_line.parsing import parse
from experiments.runs.own_text import planned_options
from experiments.scorer_training.make_scorer import REPORT, ScorerConfig, make_scorer
from experiments.scorer_training.trust import REMEDY, weaknesses
from seq2seq_env import commands
from seq2seq_env.atomic_files import read_json

MOST_USED = ("task", "task_options", "seed", "out")
"""Options that the short help shows."""


def main(arguments: Sequence[str] | None = None, prog: str | None = None, most_used: Sequence[str] = ()) -> None:
    """The scorer that the command line asks for; exit with one sentence where something is wrong."""
    with commands.command_frame("stopped; the same command goes on after the last finished translation model"):
        arguments = commands.arguments() if arguments is None else arguments
        config = parse(ScorerConfig, arguments, prog=prog, description=__doc__, most_used=most_used)
        config = replace(config, task_options=planned_options(config.task, config.task_options))
        make_scorer(config)
        if config.out and (config.out / REPORT).is_file() and (faults := weaknesses(read_json(config.out / REPORT))):
            print(f"do not take it as a reward, it is near chance: {'; '.join(faults)}")
            print(f"next: {REMEDY}; a run takes this one with --force-scorer alone")
            return
        words = ["python", "-m", "experiments.growing_batch"]
        if config.task_options:
            options = [word for option in config.task_options.items() for word in option]
            words += ["--task", config.task, "--task-options", *options]
        if config.out:
            words += ["--scorer", str(config.out)]
        print(f"next: run the main job with it: {shlex.join(words)}")


if __name__ == "__main__":
    main()
