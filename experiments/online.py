"""Online RL from the same supervised policy, by the same scorer: what ReST is measured against (table 1).

An online agent samples a batch with the policy as it is, has it scored in one call, updates the policy on it for some
epochs, and samples again, while the validation reward rises. Nothing is stored but the policies. The folder is that of
a run with one Improve step, measured and reported in the same way. Run again with the same --out to go on where it
stopped.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
import tyro

import agents
from agents import ComputeType, Engine, RolloutConfig, TrainingConfig
from buffers import drawable_rows, source_texts
from experiments.names import FilterName, OnlineAgentName
from experiments.reports.report import write_report
from experiments.runs.agent_kinds import check_online
from experiments.runs.experiment import Experiment
from experiments.runs.scorer_checks import check_scorer
from experiments.runs.script import main
from experiments.runs.settings import Settings
from experiments.runs.stages import finish, training_facts
from experiments.runs.supervised import supervised
from experiments.runs.untrained import equal_entropy, rerank
from seq2seq_env.tasks import Task

MOST_USED = (
    "preset", "task", "task_options", "scorer", "start", "agent", "sources", "candidates", "temperature", "max_samples",
    "seed", "device", "out",
)  # fmt: skip
"""Options that the short help shows."""

STAGE = "g1i1"
"""Stage of the online policy: what one Improve step of one Grow step is in a run of growing_batch.py."""

T = TypeVar("T")
Unused = Annotated[T, tyro.conf.Fixed, tyro.conf.Suppress]
"""An option of stored batches, which nothing here reads."""


@dataclass(frozen=True)
class Config(Settings):
    """Options of the run."""

    PRESET_PARTS: ClassVar[tuple[str, ...]] = ("policy", "supervised")  # ReST's learning rates are far too high
    DERIVED: ClassVar[dict[str, Any]] = {"grow_steps": 1, "improve_steps": 1, "filter": "none"}
    """What the run's configuration says of stages beside the options."""

    agent: OnlineAgentName = "ppo"
    """Online algorithm. Its own options stand under its name, and --help explains them: --agent ppo --ppo.beta 0.05."""
    sources: int = 64
    """Number of sources of a batch of samples, at least 1. A pass over all draws none twice and leaves out those that
    fill no batch; each pass has another order."""
    grow_from: Literal["auto", "train", "source-only", "both"] = "auto"
    """Sources to sample: those of the "train" split, the "source-only" sentences, which have no references, or "both".
    "auto" is "both" where the task has such sentences, and "train" elsewhere."""
    candidates: int = 4
    """Samples of each source in a batch, at least 1; rloo, grpo and mad compare them, and need 2."""
    temperature: float = 0.8
    """Sampling temperature, above 0. The policy at this temperature is what is trained."""
    max_samples: int | None = None
    """Samples in all after which the training ends, unless --improve.max-tokens target tokens, each counted in every
    epoch, or --improve.patience looks without a rise come first: raise both for a comparison at equal samples. None
    ends it by these alone."""
    improve: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            learning_rate=5e-5,
            schedule="constant",
            tokens_per_batch=1_024,
            max_tokens=500_000,
            warmup_tokens=5_000,
            evaluate_every=50_000,
            patience=5,
        )
    )
    """Training of the online policy, its value network included."""
    out: Path = Path("runs/online")
    """Folder that the run writes to, and goes on in."""

    auto_sources: Unused[int] = Settings.auto_sources
    """A batch has as many sources as it is told."""
    improve_steps: Unused[int] = 1
    """No Improve steps."""
    engine: Unused[Engine] = "transformers"
    """No engine: the policy samples by itself, as its weights change with every batch."""
    compute_type: Unused[ComputeType] = "float32"
    """Nor another arithmetic than the training's."""
    filter: Unused[FilterName] = "auto"
    """No filter."""
    filter_values: Unused[tuple[float, ...] | None] = None
    """Nor its values."""
    distinct: Unused[bool] = True
    """Copies count each: they are samples of the policy."""
    learning_rate_decay: Unused[float] = 1.0
    """No later Improve step."""

    UNUSED: ClassVar[tuple[str, ...]] = (
        "auto_sources", "improve_steps", "engine", "compute_type", "filter", "filter_values", "distinct",
        "learning_rate_decay",
    )  # fmt: skip

    def recorded(self) -> dict[str, Any]:
        """See :meth:`Settings.recorded`."""
        options = {name: value for name, value in super().recorded().items() if name not in self.UNUSED}
        return options | self.DERIVED

    def check(self) -> None:
        """Refuse what cannot work before anything is done.

        Raises:
            ValueError: If a number is out of range, a name unknown, the agent learns from stored batches, or there is
                to be noise on the sources.
            TypeError: If an agent's option is no number where one is wanted.
        """
        from agents.training.source_noise import check_no_noise

        super().check()
        check_online(self.agent)
        agents.check_options(self.agent, self.options_of(self.agent))
        if self.candidates < 2 and issubclass(agents.agent_class(self.agent), agents.GroupAgent):
            raise ValueError(
                f"agent {self.agent!r} compares a source's candidates, and candidates is {self.candidates}; give 2 or "
                "more, or choose ppo"
            )
        check_no_noise(self.agent, self.improve)
        _ = self.rollouts

    @property
    def rollouts(self) -> RolloutConfig:
        """How samples are drawn.

        Raises:
            ValueError: If there are to be fewer samples than one batch has.
        """
        return RolloutConfig(self.sources, self.candidates, self.temperature, self.seed, self.max_samples)


def online(run: Experiment[Config]) -> None:
    """Supervised policy, online training, and what growing_batch.py measures of a run's last policy.

    Raises:
        ValueError: If several processes would do it.
    """
    from accelerate import PartialState  # type: ignore[import-untyped]

    if (processes := PartialState().num_processes) > 1:
        raise ValueError(f"online training runs in one process, and there are {processes}; start it without torchrun")
    config = run.config
    policy = supervised(run)
    rerank(run, policy)
    agent = agents.make_agent(config.agent, policy, **config.options_of(config.agent))
    if run.folder.has(STAGE):
        agent.restore(run.folder.checkpoint(STAGE))
    else:
        print(f"Online: {config.agent}")
        train_online(run, agent)
    equal_entropy(run, STAGE)
    check_scorer(run)


def train_online(run: Experiment[Config], agent: agents.Agent) -> None:
    """Sample, score, update while the validation reward rises, from where a killed run was."""
    config, folder = run.config, run.folder
    training = replace(config.improve, seed=config.seed * 1000 + 1)
    with folder.watch("training"), agents.adapted(agent.policy, config.lora, training.seed):
        learner = agents.OnPolicy(
            agent, sources_of(config, run.task), run.evaluator.scorer, config.rollouts, folder.watch
        )
        evaluate = partial(run.evaluator.validation_reward, agent.policy)
        report = learner.improve(training, evaluate, partial(folder.log, STAGE), folder.training_state(STAGE))
    rewards = [row.metrics["reward"] for row in report.history if row.loss is not None]
    facts = {
        "samples": learner.samples,
        "data_reward": rewards[-1] if rewards else None,
        # Nothing is filtered.
        "kept_fraction": 1.0,
        "sources_without_data": 0.0,
    }
    print(f"{learner.samples} samples, {report.tokens} gradient tokens, {report.steps} updates")
    finish(run, STAGE, agent, facts | training_facts(report))


def sources_of(config: Settings, task: Task) -> list[str]:
    """Texts that samples are drawn for."""
    return source_texts(task, np.array(drawable_rows(task, config.drawn_from(task)), dtype=np.int64))


def report(run: Experiment[Config]) -> None:
    """Tables, plots and examples of both stages."""
    out = run.config.out
    write_report(run.folder, run.evaluator, name=run.config.agent)
    print(f"wrote results, plots and checkpoints to {out}")
    print(f"next: read {out / 'results.md'}; watch the curves with: tensorboard --logdir {shlex.quote(str(out))}")


if __name__ == "__main__":
    main(Config, __doc__, online, report)
