"""ReST, Algorithm 1 of Gulcehre et al. 2023 (arXiv 2308.08998): Grow a batch with the policy, Improve it offline.

A supervised policy is trained until its validation reward stops rising. Each Grow step samples translations of the
training sources and scores them once; each Improve step trains on an ever better slice of them. A control spends the
same number of gradient tokens on the original data alone. Run again with the same --out to go on where it stopped.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import tyro

from agents import Agent, PolicyConfig, Seq2SeqPolicy, TrainingConfig, agent_class, make_agent
from agents.embeddings import align_embeddings
from buffers import GrowingBatchBuffer, Schedule, Slice, coverage, grow, make_schedule
from experiments.evaluation import Decode, Evaluator
from experiments.report import write_report
from experiments.run_folder import RunFolder
from seq2seq_env.scorers import load_scorer
from seq2seq_env.tasks import Task, load_task

MEASURED: tuple[tuple[str, Decode], ...] = (("validation", "sample"), ("test", "sample"), ("test", "greedy"))
"""What every stage is measured on."""


@dataclass(frozen=True)
class Config:
    """Options of the run; what is not said is the paper's.

    Raises:
        ValueError: If a number is out of range.
    """

    task: str = "phrasebook-de-en"
    """Task to translate."""
    agent: str = "filtered-bc"
    """Algorithm of the Improve steps."""
    scorer: str | None = None
    """Name or folder of the learned scorer; the task's own by default."""
    grow_steps: int = 2
    """G, Grow steps."""
    improve_steps: int = 3
    """I, Improve steps to each Grow step."""
    sources: int | None = 6_000
    """Training sources drawn for each Grow step; None takes all."""
    candidates: int = 4
    """Samples of each source."""
    temperature: float = 0.8
    """Sampling temperature."""
    filter: str = "threshold"
    """What an Improve step keeps: "threshold" on the reward, or "percentile" or "interpolation" within a source."""
    filter_values: tuple[float, ...] = (0.8, 0.9, 0.95)
    """Value of the filter at each Improve step, rising: I values for every Grow step, or G * I values."""
    policy: PolicyConfig = field(default_factory=lambda: PolicyConfig(max_source_length=48, max_target_length=48))
    """Size of the policy network; the paper's has 6 + 6 layers."""
    supervised: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            learning_rate=2e-3, tokens_per_batch=512, max_tokens=1_600_000, warmup_tokens=20_000, evaluate_every=100_000
        )
    )
    """Training of the supervised policy."""
    improve: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            learning_rate=1e-3,
            tokens_per_batch=512,
            max_tokens=150_000,
            warmup_tokens=5_000,
            evaluate_every=50_000,
            patience=2,
        )
    )
    """Training of the first Improve step of each Grow step."""
    learning_rate_decay: float = 0.7
    """Factor on the learning rate from one Improve step to the next, above 0 and at most 1."""
    control: bool = True
    """Train the control: as many tokens on the original data alone."""
    seed: int = 0
    """Of the weights, the batches and the samples; the task's sentences stay the same."""
    device: str = "auto"
    """Where the networks compute: "cpu", "cuda", or "auto" for a GPU where there is one."""
    out: Path = Path("runs/growing_batch")
    """Folder for all that the run leaves."""

    def __post_init__(self) -> None:
        for name, low in (("grow_steps", 0), ("improve_steps", 0), ("candidates", 1), ("seed", 0)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} is {getattr(self, name)}; give {low} or more")
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature is {self.temperature}; give a number above 0")
        if not 0 < self.learning_rate_decay <= 1:
            raise ValueError(f"learning_rate_decay is {self.learning_rate_decay}; give a factor above 0 and at most 1")

    def schedules(self) -> list[Schedule]:
        """The filters of each Grow step.

        Raises:
            ValueError: If their number fits neither I nor G * I, a value is out of range, or they do not rise.
        """
        steps, values = self.improve_steps, self.filter_values
        if len(values) == steps:
            values = values * self.grow_steps
        if len(values) != steps * self.grow_steps:
            raise ValueError(
                f"filter_values has {len(self.filter_values)} values; give {steps}, one an Improve step, or "
                f"{steps * self.grow_steps}, one for each Improve step of each Grow step"
            )
        return [
            make_schedule(self.filter, values[start : start + steps]) for start in range(0, len(values), steps or 1)
        ]

    def improve_at(self, step: int) -> TrainingConfig:
        """Training of Improve step ``step``, counted from 1, with its smaller learning rate."""
        rate = self.improve.learning_rate * self.learning_rate_decay ** (step - 1)
        return replace(self.improve, learning_rate=rate, seed=self.seed * 1000 + step)


def growing_batch(config: Config, task: Task, evaluator: Evaluator, run: RunFolder) -> None:
    """Algorithm 1."""
    buffer = GrowingBatchBuffer(run.path / "buffer")
    policy = supervised(config, task, evaluator, run)
    for g, schedule in enumerate(config.schedules(), start=1):
        grown_by = grow(
            policy, evaluator.scorer, task, buffer, grow_step=g, num_sources=config.sources,
            candidates=config.candidates, temperature=config.temperature, seed=config.seed,
        )  # fmt: skip
        print(f"Grow {g}: {grown_by}")
        grown = buffer.select(grow_step=g)
        agent = make_agent(config.agent, policy)
        for i, chosen in enumerate(schedule, start=1):
            data = grown.select(chosen) if agent.filters else grown
            improve(config, agent, data, grown, evaluator, run, g, i, chosen.value)
        policy = agent.policy
    if config.control:
        control(config, task, evaluator, run)


def supervised(config: Config, task: Task, evaluator: Evaluator, run: RunFolder) -> Seq2SeqPolicy:
    """The policy that starts it all: BC on the original data until the validation reward stops rising."""
    stage = "g0i0"
    if run.has(stage):
        return Seq2SeqPolicy.load(run.checkpoint(stage), config.device)
    policy = Seq2SeqPolicy.from_config(task.tokenizer, config.policy, config.seed).to(config.device)
    pairs = task.split("train")
    align_embeddings(policy, pairs.sources, pairs.references, seed=config.seed)
    agent = make_agent("bc", policy)
    started = time.perf_counter()
    print("Supervised policy: BC on the original data")
    training = replace(config.supervised, seed=config.seed)
    report = agent.improve(original_data(task), training, evaluator.validation_reward, _logger(run, stage))
    finish(evaluator, run, stage, agent, {"train_tokens": report.tokens, "seconds": time.perf_counter() - started})
    return policy


def improve(
    config: Config,
    agent: Agent,
    data: Slice,
    grown: Slice,
    evaluator: Evaluator,
    run: RunFolder,
    g: int,
    i: int,
    tau: float,
) -> None:
    """One Improve step: the agent trains on ``data`` while the validation reward rises, and keeps its best."""
    stage = f"g{g}i{i}"
    if run.has(stage):
        agent.policy = Seq2SeqPolicy.load(run.checkpoint(stage), config.device)
        return
    started = time.perf_counter()
    kept = coverage(grown, data)
    print(f"Improve {i} of Grow {g}, {config.filter} {tau:g}: {kept}")
    tokens = 0
    if len(data):
        tokens = agent.improve(data, config.improve_at(i), evaluator.validation_reward, _logger(run, stage)).tokens
    facts = {
        "threshold": tau,
        "kept_fraction": kept.kept_fraction,
        "sources_without_data": kept.sources_without_data_fraction,
        "distinct_samples": kept.distinct_samples,
        "train_tokens": tokens,
        "seconds": time.perf_counter() - started,
    }
    finish(evaluator, run, stage, agent, facts)


def control(config: Config, task: Task, evaluator: Evaluator, run: RunFolder) -> None:
    """As many gradient tokens as all Improve steps had, on the original data alone, its best checkpoint kept too."""
    stage = "control"
    steps = [f"g{g}i{i}" for g in range(1, config.grow_steps + 1) for i in range(1, config.improve_steps + 1)]
    tokens = sum(run.result(step)[0]["train_tokens"] for step in steps)
    if run.has(stage) or tokens == 0:
        return
    agent = make_agent("bc", Seq2SeqPolicy.load(run.checkpoint("g0i0"), config.device))
    started = time.perf_counter()
    print(f"Control: {tokens} tokens of the original data")
    training = replace(config.improve_at(1), max_tokens=tokens, patience=tokens)
    report = agent.improve(original_data(task), training, evaluator.validation_reward, _logger(run, stage))
    finish(evaluator, run, stage, agent, {"train_tokens": report.tokens, "seconds": time.perf_counter() - started})


def original_data(task: Task) -> Slice:
    """The supervised data D."""
    pairs = task.split("train")
    return Slice.from_pairs(
        pairs.sources, pairs.references, task.tokenizer, task.max_source_length, task.max_target_length
    )


def finish(evaluator: Evaluator, run: RunFolder, stage: str, agent: Agent, facts: dict[str, float]) -> None:
    """Save the policy, measure it on validation and test, and record the stage."""
    agent.save(run.checkpoint(stage))
    unknown = dict.fromkeys(("threshold", "kept_fraction", "sources_without_data", "distinct_samples"))
    rows = []
    for split, decode in MEASURED:
        translations = evaluator.translations(agent.policy, split, decode)
        measures = evaluator.measures(translations, split)
        rows.append({"split": split, "decode": decode, **measures, **unknown, **facts})
        print(f"  {split} {decode}: " + ", ".join(f"{k} {v:.3f}" for k, v in measures.items() if v is not None))
    run.finish(stage, rows)


def _logger(run: RunFolder, stage: str) -> Any:
    return lambda name, value, tokens: run.log(stage, name, value, tokens)


def main() -> None:
    """Check the options, run, report; exit with 1 and one sentence where something is wrong."""
    try:
        run_experiment(tyro.cli(Config, description=__doc__))
    except (ValueError, OSError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command with the same --out goes on after the last finished stage")


def run_experiment(config: Config) -> None:
    """The whole run, from options to report."""
    agent_class(config.agent)
    config.schedules()
    if config.device == "auto":
        config = replace(config, device="cuda" if torch.cuda.is_available() else "cpu")
    task = load_task(config.task)
    name = config.scorer or task.default_scorer
    if name is None:
        raise ValueError(f"task {config.task!r} has no scorer of its own; name one with --scorer")
    scorer = load_scorer(name, device=config.device)
    settings = {key: value for key, value in asdict(config).items() if key not in ("out", "device")}
    run = RunFolder(config.out, settings)
    torch.manual_seed(config.seed)
    evaluator = Evaluator(task, scorer, temperature=config.temperature, seed=config.seed)
    started = time.perf_counter()
    growing_batch(config, task, evaluator, run)
    write_report(run, evaluator)
    print(f"took {time.perf_counter() - started:.0f} s; wrote results, plots, checkpoints and buffer to {config.out}")
    print(f"next: read {config.out / 'results.md'}; watch the curves with: tensorboard --logdir {config.out}")


if __name__ == "__main__":
    main()
