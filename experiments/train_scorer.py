"""Make a learned scorer, which reads source and hypothesis only, for a task.

Where the task has an oracle, it stands for human raters and rates a limited number of hypotheses. For other text, two
translation models are trained on its pairs and read hypotheses of held-out sources, which are labelled by chrF against
their references, or by ratings of your own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from experiments.command_line.parsing import parse
from experiments.command_line.refusals import refusals
from experiments.scorer_training.make_scorer import ScorerConfig, make_scorer

MOST_USED = ("task", "task_options", "seed", "out")
"""Options that the short help shows."""


def main(arguments: Sequence[str] | None = None, prog: str | None = None, most_used: Sequence[str] = ()) -> None:
    """The scorer that the command line asks for; exit with one sentence where something is wrong."""
    arguments = sys.argv[1:] if arguments is None else arguments
    with refusals():
        config = parse(ScorerConfig, arguments, prog=prog, description=__doc__, most_used=most_used)
        try:
            make_scorer(config)
        except KeyboardInterrupt:
            sys.exit("stopped; the same command goes on after the last finished translation model")
    options = " ".join(f"{name} {value}" for name, value in config.task_options.items())
    task = f" --task {config.task} --task-options {options}" if options else ""
    scorer = f" --scorer {config.out}" if config.out else ""
    print(f"next: run the main job with it: python experiments/growing_batch.py{task}{scorer}")


if __name__ == "__main__":
    main()
