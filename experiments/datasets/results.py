"""Published results of the benchmark: what trained policies get on each data set, for its card."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np

from experiments.datasets.manifest import Manifest
from experiments.reports.benchmark_check import Rules, defects
from experiments.reports.benchmark_results import FILE, Results
from experiments.reports.tables import table
from seq2seq_env.atomic_files import write_text

PUBLISHED = Path(str(files("experiments.datasets") / FILE))


def published_results() -> Results | None:
    """Those that are part of the package; None where none are.

    Raises:
        ValueError: If the file is corrupt.
    """
    return Results.read(PUBLISHED) if PUBLISHED.is_file() else None


def publish_results(file: Path, rules: Rules) -> Path:
    """Make a file of results those that cards show: it becomes part of the package.

    Args:
        file: Of all results that are to be published.
        rules: That they must keep to.

    Raises:
        ValueError: If it holds something else, or what does not keep to the rules.
        OSError: If it cannot be read or written.
    """
    if wrong := defects(Results.read(file), rules):
        raise ValueError(
            f"{str(file)!r} is not published, as it breaks the rules in {len(wrong)} "
            f"place{'s' if len(wrong) > 1 else ''} ({wrong[0]}); rest benchmark check names them all"
        )
    write_text(PUBLISHED, file.read_text("utf-8"))
    return PUBLISHED


def results_parts(manifest: Manifest, results: Results | None) -> list[str]:
    """Section of a data set's card: scores of each agent on it, or that nobody has published some.

    Args:
        manifest: Of the data set; results on other texts of its name do not count.
        results: Published ones, if any.
    """
    heading, name = "## What policies get on it", manifest.name.rpartition("/")[2]
    known = results is not None and results.datasets.get(name, {}).get("contents") == manifest.contents
    cells = [cell for cell in results.cells if cell.dataset == name] if results is not None and known else []
    if not cells:
        return [
            heading,
            "No results on it are published yet. This trains every agent on it, from five supervised policies:",
            "```bash\nrest benchmark --datasets FOLDER\n```",
        ]
    bases = [run.base for cell in cells for run in cell.runs]
    any_failed = any(run.failed for cell in cells for run in cell.runs)
    rows = []
    for cell in sorted(cells, key=lambda cell: -float(cell.scores("greedy").mean())):
        quality = np.mean([run.quality["greedy"] for run in cell.runs])
        scores = (cell.scores(measure) for measure in ("greedy", "samples"))
        spreads = (
            f"{each.mean():.1f} ± {each.std(ddof=1):.1f}" if len(each) > 1 else f"{each[0]:.1f}" for each in scores
        )
        failed = sum(run.failed for run in cell.runs)
        seeds = f"{len(cell.runs)}{f' ({failed} failed)' if failed else ''}"
        rows.append([cell.agent, *spreads, f"{quality:.3f}", f"{cell.learning_rate:g}", seeds])
    return [
        heading,
        "Policies that each agent of the benchmark trained on it, at the learning rate that validation chose: 0 is the "
        f"true quality of the supervised policies' greedy translations, from which they start ({np.mean(bases):.3f}), "
        "100 that of right ones; means over seeds, with standard deviations."
        f"{' Seeds whose training failed count with score 0.' if any_failed else ''}",
        table(["agent", "greedy", "samples", "true quality, greedy", "learning rate", "seeds"], rows),
    ]
