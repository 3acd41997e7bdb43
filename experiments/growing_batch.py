"""ReST, Algorithm 1 of Gulcehre et al. 2023 (arXiv 2308.08998): Grow a batch with the policy, Improve it offline.

A supervised policy is trained until its validation reward stops rising. Each Grow step samples translations of the
training sources and scores them once; each Improve step trains on an ever better slice of them. A control spends the
same number of gradient tokens on the original data alone. Run again with the same --out to go on where it stopped.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
import tyro

from agents import Agent, PolicyConfig, Seq2SeqPolicy, TrainingConfig, check_options, make_agent
from agents.embeddings import align_embeddings
from buffers import Filter, GrowingBatchBuffer, Schedule, Slice, coverage, grow, make_filter, make_schedule
from experiments.evaluation import Decode, Evaluator
from experiments.report import write_report
from experiments.run_folder import RunFolder
from seq2seq_env.scorers import load_scorer
from seq2seq_env.tasks import Task, load_task

MEASURED: tuple[tuple[str, Decode], ...] = (("validation", "sample"), ("test", "sample"), ("test", "greedy"))
"""What every stage is measured on."""

Facts = dict[str, float | int | bool | None]
"""What is recorded of a stage beside its measures."""


DEFAULT_VALUES: dict[str, tuple[float, ...]] = {
    "threshold": (0.8, 0.9, 0.95, 0.98, 0.99),
    "percentile": (50, 70, 80, 90, 95),
    "interpolation": (0.2, 0.4, 0.6, 0.8, 0.9),
}
"""Of each filter, for as many Improve steps as there are."""


@dataclass(frozen=True)
class Config:
    """Options of the run."""

    task: str = "phrasebook-de-en"
    """Task to translate."""
    agent: str = "filtered-bc"
    """Algorithm of the Improve steps."""
    agent_options: dict[str, int | float | str] = field(default_factory=dict)
    """Its options, names and values in turn: --agent-options eta 0.05 prior_first 0.1."""
    scorer: str | None = None
    """Name or folder of the learned scorer; the task's own by default."""
    grow_steps: int = 2
    """G, Grow steps."""
    improve_steps: int = 3
    """I, Improve steps to each Grow step, at least 1; the paper's "I=0" is --agent bc --improve-steps 1."""
    sources: int | None = 8_000
    """Training sources drawn for each Grow step; None takes all."""
    candidates: int = 4
    """Samples of each source."""
    temperature: float = 0.8
    """Sampling temperature, above 0."""
    filter: str = "interpolation"
    """What an Improve step keeps: "threshold" on the reward, or "percentile" or "interpolation" within a source, which
    leave hard sources some data."""
    filter_values: tuple[float, ...] | None = None
    """Rising values of the filter: I for every Grow step, or G * I; a reward or gamma in [0, 1), a percentile in
    [0, 100). By default the first I of 0.8 0.9 0.95 0.98 0.99, 50 70 80 90 95, or 0.2 0.4 0.6 0.8 0.9."""
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    """Size of the policy network, whose lengths are the task's; the paper's has 6 + 6 layers."""
    supervised: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            learning_rate=3e-3,
            schedule="linear",
            tokens_per_batch=512,
            max_tokens=1_000_000,
            warmup_tokens=20_000,
            evaluate_every=100_000,
        )
    )
    """Training of the supervised policy."""
    improve: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            learning_rate=1e-3,
            schedule="linear",
            tokens_per_batch=512,
            max_tokens=100_000,
            warmup_tokens=5_000,
            evaluate_every=50_000,
        )
    )
    """Training of the first Improve step of each Grow step."""
    learning_rate_decay: float = 0.7
    """Factor on the learning rate from one Improve step to the next, above 0 and at most 1."""
    control: bool = True
    """Train the control: as many tokens on the original data alone."""
    seed: int = 0
    """Of the weights, the batches and the samples, from 0; the task's sentences stay the same."""
    device: str = "auto"
    """Where the networks compute: "cpu", "cuda", or "auto" for a GPU where there is one."""
    out: Path = Path("runs/growing_batch")
    """Folder for all that the run leaves."""

    def check(self) -> None:
        """Refuse what cannot work before anything is done.

        Raises:
            ValueError: If a number is out of range, a name unknown, or the filter's values do not rise.
        """
        for name, low in (("grow_steps", 0), ("improve_steps", 1), ("candidates", 1), ("seed", 0)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} is {getattr(self, name)}; give {low} or more")
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature is {self.temperature}; give a number above 0")
        if not 0 < self.learning_rate_decay <= 1:
            raise ValueError(f"learning_rate_decay is {self.learning_rate_decay}; give a factor above 0 and at most 1")
        check_options(self.agent, self.agent_options)
        self.schedules()

    def schedules(self) -> list[Schedule]:
        """The filters of each Grow step.

        Raises:
            ValueError: If the filter is unknown, its values' number fits neither I nor G * I, or they do not rise.
        """
        steps, values = self.improve_steps, self.filter_values
        if values is None:
            make_filter(self.filter, 0.5)
            values = DEFAULT_VALUES[self.filter][:steps]
        if len(values) == steps:
            values = values * self.grow_steps
        if len(values) != steps * self.grow_steps:
            raise ValueError(
                f"filter_values has {len(values)} values; give {steps}, one an Improve step, or "
                f"{steps * self.grow_steps}, one for each Improve step of each Grow step"
            )
        return [make_schedule(self.filter, values[start : start + steps]) for start in range(0, len(values), steps)]

    def improve_at(self, step: int) -> TrainingConfig:
        """Training of Improve step ``step``, counted from 1, with its smaller learning rate."""
        rate = self.improve.learning_rate * self.learning_rate_decay ** (step - 1)
        return replace(self.improve, learning_rate=rate, seed=self.seed * 1000 + step)


def growing_batch(config: Config, task: Task, evaluator: Evaluator, run: RunFolder) -> None:
    """Algorithm 1."""
    buffer = GrowingBatchBuffer(run.path / "buffer", task=task)
    agent = make_agent(config.agent, supervised(config, task, evaluator, run), **config.agent_options)
    for g, schedule in enumerate(config.schedules(), start=1):
        report = grow(
            agent.policy, evaluator.scorer, task, buffer, grow_step=g, num_sources=config.sources,
            candidates=config.candidates, temperature=config.temperature, seed=config.seed,
        )  # fmt: skip
        print(f"Grow {g}: {report}")
        grown = buffer.select(grow_step=g)
        if not run.has(f"g{g}i1"):
            agent.prepare(grown, config.improve_at(1))
        for i, chosen in enumerate(schedule, start=1):
            improve(config, agent, grown, chosen, evaluator, run, g, i)
    if config.control:
        control(config, task, evaluator, run)


def supervised(config: Config, task: Task, evaluator: Evaluator, run: RunFolder) -> Seq2SeqPolicy:
    """The policy that starts it all: BC on the original data until the validation reward stops rising."""
    stage = "g0i0"
    if run.has(stage):
        return Seq2SeqPolicy.load(run.checkpoint(stage), config.device)
    print("Supervised policy: BC on the original data")
    lengths = {"max_source_length": task.max_source_length, "max_target_length": task.max_target_length}
    policy = Seq2SeqPolicy.from_config(task.tokenizer, replace(config.policy, **lengths), config.seed)
    pairs = task.split("train")
    align_embeddings(policy, pairs.sources, pairs.references, seed=config.seed)
    agent = make_agent("bc", policy.to(config.device))
    facts = train(agent, original_data(task), replace(config.supervised, seed=config.seed), evaluator, run, stage)
    finish(evaluator, run, stage, agent, facts)
    return policy


def improve(
    config: Config, agent: Agent, grown: Slice, chosen: Filter, evaluator: Evaluator, run: RunFolder, g: int, i: int
) -> None:
    """One Improve step: train on what the filter keeps while the validation reward rises, and keep the best."""
    stage = f"g{g}i{i}"
    if run.has(stage):
        agent.restore(run.checkpoint(stage))
        return
    data = grown.select(chosen) if agent.filters else grown
    kept = coverage(grown, data)
    print(f"Improve {i} of Grow {g}, {chosen if agent.filters else 'all data'}: {kept}")
    facts = {
        "threshold": chosen.value if agent.filters else None,
        "kept_fraction": kept.kept_fraction,
        "sources_without_data": kept.sources_without_data_fraction,
        "distinct_samples": kept.distinct_samples,
    }
    finish(evaluator, run, stage, agent, facts | train(agent, data, config.improve_at(i), evaluator, run, stage))


def control(config: Config, task: Task, evaluator: Evaluator, run: RunFolder) -> None:
    """As many gradient tokens as all Improve steps had, on the original data alone, its best checkpoint kept too."""
    stage = "control"
    steps = [f"g{g}i{i}" for g in range(1, config.grow_steps + 1) for i in range(1, config.improve_steps + 1)]
    tokens = sum(run.result(step)[0]["train_tokens"] for step in steps)
    if run.has(stage) or tokens == 0:
        return
    print(f"Control: {tokens} tokens of the original data")
    agent = make_agent("bc", Seq2SeqPolicy.load(run.checkpoint("g0i0"), config.device))
    training = replace(config.improve_at(1), max_tokens=tokens, patience=tokens)
    finish(evaluator, run, stage, agent, train(agent, original_data(task), training, evaluator, run, stage))


def train(
    agent: Agent, data: Slice, training: TrainingConfig, evaluator: Evaluator, run: RunFolder, stage: str
) -> Facts:
    """Train while the validation reward rises; nothing where there is no data."""
    if not len(data):
        return {"train_tokens": 0, "best_tokens": 0, "stopped_early": False, "seconds": 0.0}
    report = agent.improve(data, training, evaluator.validation_reward, partial(run.log, stage))
    return {
        "train_tokens": report.tokens,
        "best_tokens": report.best_tokens,
        "stopped_early": report.stopped_early,
        "seconds": report.seconds,
    }


def original_data(task: Task) -> Slice:
    """The supervised data D."""
    pairs = task.split("train")
    return Slice.from_pairs(
        pairs.sources, pairs.references, task.tokenizer, task.max_source_length, task.max_target_length
    )


def finish(evaluator: Evaluator, run: RunFolder, stage: str, agent: Agent, facts: Facts) -> None:
    """Save the policy, measure it on validation and test, and record the stage."""
    agent.save(run.checkpoint(stage))
    unknown = dict.fromkeys(("threshold", "kept_fraction", "sources_without_data", "distinct_samples"))
    rows = []
    for split, decode in MEASURED:
        measures = evaluator.measures(evaluator.translations(agent.policy, split, decode), split)
        rows.append({"split": split, "decode": decode, **measures, **unknown, **facts})
        for name, value in measures.items():
            if value is not None:
                run.log(stage, f"{split}_{decode}_{name}", value, int(facts["train_tokens"] or 0))
        print(f"  {split} {decode}: " + ", ".join(f"{k} {v:.3f}" for k, v in measures.items() if v is not None))
    run.finish(stage, rows)


def run_experiment(config: Config) -> None:
    """The whole run, from options to report.

    Raises:
        ValueError: If an option cannot work.
        OSError: If the folder holds something else, or cannot be written.
        FloatingPointError: If a loss stops being finite.
    """
    started = time.perf_counter()
    config.check()
    config = replace(config, device=_device(config.device))
    task = load_task(config.task)
    name = config.scorer or task.default_scorer
    if name is None:
        raise ValueError(f"task {config.task!r} has no scorer of its own; name one with --scorer")
    scorer = load_scorer(name, device=config.device)
    settings = {key: value for key, value in asdict(config).items() if key not in ("out", "device")}
    settings |= {"task_fingerprint": task.fingerprint, "scorer_fingerprint": scorer.fingerprint}
    run = RunFolder(config.out, settings)
    evaluator = Evaluator(task, scorer, temperature=config.temperature, seed=config.seed)
    try:
        growing_batch(config, task, evaluator, run)
    finally:
        run.spend(time.perf_counter() - started)
        run.writer.close()
    write_report(run, evaluator, config.device)
    print(f"took {time.perf_counter() - started:.0f} s; wrote results, plots, checkpoints and buffer to {config.out}")
    print(f"next: read {config.out / 'results.md'}; watch the curves with: tensorboard --logdir {config.out}")


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name != "cpu" and not (name.partition(":")[0] == "cuda" and torch.cuda.is_available()):
        raise ValueError(f"device {name!r} is not there; choose cpu or auto")
    return name


def main() -> None:
    """Check the options, run, report; exit with 1 and one sentence where something is wrong."""
    config = tyro.cli(Config, description=__doc__)
    try:
        run_experiment(config)
    except (ValueError, TypeError, OSError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"stopped; the same command with --out {config.out} goes on after the last finished stage")


if __name__ == "__main__":
    main()
