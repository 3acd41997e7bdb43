"""Make a learned scorer, which reads source and hypothesis only, for a task.

Where the task has an oracle, it stands for human raters and rates a limited number of hypotheses. For other text, two
translation models are trained on its pairs and read hypotheses of held-out sources, which are labelled by chrF against
their references, or by ratings of your own.
"""

from __future__ import annotations

import sys

import tyro

from experiments.scorer_training.make_scorer import ScorerConfig, make_scorer


def main() -> None:
    """The scorer that the command line asks for; exit with 1 and one sentence where something is wrong."""
    config = tyro.cli(ScorerConfig, description=__doc__)
    try:
        make_scorer(config)
    except (ValueError, TypeError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on after the last finished translation model")
    options = " ".join(f"{name} {value}" for name, value in config.task_options.items())
    task = f" --task {config.task} --task-options {options}" if options else ""
    scorer = f" --scorer {config.out}" if config.out else ""
    print(f"next: run the main job with it: python experiments/growing_batch.py{task}{scorer}")


if __name__ == "__main__":
    main()
