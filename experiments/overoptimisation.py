"""Over-optimisation curves: reward and true quality over the distance from the supervised policy (Gao et al. 2022).

Takes runs whose policies best_of_n.py has sampled, those of one configuration together, and comparisons of agents. The
gains of best of N, of each Improve step and of each agent stand over the root of the KL divergence, with the
coefficients of arXiv 2210.10760 fitted to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from experiments.command_line.parsing import parse
from experiments.reports.overoptimisation_points import families
from experiments.reports.overoptimisation_report import NAME, write_overoptimisation
from experiments.reports.page.page import refresh_links
from seq2seq_env import commands


@dataclass(frozen=True)
class Config:
    """Options of the curves."""

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs that best_of_n.py has sampled, and of comparisons of compare_agents.py."""
    out: Path | None = None
    """Folder of the report; None is best-of-n in the first folder."""

    @property
    def report_folder(self) -> Path:
        """Where the report goes."""
        return self.out or self.paths[0] / "best-of-n"


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> None:
    """The curves that the command line asks for; exit with one sentence where something is wrong."""
    with commands.command_frame():
        arguments = commands.arguments() if arguments is None else arguments
        config = parse(Config, arguments, prog=prog, description=__doc__)
        if not config.paths:
            raise commands.UsageError("there are no folders; name runs that best-of-n has sampled, or comparisons")
        print(
            write_overoptimisation(
                config.report_folder, families(config.paths), {"folders": " ".join(map(str, config.paths))}
            )
        )
        for path in config.paths:
            refresh_links(path)
        print(f"wrote {NAME}.md, .json and .png to {config.report_folder}")


if __name__ == "__main__":
    main()
