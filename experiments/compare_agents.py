"""Compare offline-RL agents on the same grown batches, with intervals over whole runs and sources.

Each seed is a run of its own: a supervised policy samples the training sources once, or a frozen data set takes the
place of its samples; then every agent starts from that policy and trains on that batch, for the same number of gradient
tokens. Agents that ask for no filter run twice: on the whole batch, and on exactly the slice that filtered behaviour
cloning sees, so that what the algorithm adds to the data is measured. Run again with the same --out to go on where it
stopped.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import agents
from agents import TrainingConfig
from agents.unusable_data import UnusableDataError
from buffers import GrowingBatchBuffer
from experiments.datasets.making import resolve
from experiments.names import AgentNames, FilterName
from experiments.reports.comparison_report import write_comparison
from experiments.reports.guard_counts import run_guards
from experiments.reports.interference import are_related
from experiments.runs.agent_kinds import check_stored
from experiments.runs.dataset_contents import keep_contents
from experiments.runs.experiment import Experiment
from experiments.runs.matched_filters import LIMITS, check_matched
from experiments.runs.run_folder import CHECKPOINTS
from experiments.runs.script import main
from experiments.runs.settings import Settings
from experiments.runs.stages import SUPERVISED, grow_batch
from experiments.runs.supervised import supervised
from experiments.runs.trials import DATA, Trial, train

if TYPE_CHECKING:
    from experiments.datasets.making import Dataset

MOST_USED = (
    "preset", "task", "task_options", "scorer", "start", "agents", "seeds", "improve_steps", "sources", "candidates",
    "filter", "filter_values", "dataset", "seed", "out",
)  # fmt: skip
"""Options that the short help shows."""

SEED = "seed"
"""With which the name of a seed's folder begins."""


@dataclass(frozen=True)
class Config(Settings):
    """Options of the comparison."""

    NOT_RECORDED: ClassVar[tuple[str, ...]] = (*Settings.NOT_RECORDED, "agents", "seeds", "filters", "runs")

    agents: AgentNames = ("bc", "filtered-bc", "bvmpo", "gold", "oac")
    """Algorithms to compare; by default the paper's. The options of each stand under its name, and --help explains
    those of agents that are named: --agents bvmpo gold --bvmpo.eta 0.05 --gold.u 0.1."""
    seeds: int = 3
    """Whole runs, 1 or more, from --seed on, each in a folder of its own. Each has its own supervised policy, batch,
    samples and order of batches. With --start, the supervised policies are those of another comparison's seeds, or one
    and the same of a single run, of which the report warns."""
    improve_steps: int = 1
    """Number of Improve steps of each training, at least 1."""
    sources: int | Literal["auto"] | None = "auto"
    """Number of sources of the batch; None takes all. "auto" is 8000, or all where there are fewer. Their references
    are in the batch, or all references where sentences without references are drawn, too."""
    filter: FilterName = "interpolation"
    """Filter of what an Improve step keeps, as in growing_batch.py. The batch holds as many samples of each source, so
    that a rank within it means something."""
    filter_values: tuple[float, ...] | None = (0.5,)
    """Rising values of the filter, one an Improve step; None takes the first of growing_batch.py's."""
    filters: tuple[FilterName, ...] = ()
    """Other filters to compare: "threshold", "percentile", "interpolation". Agents that ask for a filter are trained
    with each of them, too, at the values that keep as many target tokens as --filter does."""
    improve: TrainingConfig = field(
        default_factory=lambda: replace(
            Settings().improve, learning_rate=4.5e-4, max_tokens=90_000, evaluate_every=45_000
        )
    )
    """Training of the first Improve step."""
    dataset: str | None = None
    """Name or folder of a frozen data set to train on. It takes the place of samples of each seed's own policy, rest
    dataset list has the names, and other policies drew it."""
    runs: tuple[Path, ...] = ()
    """Finished runs of growing_batch.py that tell what a second Grow step adds, a row of the claims."""
    out: Path = Path("runs/compare_agents")
    """Folder that the comparison writes to, and goes on in."""

    def check(self) -> None:
        """Refuse what cannot work before anything is done.

        Raises:
            ValueError: If a number is out of range or a name unknown.
            TypeError: If an agent's option is no number where one is wanted.
            FileNotFoundError: If one of ``runs`` is not finished, or a seed has no policy to start from.
        """
        super().check()
        if self.seeds < 1:
            raise ValueError(f"seeds is {self.seeds}; give 1 or more")
        if not self.agents:
            raise ValueError("agents is empty; name at least one")
        check_stored(self.agents)
        check_matched(self.filters)
        if self.filters and not any(agents.agent_class(name).filters for name in self.agents):
            raise ValueError("--filters goes with an agent that asks for a filter; add filtered-bc to --agents")
        if self.filter in self.filters:
            raise ValueError(f"--filters holds {self.filter!r}, which is --filter's, too; leave it out of --filters")
        for name in self.agents:
            agents.check_options(name, self.options_of(name))
        self.check_adapters(self.agents)
        for run in self.runs:
            if not (run / "results.json").is_file():
                raise FileNotFoundError(f"no results.json in {str(run)!r}; name finished runs of growing_batch.py")
        for seed in self.every_seed:
            start = self.start_of(seed)
            if start is not None and not (start / CHECKPOINTS / SUPERVISED).is_dir():
                raise FileNotFoundError(
                    f"no supervised policy for seed {seed} in {str(start)!r}; give as --start a run of "
                    "growing_batch.py, or a comparison that has this seed"
                )
        self.schedules(1)

    @property
    def every_seed(self) -> range:
        """The seeds of the runs."""
        return range(self.seed, self.seed + self.seeds)

    def start_of(self, seed: int) -> Path | None:
        """Whose supervised policy a seed takes: the same seed's of another comparison, or that of the run named."""
        own = self.start / seed_folder(seed) if self.start is not None else None
        return own if own is not None and own.is_dir() else self.start


def seed_folder(seed: int) -> str:
    """Folder of a seed's run, within the comparison's."""
    return f"{SEED}{seed}"


def trials(config: Config) -> list[Trial]:
    """All trainings of a seed; an agent that filters has one kind of data and every filter, and bc no slice."""
    filtering = [name for name in config.agents if agents.agent_class(name).filters]
    return [
        Trial(name, data)
        for name in config.agents
        for data in (DATA[:1] if name == "bc" or name in filtering else DATA)
    ] + [Trial(name, DATA[0], filter=kind) for name in filtering for kind in config.filters]


def compare(run: Experiment[Config]) -> None:
    """Every seed's run.

    Raises:
        ValueError: If no agent can be trained, or the data set has other texts than the one of earlier calls.
        FloatingPointError: If the only agent's loss stops being finite.
    """
    dataset: Dataset | None = None
    if run.config.dataset is not None:
        dataset = resolve(run.config.dataset)
        # By the option itself, of which a run has one: a data set made anew in its folder may have another name.
        keep_contents(run.folder, {run.config.dataset: dataset.facts})
    for seed in run.config.every_seed:
        config = replace(run.config, seed=seed, start=run.config.start_of(seed))
        with closing(run.folder.part(seed_folder(seed), seed=seed)) as folder:
            compare_once(Experiment(config, run.task, run.evaluator.reseeded(seed), folder), dataset)


def compare_once(run: Experiment[Config], dataset: Dataset | None = None) -> None:
    """Every agent from one policy, on one batch; stages that the run's folder holds are not done again.

    An agent that cannot be trained on the batch, or whose loss stops being finite, is left out with a warning.

    Raises:
        ValueError: If none can be.
        FloatingPointError: If the last one's loss stops being finite and no other could be trained.
    """
    config, folder = run.config, run.folder
    policy = supervised(run)
    if dataset is None:
        buffer = grow_batch(run, policy, 1, sources=config.num_sources(run.task), candidates=config.candidates)
    else:
        buffer = dataset_buffer(run, dataset)
    batch = buffer.select()
    (schedule,) = config.schedules(1)
    for trial in trials(config):
        if not folder.has(trial.stage):
            print(f"{trial.agent}, {trial.data} data, seed {config.seed}")
            try:
                with folder.watch("training"):
                    result = train(run, trial, policy, batch, list(schedule))
            except (UnusableDataError, FloatingPointError) as error:
                if trial == trials(config)[-1] and not any(folder.has(each.stage) for each in trials(config)):
                    raise
                print(f"  WARNING: {trial.stage} is left out: {error}")
            else:
                folder.finish(trial.stage, result)


def dataset_buffer(run: Experiment[Config], dataset: Dataset) -> GrowingBatchBuffer:
    """The data set's buffer, for the run's task.

    Raises:
        ValueError: If it is of another task.
    """
    print(f"data set {dataset.manifest.name}: {dataset.verdict.text}")
    regime = dataset.manifest.recipe["regime"]
    other = getattr(run.task, "regime", regime)
    if other != regime:
        raise ValueError(
            f"data set {dataset.manifest.name!r} is of regime {regime!r}, the task of {other!r}; give --task-options "
            f"regime {regime}"
        )
    return GrowingBatchBuffer(dataset.folder, task=run.task)


def report(run: Experiment[Config]) -> None:
    """Tables and plots of all trainings, also of earlier calls with other --agents and --seeds."""
    out, folder = run.config.out, run.folder
    names = (path.name.removeprefix(SEED) for path in folder.path.glob(f"{SEED}*"))
    seeds = sorted(int(name) for name in names if name.isdigit())
    runs = {seed: folder.part(seed_folder(seed), seed=seed) for seed in seeds}
    runs = {seed: part for seed, part in runs.items() if part.has(SUPERVISED)}  # one may have been stopped before
    # Agents are named, because to load them all takes long.
    stages = [Trial(*each).stage for each in product(agents.AGENTS, DATA)]
    stages += [Trial(agent, DATA[0], filter=kind).stage for agent, kind in product(agents.AGENTS, LIMITS)]
    judge = run.evaluator.judge
    write_comparison(
        folder, runs, stages, run.task.split("test").references, run.config.runs,
        run_guards(run.task, run.evaluator.scorer), are_related(run.evaluator.scorer, judge) if judge else None,
    )  # fmt: skip
    print(f"wrote report.html, results.md, comparison.json and plots to {out}")
    print("next: add agents or seeds to the same --out with --agents and --seeds; finished trainings are kept")


if __name__ == "__main__":
    main(Config, __doc__, compare, report)
