"""The experiments' scripts as commands, with a short help."""

from __future__ import annotations

from collections.abc import Sequence


def run(arguments: Sequence[str]) -> None:
    """``rest run``."""
    from experiments import growing_batch as script
    from experiments.runs.script import main

    main(
        script.Config, script.__doc__, script.growing_batch, script.report,
        arguments=arguments, prog="rest run", most_used=script.MOST_USED,
    )  # fmt: skip


def compare(arguments: Sequence[str]) -> None:
    """``rest compare``."""
    from experiments import compare_agents as script
    from experiments.runs.script import main

    main(
        script.Config, script.__doc__, script.compare, script.report,
        arguments=arguments, prog="rest compare", most_used=script.MOST_USED,
    )  # fmt: skip


def online(arguments: Sequence[str]) -> None:
    """``rest online``."""
    from experiments import online as script
    from experiments.runs.script import main

    main(
        script.Config, script.__doc__, script.online, script.report,
        arguments=arguments, prog="rest online", most_used=script.MOST_USED,
    )  # fmt: skip


def best_of_n(arguments: Sequence[str]) -> None:
    """``rest best-of-n``."""
    from experiments.best_of_n import MOST_USED, main

    main(arguments, "rest best-of-n", MOST_USED)


def overoptimisation(arguments: Sequence[str]) -> None:
    """``rest overoptimisation``."""
    from experiments.overoptimisation import main

    main(arguments, "rest overoptimisation")


def reproduce(arguments: Sequence[str]) -> None:
    """``rest reproduce``."""
    from experiments.reproduce import MOST_USED, main

    main(arguments, "rest reproduce", MOST_USED)


def scorer(arguments: Sequence[str]) -> None:
    """``rest scorer``."""
    from experiments.train_scorer import MOST_USED, main

    main(arguments, "rest scorer", MOST_USED)


def grow(arguments: Sequence[str]) -> None:
    """``rest grow``."""
    from experiments.grow import MOST_USED, main

    main(arguments, "rest grow", MOST_USED)


def rate(arguments: Sequence[str]) -> None:
    """``rest rate``."""
    from experiments.rate import main

    main(arguments, "rest rate")
