"""Dispatch of ``rest COMMAND``: its help, its version, and each command's module, imported when asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from seq2seq_env.commands import USAGE
from seq2seq_env.installation import DISTRIBUTION
from seq2seq_env.suggestions import suggestion

PROGRAM = "rest"

COMMANDS = {
    "run": ("scripts:run", "ReST from task to report, with controls"),
    "compare": ("scripts:compare", "the agents of --agents, by default the paper's, on the same grown batches"),
    "benchmark": ("benchmark:main", "every agent on frozen data sets, tuned alike, in one table; check results"),
    "online": ("scripts:online", "online RL with the same policy and scorer, for comparison"),
    "grow": ("scripts:grow", "one Grow step by itself, whole or a cluster worker's share"),
    "best-of-n": ("scripts:best_of_n", "what choosing among N samples gives, before and after training"),
    "overoptimisation": ("scripts:overoptimisation", "reward and true quality over the KL from the supervised policy"),
    "reproduce": ("scripts:reproduce", "the paper's claims, each with a verdict of whole runs, on one page"),
    "scorer": ("scripts:scorer", "make a learned scorer for a task"),
    "score": ("score:main", "score a file of hypotheses, a line each"),
    "evaluate": ("evaluate:main", "BLEU, chrF, scorers and oracle with intervals; two systems paired"),
    "rate": ("scripts:rate", "ask people: translations for blind rating, and what raters say"),
    "translate": ("rooms:translate", "translate texts, files and pipes with a policy"),
    "buffer": ("rooms:buffer", "look into, verify, repair, compact, rescore, export or import a buffer"),
    "dataset": ("dataset:main", "list, make, download or check frozen data sets"),
    "push": ("rooms:push", "publish a policy on the Hugging Face hub, with a model card"),
    "list": ("listing:main", "names of agents, tasks, scorers, regimes, presets and data sets"),
}
"""Name to ``module:function`` in this package, and what the command is for."""


class Command(Protocol):
    """A command: it takes its arguments and exits, or returns an exit code, or nothing for 0."""

    def __call__(self, arguments: Sequence[str]) -> int | None:
        """Run it."""


def help_text() -> str:
    """What ``rest --help`` says."""
    width = max(map(len, COMMANDS)) + 2
    rows = "\n".join(f"  {name:{width}}{purpose}" for name, (_, purpose) in COMMANDS.items())
    return f"""usage: {PROGRAM} COMMAND [OPTIONS]

ReST, reinforced self-training: grow a batch of translations with a policy, improve the policy offline on the best.

commands:
{rows}

options:
  -h, --help   show this help message and exit
  --version    show the version and exit

{PROGRAM} COMMAND --help explains a command's options; where there are many, --help shows those that are used most and
--help-all shows all. Every command takes --config FILE, options in YAML, and prints its own with --print-config.

exit codes: 0 done, 1 a failure, 2 a command line that cannot be meant"""


def installed_version() -> str:
    """The distribution's version."""
    try:
        return f"{DISTRIBUTION} {version(DISTRIBUTION)}"
    except PackageNotFoundError:
        return f"{DISTRIBUTION}, run from its source"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name, those of this process by default.

    Raises:
        SystemExit: With the command's exit code.
    """
    name, *rest = [*(sys.argv[1:] if arguments is None else arguments), ""]
    rest = rest[:-1]
    if name in ("-h", "--help", "--help-all"):
        print(help_text())
        sys.exit(0)
    if name == "--version":
        print(installed_version())
        sys.exit(0)
    if name not in COMMANDS:
        wrong = f"there is no command {name!r}" if name else "there is no command"
        near = suggestion(name, COMMANDS)
        print(f"error: {wrong}; choose one of {', '.join(COMMANDS)}{near}; see {PROGRAM} --help", file=sys.stderr)
        sys.exit(USAGE)
    module, _, function = COMMANDS[name][0].partition(":")
    command: Command = getattr(import_module(f"experiments.cli.{module}"), function)
    sys.exit(command(rest) or 0)
