"""Compare offline-RL agents on the same grown batches, with intervals over whole runs and sources.

Each seed is a run of its own: a supervised policy samples the training sources once; then every agent starts from that
policy and trains on that batch, for the same number of gradient tokens. Agents that ask for no filter run twice: on the
whole batch, and on exactly the slice that filtered behaviour cloning sees, so that what the algorithm adds to the
data is measured. Run again with the same --out to go on where it stopped.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, get_args

import agents
from agents import TrainingConfig
from buffers import Filter, Slice, coverage
from experiments.names import AgentNames, FilterName
from experiments.reports.comparison_entry import equal_entropy_stage
from experiments.reports.comparison_report import write_comparison
from experiments.reports.guard_counts import run_guards
from experiments.reports.interference import are_related
from experiments.runs.agent_kinds import check_stored
from experiments.runs.evaluation import Decode, Translations
from experiments.runs.experiment import Experiment
from experiments.runs.run_folder import CHECKPOINTS
from experiments.runs.script import main
from experiments.runs.settings import Settings
from experiments.runs.stages import SUPERVISED, grow_batch, keep_at_entropy, keep_translations
from experiments.runs.supervised import supervised

if TYPE_CHECKING:
    from torch import nn

    from agents import Agent, Seq2SeqPolicy

MOST_USED = (
    "preset", "task", "task_options", "scorer", "start", "agents", "seeds", "improve_steps", "sources", "candidates",
    "filter", "filter_values", "runs", "seed", "out",
)  # fmt: skip
"""Options that the short help shows."""

SEED = "seed"
"""With which the name of a seed's folder begins."""

DATA = ("own", "filtered")
"""What an agent trains on: what its algorithm asks for, or the slice that filtered behaviour cloning sees."""


@dataclass(frozen=True)
class Config(Settings):
    """Options of the comparison."""

    NOT_RECORDED: ClassVar[tuple[str, ...]] = (*Settings.NOT_RECORDED, "agents", "seeds", "runs")

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
    improve: TrainingConfig = field(
        default_factory=lambda: replace(
            Settings().improve, learning_rate=4.5e-4, max_tokens=90_000, evaluate_every=45_000
        )
    )
    """Training of the first Improve step."""
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


class Trial(NamedTuple):
    """One training of one agent, in each seed's run."""

    agent: str
    data: str
    """One of :data:`DATA`."""

    @property
    def stage(self) -> str:
        """Its name in the folder of a run."""
        return f"{self.agent}.{self.data}"


def trials(config: Config) -> list[Trial]:
    """All trainings of a seed. An agent that filters has one kind of data; bc on the slice is filtered-bc."""
    return [
        Trial(name, data)
        for name in config.agents
        for data in (DATA[:1] if name == "bc" or agents.agent_class(name).filters else DATA)
    ]


def compare(run: Experiment[Config]) -> None:
    """Every seed's run."""
    for seed in run.config.every_seed:
        config = replace(run.config, seed=seed, start=run.config.start_of(seed))
        with closing(run.folder.part(seed_folder(seed), seed=seed)) as folder:
            compare_once(Experiment(config, run.task, run.evaluator.reseeded(seed), folder))


def compare_once(run: Experiment[Config]) -> None:
    """Every agent from one policy, on one batch; stages that the run's folder holds are not done again.

    An agent that cannot be trained on the batch, or whose loss stops being finite, is left out with a warning.

    Raises:
        ValueError: If none can be.
        FloatingPointError: If the last one's loss stops being finite and no other could be trained.
    """
    config, folder = run.config, run.folder
    policy = supervised(run)
    buffer = grow_batch(run, policy, 1, sources=config.num_sources(run.task), candidates=config.candidates)
    batch = buffer.select()
    (schedule,) = config.schedules(1)
    for trial in trials(config):
        if not folder.has(trial.stage):
            print(f"{trial.agent}, {trial.data} data, seed {config.seed}")
            try:
                with folder.watch("training"):
                    result = train(run, trial, policy, batch, list(schedule))
            except (ValueError, FloatingPointError) as error:
                if trial == trials(config)[-1] and not any(folder.has(each.stage) for each in trials(config)):
                    raise
                print(f"  WARNING: {trial.stage} is left out: {error}")
            else:
                folder.finish(trial.stage, result)


def train(
    run: Experiment[Config], trial: Trial, policy: Seq2SeqPolicy, batch: Slice, schedule: list[Filter]
) -> dict[str, object]:
    """All Improve steps of one trial, and what came of each; of the last, the test translations are kept."""
    config = run.config
    agent = agents.make_agent(trial.agent, policy.clone(), **config.options_of(trial.agent))
    started = time.perf_counter()
    agent.prepare(batch, config.improve_at(1))
    prepared = time.perf_counter() - started
    steps = []
    for i, kept in enumerate(schedule, start=1):
        data = config.counted(batch.select(kept)) if agent.filters or trial.data == "filtered" else batch
        print(f"  {coverage(batch, data)}")
        # Everyone spends the whole budget, whatever the validation reward does; the best weights are kept all the same.
        training = replace(config.improve_at(i), patience=config.improve.max_tokens)
        steps.append(improve(run, agent, data, training, policy, run.folder.training_state(trial.stage, i)))
    value_report = agent.value_report if isinstance(agent, agents.ValueAgent) else None
    result = {
        **trial._asdict(),
        "seed": config.seed,
        "start": policy.fingerprint,
        "prepare_seconds": prepared,
        "value_report": asdict(value_report) if value_report else None,
        "steps": steps,
    }
    if run.folder.is_writer:
        translated = translations(run, agent.policy)
        keep_translations(run, trial.stage, translated)
        nats = translated["sample"].nats
        assert nats is not None
        result["equal_entropy"] = keep_at_entropy(run, equal_entropy_stage(trial.stage), policy, nats)
    return result


def improve(
    run: Experiment[Config], agent: Agent, data: Slice, training: TrainingConfig, prior: Seq2SeqPolicy, state: Path
) -> dict[str, object]:
    """One Improve step, as every agent has it; from where a killed run was, if ``state`` is there."""
    evaluator = run.evaluator
    spent: dict[str, object] = {"tokens": 0, "best_tokens": 0, "seconds": 0.0, "curve": []}
    if len(data):
        with agents.adapted(agent.policy, run.config.lora, training.seed):
            trained = agent.improve(data, training, evaluator.validation_reward, resume=state)
        spent = {
            "tokens": trained.tokens,
            "best_tokens": trained.best_tokens,
            "seconds": trained.seconds - trained.evaluation_seconds,
            "curve": [[row.tokens, row.evaluation] for row in trained.history if row.evaluation is not None],
        }
    else:
        print("  WARNING: the filter keeps nothing to train on; the policy stays as it was")
    measures: dict[str, object] = {
        f"{decode}_{name}": value
        for decode, each in translations(run, agent.policy).items()
        for name, value in evaluator.measures(each, "test").items()
    }
    shown = ("greedy_reward", "greedy_oracle", "greedy_judge", "sample_reward", "sample_oracle", "sample_nats")
    print("  " + ", ".join(f"{name} {measures[name]:.3f}" for name in shown if measures[name] is not None))
    return measures | spent | {"kl": evaluator.kl(agent.policy, prior, "test"), "network_mib": network_mib(agent)}


def translations(run: Experiment[Config], policy: Seq2SeqPolicy) -> dict[Decode, Translations]:
    """Samples and greedy translations of the test sources."""
    decodes: tuple[Decode, ...] = get_args(Decode)
    return {decode: run.evaluator.translations(policy, "test", decode) for decode in decodes}


def network_mib(agent: Agent) -> float:
    """Memory of what is trained, with gradients and AdamW's two moments, and of what is only read, MiB.

    The target network that d3rlpy's algorithms make for themselves is not counted.
    """
    trained = list(agent.networks.values())
    parts = [getattr(agent, part) for part in agent.parts]
    held = [part.model if isinstance(part, agents.Seq2SeqPolicy) else part for part in parts]
    read = [module for module in held if not any(module is network for network in trained)]
    return (4 * sum(map(_bytes, trained)) + sum(map(_bytes, read))) / 2**20


def _bytes(module: nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())


def report(run: Experiment[Config]) -> None:
    """Tables and plots of all trainings, also of earlier calls with other --agents and --seeds."""
    out, folder = run.config.out, run.folder
    names = (path.name.removeprefix(SEED) for path in folder.path.glob(f"{SEED}*"))
    seeds = sorted(int(name) for name in names if name.isdigit())
    runs = {seed: folder.part(seed_folder(seed), seed=seed) for seed in seeds}
    runs = {seed: part for seed, part in runs.items() if part.has(SUPERVISED)}  # one may have been stopped before
    # Agents are named, because to load them all takes long.
    stages = [Trial(*each).stage for each in product(agents.AGENTS, DATA)]
    judge = run.evaluator.judge
    write_comparison(
        folder, runs, stages, run.task.split("test").references, run.config.runs,
        run_guards(run.task, run.evaluator.scorer), are_related(run.evaluator.scorer, judge) if judge else None,
    )  # fmt: skip
    print(f"wrote report.html, results.md, comparison.json and plots to {out}")
    print("next: add agents or seeds to the same --out with --agents and --seeds; finished trainings are kept")


if __name__ == "__main__":
    main(Config, __doc__, compare, report)
