"""Make a learned scorer, which reads source and hypothesis only, for a task.

Where the task has an oracle, it stands for human raters and rates a limited number of hypotheses. For other text, two
translation models are trained on its pairs and read hypotheses of held-out sources, which are labelled by chrF against
their references, or by ratings of your own.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from experiments.command_line.parsing import parse
from experiments.scorer_training.make_scorer import ScorerConfig, make_scorer
from seq2seq_env import commands

MOST_USED = ("task", "task_options", "seed", "out")
"""Options that the short help shows."""


def main(arguments: Sequence[str] | None = None, prog: str | None = None, most_used: Sequence[str] = ()) -> None:
    """The scorer that the command line asks for; exit with one sentence where something is wrong."""
    with commands.command_frame("stopped; the same command goes on after the last finished translation model"):
        arguments = commands.arguments() if arguments is None else arguments
        config = parse(ScorerConfig, arguments, prog=prog, description=__doc__, most_used=most_used)
        make_scorer(config)
        words = ["python", "-m", "experiments.growing_batch"]
        if config.task_options:
            options = [word for option in config.task_options.items() for word in option]
            words += ["--task", config.task, "--task-options", *options]
        if config.out:
            words += ["--scorer", str(config.out)]
        print(f"next: run the main job with it: {shlex.join(words)}")


if __name__ == "__main__":
    main()
