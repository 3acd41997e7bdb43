"""Make a learned scorer, which reads source and hypothesis only, for a task.

Where the task has an oracle, it stands for human raters and rates a limited number of hypotheses. For other text, two
translation models are trained on its pairs and read hypotheses of held-out sources, which are labelled by chrF against
their references, or by ratings of your own.
"""

from __future__ import annotations

import shlex

import tyro

from experiments.scorer_training.make_scorer import ScorerConfig, make_scorer
from seq2seq_env.commands import arguments, command_frame


def main() -> None:
    """The scorer that the command line asks for; exit with 1 and one sentence where something is wrong."""
    with command_frame("stopped; the same command goes on after the last finished translation model"):
        config = tyro.cli(ScorerConfig, args=arguments(), description=__doc__)
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
