"""ReST, Algorithm 1 of Gulcehre et al. 2023 (arXiv 2308.08998): Grow a batch with the policy, Improve it offline.

A supervised policy is trained until its validation reward stops rising. Each Grow step samples translations of the
training sources and scores them once; each Improve step trains on an ever better slice of them and of the original
data. A control spends the same number of gradient tokens on the original data alone. Run again with the same --out to
go on where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import agents
from buffers import Filter, GrowingBatchBuffer, Slice, coverage, grow
from experiments.reports.report import RERANKED, write_report
from experiments.runs.evaluation import Evaluator
from experiments.runs.run_folder import RunFolder
from experiments.runs.script import main
from experiments.runs.settings import Settings
from experiments.runs.stages import finish, original_data, sampler, supervised, train, workers
from seq2seq_env.tasks import Task

if TYPE_CHECKING:
    from agents import Agent, Seq2SeqPolicy

BEST_OF = 8
"""N, samples of the supervised policy that reranking chooses from."""


@dataclass(frozen=True)
class Config(Settings):
    """Options of the run."""

    agent: str = "filtered-bc"
    """Algorithm of the Improve steps."""
    agent_options: dict[str, int | float | str] = field(default_factory=dict)
    """Its options, names and values in turn: --agent-options eta 0.05 prior_first 0.1."""
    grow_steps: int = 2
    """G, Grow steps."""
    control: bool = True
    """Train the control: as many tokens on the original data alone."""
    out: Path = Path("runs/growing_batch")
    """Folder for all that the run leaves."""

    def check(self) -> None:
        """Refuse what cannot work before anything is done.

        Raises:
            ValueError: If a number is out of range, a name unknown, or the filter's values do not rise.
            TypeError: If an agent's option is no number where one is wanted.
        """
        super().check()
        if self.grow_steps < 0:
            raise ValueError(f"grow_steps is {self.grow_steps}; give 0 or more")
        agents.check_options(self.agent, self.agent_options)
        self.check_adapters([self.agent])
        self.schedules(self.grow_steps)


def growing_batch(config: Config, task: Task, evaluator: Evaluator, run: RunFolder) -> None:
    """Algorithm 1."""
    buffer = GrowingBatchBuffer(run.path / "buffer", task=task)
    policy = supervised(config, task, evaluator, run)
    rerank(policy, evaluator, run)
    agent = agents.make_agent(config.agent, policy, **config.agent_options)
    for g, schedule in enumerate(config.schedules(config.grow_steps), start=1):
        if g == 1:  # D itself, which every D_g holds: its scores stay the same
            grow_into(buffer, config, agent.policy, evaluator, run, g=0)
        grow_into(buffer, config, agent.policy, evaluator, run, g=g)
        grown = buffer.select(grow_step=(0, g))
        if not run.has(f"g{g}i1"):
            agent.prepare(grown, config.improve_at(1))
        for i, chosen in enumerate(schedule, start=1):
            improve(config, agent, grown, chosen, evaluator, run, g, i)
    if config.control:
        control(config, task, evaluator, run)


def rerank(policy: Seq2SeqPolicy, evaluator: Evaluator, run: RunFolder) -> None:
    """What choosing the best of N samples gives without training, to compare with (section 4.4)."""
    if not run.has(RERANKED):
        run.finish(RERANKED, evaluator.best_of(policy, "test", BEST_OF) if run.is_writer else None)


def grow_into(
    buffer: GrowingBatchBuffer, config: Config, policy: Seq2SeqPolicy, evaluator: Evaluator, run: RunFolder, g: int
) -> None:
    """Score the original data (Grow step 0), or samples of the policy."""
    task, of_policy = evaluator.task, g > 0
    with run.watch("growing"):
        report = grow(
            sampler(config, policy, task), evaluator.scorer, task, buffer, grow_step=g,
            num_sources=config.sources if of_policy else None,
            candidates=config.candidates if of_policy else 0, references=not of_policy, temperature=config.temperature,
            seed=config.seed, workers=workers(config.device),
        )  # fmt: skip
    print(f"Grow {g}: {report}")


def improve(
    config: Config, agent: Agent, grown: Slice, chosen: Filter, evaluator: Evaluator, run: RunFolder, g: int, i: int
) -> None:
    """One Improve step: train on what the filter keeps while the validation reward rises, and keep the best."""
    stage = f"g{g}i{i}"
    if run.has(stage):
        agent.restore(run.checkpoint(stage))
        return
    data = grown.select(chosen) if agent.filters else grown
    training = config.improve_at((g - 1) * config.improve_steps + i)
    kept = coverage(grown, data)
    print(f"Improve {i} of Grow {g}, {chosen if agent.filters else 'all data'}: {kept}")
    facts = {
        "threshold": chosen.value if agent.filters else None,
        "kept_fraction": kept.kept_fraction,
        "sources_without_data": kept.sources_without_data_fraction,
        "distinct_samples": kept.distinct_samples,
    }
    finish(evaluator, run, stage, agent, facts | train(agent, data, training, evaluator, run, stage, config.lora))


def control(config: Config, task: Task, evaluator: Evaluator, run: RunFolder) -> None:
    """As many gradient tokens as all Improve steps had, on the original data alone, its best checkpoint kept too."""
    stage = "control"
    steps = [f"g{g}i{i}" for g in range(1, config.grow_steps + 1) for i in range(1, config.improve_steps + 1)]
    tokens = sum(run.result(step)[0]["train_tokens"] for step in steps)
    if run.has(stage) or tokens == 0:
        return
    print(f"Control: {tokens} tokens of the original data")
    agent = agents.make_agent("bc", agents.Seq2SeqPolicy.load(run.checkpoint("g0i0"), config.device))
    training = replace(config.improve_at(1), max_tokens=tokens, evaluate_every=max(1, tokens // 4), patience=tokens)
    facts = train(agent, original_data(task), training, evaluator, run, stage, config.lora)
    finish(evaluator, run, stage, agent, facts)


def report(config: Config, task: Task, evaluator: Evaluator, run: RunFolder) -> None:
    """Tables, plots and examples of all stages."""
    write_report(run, evaluator, config.device)
    print(f"wrote results, plots, checkpoints and buffer to {config.out}")
    print(f"next: read {config.out / 'results.md'}; watch the curves with: tensorboard --logdir {config.out}")


if __name__ == "__main__":
    main(Config, __doc__, growing_batch, report)
