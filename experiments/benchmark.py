"""The benchmark: every algorithm on frozen data sets, with equal budgets of training and of tuning, in one table.

Each seed is a run of its own: a supervised policy, trained on the pairs of the data set's regime. Every agent starts
from it and trains on the data set for the same number of gradient tokens. For each agent and data set, the learning
rate is chosen from one grid, the same for all, on the validation reward of the first seed; the other seeds take it. Run
again with the same --out to go on where it stopped; --merge takes in what other machines have done. rest benchmark
check FILE... tells whether results keep to the rules of the table, rest benchmark table FILE... makes one of several.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents import OffPolicyConfig, PolicyConfig, TrainingConfig
from agents.unusable_data import UnusableDataError
from experiments import compare_agents
from experiments.command_line.parsing import parse
from experiments.command_line.refusals import usage_errors
from experiments.datasets.making import Dataset, resolve
from experiments.datasets.recipes import DATASETS, TASK
from experiments.datasets.starts import is_shipped, load_start
from experiments.names import ROWS, STORED, FilterName, RowNames
from experiments.reports.benchmark_cells import chosen_rate, unchosen
from experiments.reports.benchmark_report import write_benchmark
from experiments.reports.benchmark_results import FILE, FINGERPRINTS, Results
from experiments.reports.policy_estimates import effective_sentence
from experiments.runs.commit import CHANGED, UNKNOWN, commit
from experiments.runs.dataset_contents import keep_contents
from experiments.runs.evaluation import Evaluator
from experiments.runs.experiment import Experiment
from experiments.runs.merging import check_part, merge
from experiments.runs.prepared_values import PreparedValues
from experiments.runs.rows import Row
from experiments.runs.run_folder import CHECKPOINTS, STAGES, RunFolder
from experiments.runs.settings import AgentOptions, Settings
from experiments.runs.stages import SUPERVISED
from experiments.runs.supervised import check_trained_alike, supervised
from experiments.runs.trials import Trial, best_validation, train
from seq2seq_env import commands
from seq2seq_env.atomic_files import read_json
from seq2seq_env.process_group import process_state
from seq2seq_env.ranges import check_seed
from seq2seq_env.scorers import Scorer, load_scorer
from seq2seq_env.suggestions import check_name
from seq2seq_env.tasks import load_task
from seq2seq_env.tasks.phrasebook.regimes import DEFAULT_REGIME, REGIMES

if TYPE_CHECKING:
    from agents import Seq2SeqPolicy
    from seq2seq_env.tasks import Task

MOST_USED = ("datasets", "agents", "seeds", "seed", "learning_rates", "starts", "merge", "report_only", "out")
"""Options that the short help shows."""

IN_TABLE = tuple(name for name in DATASETS if name.rpartition("-v")[0].endswith(("supervised", "mixed")))

LIBRARY = "d3rlpy-"
"""With which the names of d3rlpy's algorithms begin."""


@dataclass(frozen=True)
class Config:
    """Options of the benchmark."""

    datasets: tuple[str, ...] = IN_TABLE
    """Names or folders of frozen data sets; rest dataset list has the names. One that is not there is made."""
    agents: RowNames = (*(name for name in STORED if not name.startswith(LIBRARY)), *ROWS)
    """Algorithms and recipes, by default all that learn from stored batches but d3rlpy's. Options of each algorithm
    stand under its name, and hold for recipes by it, too."""
    seeds: int = 5
    """Whole runs, 1 or more, from --seed on."""
    seed: int = 0
    """The first seed, on which the learning rates are tuned, 0 or more."""
    learning_rates: tuple[float, ...] = (1.5e-4, 4.5e-4, 1.35e-3)
    """Grid that the learning rate is chosen from, for each agent and data set, each a whole training of the first
    seed. One value is taken as it is."""
    filter: FilterName = "threshold"
    """Filter of what agents train on that ask for one. A threshold on the reward keeps references of sources without
    samples, too, where a filter within a source has nothing to compare them with."""
    filter_values: tuple[float, ...] = (0.9,)
    """Value of the filter."""
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    """Size of the policy network, by default that of the data sets' behaviour policies."""
    supervised: TrainingConfig = field(default_factory=lambda: Settings().supervised)
    """Training of each seed's supervised policy."""
    starts: dict[str, str] = field(default_factory=dict)
    """Regimes and folders of finished runs, seed0, seed1 and so on, whose supervised policies are taken: --starts
    lowres-v1 runs/lowres. By default they are the shipped ones, and where none is of these options, trained."""
    improve: TrainingConfig = field(
        default_factory=lambda: replace(Settings().improve, max_tokens=90_000, evaluate_every=45_000)
    )
    """Training of every agent; its learning rate is of --learning-rates."""
    off_policy: OffPolicyConfig = field(default_factory=OffPolicyConfig)
    """Off-policy evaluation of each trained policy on the data set's samples; --off-policy.samples 0 leaves it out."""
    merge: tuple[Path, ...] = ()
    """Other folders of the same benchmark, whose finished trainings are copied into this one first."""
    report_only: bool = False
    """Whether nothing is trained: the table is made of what is there and merged."""
    device: str = "cpu"
    """Device that the networks compute on, "cpu" or "cuda"."""
    out: Path = Path("runs/benchmark")
    """Folder that the benchmark writes to, and goes on in."""
    agent_options: AgentOptions = field(default_factory=dict)
    """Options of agents by the agent's name, each under its own on the command line: --bvmpo.eta 0.05."""

    def check(self) -> None:
        """Refuse what cannot work before anything is done.

        Raises:
            ValueError: If a number is out of range or a name unknown.
            ImportError: If what an agent needs is not installed.
        """
        if self.seeds < 1:
            raise ValueError(f"seeds is {self.seeds}; give 1 or more")
        check_seed(self.seed)
        if not self.learning_rates or min(self.learning_rates) <= 0:
            raise ValueError(f"learning_rates is {self.learning_rates}; give at least one, all above 0")
        if not self.datasets or not self.agents:
            raise ValueError(f"{'datasets' if not self.datasets else 'agents'} is empty; name at least one")
        for regime, folder in self.starts.items():
            check_name("regime", regime, REGIMES)
            for seed in range(self.seed, self.seed + self.seeds):
                if not (Path(folder) / compare_agents.seed_folder(seed) / CHECKPOINTS / SUPERVISED).is_dir():
                    raise FileNotFoundError(
                        f"no supervised policy for seed {seed} of {regime!r} in {folder!r}; give as --starts folders "
                        "of runs, each under its seed"
                    )
                check_trained_alike(self.comparison(regime, seed))
        for row in map(Row.of, self.agents):
            row.settings(self.comparison(DEFAULT_REGIME, self.seed)).check()

    @staticmethod
    def algorithms(names: Sequence[str]) -> tuple[str, ...]:
        """The agents of rows, each once."""
        return tuple(dict.fromkeys(Row.of(name).agent for name in names))

    def comparison(self, regime: str, seed: int) -> compare_agents.Config:
        """The options that compare_agents.py has in common, for one seed."""
        start = Path(self.starts[regime]) / compare_agents.seed_folder(seed) if regime in self.starts else None
        return compare_agents.Config(
            task=TASK, task_options={"regime": regime}, start=start, agents=self.algorithms(self.agents),
            filter=self.filter, filter_values=self.filter_values, policy=self.policy, supervised=self.supervised,
            improve=self.improve, seed=seed, device=self.device, out=self.out, agent_options=self.agent_options,
        )  # fmt: skip

    def takes_shipped(self, regime: str, seed: int) -> bool:
        """Whether a seed starts from a shipped policy: one is there, no other is named, and none of other options."""
        as_shipped = self.policy == PolicyConfig() and self.supervised == Settings().supervised
        return as_shipped and regime not in self.starts and is_shipped(regime, seed)

    def recorded(self) -> dict[str, Any]:
        """What all trainings of one table have alike, as JSON can hold it."""
        names = ("learning_rates", "seed", "filter", "filter_values", "policy", "supervised", "improve", "off_policy")
        return {name: value for name, value in asdict(self).items() if name in names} | self.agent_options


@dataclass(frozen=True)
class Benchmark:
    """A benchmark under way.

    Attributes:
        config: Its options.
        folder: Of all of it.
        prepared: The last agent's value network, for its other learning rates.
    """

    config: Config
    folder: RunFolder
    prepared: PreparedValues = field(default_factory=PreparedValues)

    def cells(self, datasets: Sequence[Dataset]) -> Iterator[tuple[Dataset, int]]:
        """Data sets and seeds; the first seed of a data set, which tunes, comes first."""
        for dataset in datasets:
            for seed in range(self.config.seed, self.config.seed + self.config.seeds):
                yield dataset, seed

    def run(self, task: Task, scorer: Scorer, dataset: Dataset, seed: int) -> None:
        """Every agent on one data set from one seed's policy; what is there is not done again.

        An agent that cannot be trained on the data, or whose loss stops being finite, is left out with a warning.

        Raises:
            FileExistsError: If the folder's trainings of the regime are of another task or scorer.
        """
        config, regime = self.config, dataset.manifest.recipe["regime"]
        fingerprints = dict(zip(FINGERPRINTS, (task.fingerprint, scorer.fingerprint), strict=True))
        of_regime = self.folder.part(regime, regime=regime, **fingerprints)
        with closing(seed_run(of_regime, seed)) as folder:
            options = config.comparison(regime, seed)
            evaluator = Evaluator(task, scorer, temperature=options.temperature, seed=seed, watch=folder.watch)
            run = Experiment(options, task, evaluator, folder)
            policy = supervised(run, load_start(regime, seed, task) if config.takes_shipped(regime, seed) else None)
            self.check_start(policy, options.start)
            batch = compare_agents.dataset_buffer(run, dataset).select()
            for row in map(Row.of, config.agents):
                of_row = replace(run, config=row.settings(options))
                (schedule,) = of_row.config.schedules(1)
                trial = Trial(row.agent, "own", short(dataset), recipe=row.recipe)
                for rate in self.rates(of_regime, trial, seed):
                    self.train(of_row, replace(trial, learning_rate=rate), policy, batch, list(schedule), row.data)

    def check_start(self, policy: Seq2SeqPolicy, start: Path | None) -> None:
        """Refuse a supervised policy to start from that is not the one the folder has.

        Raises:
            ValueError: Naming both.
        """
        from agents import Seq2SeqPolicy

        if start is not None and Seq2SeqPolicy.load(start / CHECKPOINTS / SUPERVISED).fingerprint != policy.fingerprint:
            raise ValueError(
                f"--starts names the policy of {str(start)!r}, and {str(self.folder.path)!r} was begun with another; "
                "leave out --starts, or choose another --out"
            )

    def train(self, run: Experiment[compare_agents.Config], trial: Trial, policy: Seq2SeqPolicy, *data: Any) -> None:
        """One training, unless it is there; one that fails is recorded, and not tried again.

        Raises:
            ValueError: If something else than the data or the loss is wrong, which no other agent would be spared.
        """
        if run.folder.has(trial.stage):
            return
        print(f"{trial.stage}, seed {run.config.seed}")
        started, worked = time.perf_counter(), time.process_time()
        off_policy = self.config.off_policy if self.config.off_policy.samples else None
        try:
            result: dict[str, Any] = train(
                run, trial, policy, *data, with_last=True, off_policy=off_policy, prepared=self.prepared
            )
        except (UnusableDataError, FloatingPointError) as error:
            print(f"  WARNING: {trial.stage} is left out: {error}")
            result = trial.record() | {"seed": run.config.seed, "start": policy.fingerprint, "failed": str(error)}
        else:
            if estimated := result.get("off_policy"):
                print(f"  {effective_sentence(estimated)}")
        costs = {"wall_seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - worked}
        for kind, seconds in result.get("reused", {}).items():
            costs[kind] += seconds  # as if it had trained its value network
        run.folder.finish(trial.stage, result | costs | {"commit": commit()})

    def rates(self, of_regime: RunFolder, trial: Trial, seed: int) -> Sequence[float]:
        """Learning rates to train at: the whole grid on the first seed, then the one with the best validation reward.

        None where no training of the first seed succeeded.
        """
        grid = self.config.learning_rates
        if seed == self.config.seed or len(grid) == 1:
            return grid
        with closing(seed_run(of_regime, self.config.seed)) as folder:
            stages = {rate: replace(trial, learning_rate=rate).stage for rate in grid}
            results = {rate: folder.result(stage) for rate, stage in stages.items() if folder.has(stage)}
        tried = {rate: best_validation(result) for rate, result in results.items() if "failed" not in result}
        return [chosen_rate(tried)] if tried else []


def seed_run(of_regime: RunFolder, seed: int) -> RunFolder:
    """Where a seed's policy and trainings on all data sets of one regime are."""
    return of_regime.part(compare_agents.seed_folder(seed), run_seed=seed)


def short(dataset: Dataset) -> str:
    """A data set's name without its namespace, as stages have it."""
    return dataset.manifest.name.rpartition("/")[2]


def warn_of_commit(name: str) -> None:
    """Say where nobody could repeat what is trained."""
    if name == UNKNOWN or name.endswith(CHANGED):
        print(f"WARNING: the commit is {name!r}, and rest benchmark check refuses such results; run a clean clone")


def execute(config: Config) -> None:
    """The whole benchmark, and its table.

    Raises:
        ValueError: If an option cannot work, or parts do not belong together.
        OSError: If a folder holds something else, or cannot be written.
    """
    started = time.perf_counter()
    if not config.report_only:
        warn_of_commit(commit())  # it is remembered: files may change while trainings go on with what was imported
    folder = RunFolder(config.out, config.recorded(), ())
    for part in config.merge:
        check_part(part, config.out)
        keep_contents(folder, read_json(part / STAGES / "datasets.json"))
    for part in config.merge:
        print(f"{part}: {merge(part, config.out)} files merged")
    datasets = [] if config.report_only else [resolve(each) for each in config.datasets]
    keep_contents(folder, {short(each): each.facts for each in datasets})
    benchmark = Benchmark(config, folder)
    task_of = cache(lambda regime: load_task(TASK, regime=regime))
    scorer_of = cache(lambda regime: load_scorer(str(task_of(regime).default_scorer), task=task_of(regime)))
    try:
        for dataset, seed in benchmark.cells(datasets):
            regime = dataset.manifest.recipe["regime"]
            benchmark.run(task_of(regime), scorer_of(regime), dataset, seed)
    finally:
        folder.spend(time.perf_counter() - started)
        folder.close()
    results = Results.of(folder)
    print(write_benchmark(results, config.out))
    for each in unchosen(config.out, results.cells):
        print(f"WARNING: {each}")
    print(f"wrote benchmark.md, {FILE} and plots to {config.out}, in {time.perf_counter() - started:.0f} s")
    print("next: add agents, data sets or seeds to the same --out; finished trainings are kept")


def main(arguments: Sequence[str] | None = None, prog: str | None = None, most_used: Sequence[str] = ()) -> None:
    """The benchmark that the command line asks for.

    Raises:
        SystemExit: With 2 and one sentence where the options cannot be meant, and with 1 where something else is wrong.
    """
    with commands.command_frame("stopped; the same command goes on from the last finished training"):
        given = commands.arguments() if arguments is None else arguments
        config = parse(Config, given, prog=prog, description=__doc__, most_used=most_used)
        with usage_errors():
            config.check()
        process_state(cpu=config.device == "cpu")
        execute(config)


if __name__ == "__main__":
    main()
