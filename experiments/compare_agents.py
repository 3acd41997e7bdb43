"""Compare offline-RL agents on one frozen grown batch, with intervals over seeds and sources.

A supervised policy samples the training sources once. Then every agent starts from that policy and trains on the same
batch, for the same number of gradient tokens, once for each seed. Agents that ask for no filter run twice: on the
whole batch, and on exactly the slice that filtered behaviour cloning sees, so that what the algorithm adds to the
data is measured. Run again with the same --out to go on where it stopped.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

import agents
from agents import LoRA, TrainingConfig
from buffers import Filter, Slice, coverage
from experiments.reports.comparison_report import write_comparison
from experiments.runs.evaluation import Evaluator
from experiments.runs.experiment import Experiment
from experiments.runs.script import main
from experiments.runs.settings import Settings
from experiments.runs.stages import grow_batch
from experiments.runs.supervised import supervised

if TYPE_CHECKING:
    from torch import nn

    from agents import Agent, Seq2SeqPolicy

BASELINE = "supervised"
"""The stage of the policy that all agents start from."""

MOST_SEEDS = 1_000
"""Trainings of an agent on the same data that one folder may hold."""

DATA = ("own", "filtered")
"""What an agent trains on: what its algorithm asks for, or the slice that filtered behaviour cloning sees."""


@dataclass(frozen=True)
class Config(Settings):
    """Options of the comparison."""

    NOT_RECORDED: ClassVar[tuple[str, ...]] = (*Settings.NOT_RECORDED, "agents", "seeds", "runs")

    agents: tuple[str, ...] = ("bc", "filtered-bc", "bvmpo", "gold", "oac")
    """Algorithms to compare; by default the paper's."""
    seeds: int = 3
    """Trainings of each agent, 1 to 1000, which differ in the order of batches and the dropout."""
    improve_steps: int = 1
    """Number of Improve steps of each training, at least 1."""
    DEFAULT_SOURCES: ClassVar[int] = 8_000
    sources: int | Literal["auto"] | None = "auto"
    """Number of sources of the batch; None takes all. "auto" is 8000, or all where there are fewer. Their references
    are in the batch, or all references where sentences without references are drawn, too."""
    candidates: int = 4
    """Samples of each source, at least 1."""
    filter: str = "interpolation"
    """Filter of what an Improve step keeps, as in growing_batch.py; the batch holds as many samples of each source, so
    that a rank within it means something."""
    filter_values: tuple[float, ...] | None = (0.5,)
    """Rising values of the filter, one an Improve step; None takes the first of growing_batch.py's."""
    improve: TrainingConfig = field(
        default_factory=lambda: replace(
            Settings().improve, learning_rate=4.5e-4, max_tokens=90_000, evaluate_every=45_000
        )
    )
    """Training of the first Improve step."""
    options: dict[str, int | float | str] = field(default_factory=dict)
    """Options of the agents, names and values in turn: --options bvmpo.eta 0.05 gold.u 0.1."""
    runs: tuple[Path, ...] = ()
    """Finished runs of growing_batch.py that tell what a second Grow step adds, a row of the claims."""
    out: Path = Path("runs/compare_agents")
    """Folder that the comparison writes to, and goes on in."""

    def check(self) -> None:
        """Refuse what cannot work before anything is done.

        Raises:
            ValueError: If a number is out of range or a name unknown.
            TypeError: If an agent's option is no number where one is wanted.
            FileNotFoundError: If one of ``runs`` is not finished.
        """
        super().check()
        if not 1 <= self.seeds <= MOST_SEEDS:
            raise ValueError(f"seeds is {self.seeds}; give 1 to {MOST_SEEDS}")
        if not self.agents:
            raise ValueError("agents is empty; name at least one")
        for name in self.agents:
            agents.check_options(name, self.options_of(name))
        self.check_adapters(self.agents)
        for option in self.options:
            if option.partition(".")[0] not in agents.AGENTS:
                raise ValueError(f"option {option!r} names no agent; write it as bvmpo.eta")
        for run in self.runs:
            if not (run / "results.json").is_file():
                raise FileNotFoundError(f"no results.json in {str(run)!r}; name finished runs of growing_batch.py")
        self.schedules(1)

    def options_of(self, agent: str) -> dict[str, int | float | str]:
        """One agent's own."""
        return {
            name.partition(".")[2]: value for name, value in self.options.items() if name.partition(".")[0] == agent
        }


class Trial(NamedTuple):
    """One training of one agent."""

    agent: str
    data: str
    """One of :data:`DATA`."""
    seed: int

    @property
    def stage(self) -> str:
        """Its name in the run's folder."""
        return f"{self.agent}.{self.data}.seed{self.seed}"


def trials(config: Config) -> list[Trial]:
    """All trainings, seed by seed. An agent that filters has one kind of data; bc on the slice is filtered-bc."""
    return [
        Trial(name, data, seed)
        for seed in range(config.seeds)
        for name in config.agents
        for data in (DATA[:1] if name == "bc" or agents.agent_class(name).filters else DATA)
    ]


def compare(run: Experiment[Config]) -> None:
    """Every agent on the same frozen batch."""
    config, folder = run.config, run.folder
    policy = supervised(run)
    buffer = grow_batch(run, policy, 1, sources=config.num_sources(run.task), candidates=config.candidates)
    batch = buffer.select()
    if not folder.has(BASELINE):
        folder.finish(BASELINE, measure(policy, policy, run.evaluator))
    (schedule,) = config.schedules(1)
    for trial in trials(config):
        if not folder.has(trial.stage):
            print(f"{trial.agent}, {trial.data} data, seed {trial.seed}")
            with folder.watch("training"):
                result = train(run, trial, policy, batch, list(schedule))
            folder.finish(trial.stage, result)


def train(
    run: Experiment[Config], trial: Trial, policy: Seq2SeqPolicy, batch: Slice, schedule: list[Filter]
) -> dict[str, object]:
    """All Improve steps of one trial, and what came of each."""
    config = run.config
    agent = agents.make_agent(trial.agent, policy.clone(), **config.options_of(trial.agent))
    started = time.perf_counter()
    agent.prepare(batch, config.improve_at(1, trial.seed))
    prepared = time.perf_counter() - started
    steps = []
    for i, kept in enumerate(schedule, start=1):
        data = batch.select(kept) if agent.filters or trial.data == "filtered" else batch
        print(f"  {coverage(batch, data)}")
        # Everyone spends the whole budget, whatever the validation reward does; the best weights are kept all the same.
        training = replace(config.improve_at(i, trial.seed), patience=config.improve.max_tokens)
        steps.append(improve(agent, data, training, policy, run.evaluator, config.lora))
    value_report = agent.value_report if isinstance(agent, agents.ValueAgent) else None
    return {
        "agent": trial.agent,
        "data": trial.data,
        "seed": trial.seed,
        "prepare_seconds": prepared,
        "value_report": asdict(value_report) if value_report else None,
        "steps": steps,
    }


def improve(
    agent: Agent, data: Slice, training: TrainingConfig, prior: Seq2SeqPolicy, evaluator: Evaluator, lora: LoRA
) -> dict[str, object]:
    """One Improve step, as every agent has it."""
    with agents.adapted(agent.policy, lora, training.seed):
        trained = agent.improve(data, training, evaluator.validation_reward)
    measures = measure(agent.policy, prior, evaluator)
    shown = {name: measures[name] for name in ("reward", "oracle", "judge", "bleu", "kl")}
    print("  " + ", ".join(f"{name} {value:.3f}" for name, value in shown.items() if isinstance(value, float)))
    return measures | {
        "tokens": trained.tokens,
        "best_tokens": trained.best_tokens,
        "seconds": trained.seconds - trained.evaluation_seconds,
        "network_mib": network_mib(agent),
        "curve": [[row.tokens, row.evaluation] for row in trained.history],
    }


def measure(policy: Seq2SeqPolicy, prior: Seq2SeqPolicy, evaluator: Evaluator) -> dict[str, object]:
    """Samples and greedy translations of the test sources: by source, and as a whole."""
    sources = evaluator.task.split("test").sources
    samples = evaluator.translations(policy, "test", "sample")
    greedy = evaluator.translations(policy, "test", "greedy")
    sampled, translated = evaluator.measures(samples, "test"), evaluator.measures(greedy, "test")
    return {
        "reward": sampled["reward"],
        "oracle": sampled["oracle"],
        "judge": sampled["judge"],
        "length_ratio": sampled["length_ratio"],
        "greedy_reward": translated["reward"],
        "greedy_oracle": translated["oracle"],
        "greedy_judge": translated["judge"],
        "sample_bleu": sampled["bleu"],
        "bleu": translated["bleu"],
        "chrf": translated["chrf"],
        "kl": evaluator.kl(policy, prior, "test"),
        "rewards": _listed(samples.rewards),
        "qualities": _listed(samples.qualities),
        "judgements": _listed(samples.judgements),
        "greedy_qualities": _listed(greedy.qualities),
        "greedy_texts": greedy.texts,
        "sources": len(sources),
    }


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


def _listed(values: NDArray[np.float32] | None) -> list[float] | None:
    return None if values is None else [round(float(value), 5) for value in values]


def report(run: Experiment[Config]) -> None:
    """Tables and plots of all trainings."""
    # Also of earlier calls with other --agents and --seeds; agents are named, because to load them all takes long.
    every = (Trial(*each) for each in product(agents.AGENTS, DATA, range(MOST_SEEDS)))
    finished = sorted((trial for trial in every if run.folder.has(trial.stage)), key=lambda trial: trial.seed)
    stages = [trial.stage for trial in finished]
    write_comparison(run.folder, BASELINE, stages, run.task.split("test").references, run.config.runs)
    print(f"wrote comparison.md, comparison.json and plots to {run.config.out}")
    print("next: add agents or seeds to the same --out with --agents and --seeds; finished trainings are kept")


if __name__ == "__main__":
    main(Config, __doc__, compare, report)
