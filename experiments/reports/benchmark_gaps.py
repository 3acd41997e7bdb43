"""What a table of the benchmark lacks: agents without some data set, and seeds without some run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.reports.benchmark_cells import Cell


def ranked(by_agent: Mapping[str, Sequence[Cell]]) -> dict[str, Sequence[Cell]]:
    """The agents that have every data set, all in one seed at least: over others, means would be of something else."""
    datasets = _datasets(by_agent)
    return {agent: cells for agent, cells in by_agent.items() if _whole_seeds(cells, datasets)}


def gaps(by_agent: Mapping[str, Sequence[Cell]]) -> list[str]:
    """A warning of the agents that :func:`ranked` leaves out, and one of the seeds that others lack."""
    datasets, kept = _datasets(by_agent), ranked(by_agent)
    left_out = [
        f"`{agent}` lacks {', '.join(sorted(lacking)) or 'a seed with all of them'}"
        for agent, cells in by_agent.items() if agent not in kept
        for lacking in [datasets - {cell.dataset for cell in cells}]
    ]  # fmt: skip
    seeds = {run.seed for cells in by_agent.values() for cell in cells for run in cell.runs}
    agents: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for agent, cells in by_agent.items():
        for cell in cells:
            if lacking_seeds := tuple(sorted(seeds - {run.seed for run in cell.runs})):
                agents.setdefault((cell.dataset, lacking_seeds), []).append(agent)
    named = [f"{dataset} {', '.join(map(str, lacking))} of {', '.join(names)}"
             for (dataset, lacking), names in sorted(agents.items())]  # fmt: skip
    return [
        *([f"WARNING: not ranked over all data sets, and in no verdict on all of them: {'; '.join(left_out)}."]
          if left_out else []),
        *([f"WARNING: seeds without a training: {'; '.join(named)}. Means of these agents are of fewer seeds, over all "
           "data sets of those that have each, and may look better by it; differences are of the seeds that both have."]
          if named else []),
    ]  # fmt: skip


def _datasets(by_agent: Mapping[str, Sequence[Cell]]) -> set[str]:
    return {cell.dataset for cells in by_agent.values() for cell in cells}


def _whole_seeds(cells: Sequence[Cell], datasets: set[str]) -> set[int]:
    """Seeds with a run on each of the data sets."""
    by_dataset = {cell.dataset: {run.seed for run in cell.runs} for cell in cells}
    return set.intersection(*(by_dataset.get(name, set()) for name in datasets))
