"""Trials of a comparison: one agent, trained from one policy on one batch, measured by its best and last weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import agents
from agents import TrainingConfig
from buffers import Filter, Slice, coverage
from experiments.runs.evaluation import Decode, Translations
from experiments.runs.experiment import Experiment
from experiments.runs.improve_data import DataConfig
from experiments.runs.last_weights import LastWeights
from experiments.runs.matched_filters import matched
from experiments.runs.prepared_values import PreparedValues
from experiments.runs.settings import Settings
from experiments.runs.stages import equal_entropy_stage, keep_at_entropy, keep_translations

if TYPE_CHECKING:
    from torch import nn

    from agents import Agent, OffPolicyConfig, Seq2SeqPolicy

DATA = ("own", "filtered")
"""What an agent trains on: what its algorithm asks for, or the slice that filtered behaviour cloning sees."""


@dataclass(frozen=True)
class Trial:
    """One training of one agent, in each seed's run.

    Attributes:
        agent: Name of the algorithm.
        data: One of :data:`DATA`.
        dataset: Name of a data set, where a run has several.
        learning_rate: Where it is not the configuration's.
        filter: Kind of the filter, where it is not the configuration's; it keeps as many tokens as that.
        recipe: Whose data and options the agent has, where they are not its own; the trial then goes by this name.
    """

    agent: str
    data: str
    dataset: str | None = None
    learning_rate: float | None = None
    filter: str | None = None
    recipe: str | None = None

    @property
    def stage(self) -> str:
        """Its name in the folder of a run."""
        rate = None if self.learning_rate is None else f"lr{self.learning_rate:g}"
        name = self.recipe or self.agent
        return ".".join(part for part in (self.dataset, name, self.data, self.filter, rate) if part is not None)

    def record(self) -> dict[str, object]:
        """What it has, as JSON can hold it."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def train(
    run: Experiment[Settings],
    trial: Trial,
    policy: Seq2SeqPolicy,
    batch: Slice,
    schedule: list[Filter],
    narrowing: DataConfig | None = None,
    *,
    with_last: bool = False,
    off_policy: OffPolicyConfig | None = None,
    prepared: PreparedValues | None = None,
) -> dict[str, object]:
    """All Improve steps of one trial, what came of each, and its test translations, which are kept.

    Args:
        run: Gives options and measures.
        trial: Agent, data and learning rate.
        policy: That it starts from.
        batch: All data.
        schedule: Filter of each Improve step.
        narrowing: What else narrows the data; None for nothing.
        with_last: Whether the last weights are measured, too; a training that was killed begins anew then.
        off_policy: Budgets of an off-policy evaluation of the policy on all data; None for none.
        prepared: Value networks of trainings before from the same policy; None trains one in any case.
    """
    config = run.config
    if trial.learning_rate is not None:
        config = replace(config, improve=replace(config.improve, learning_rate=trial.learning_rate))
    if agents.agent_class(trial.agent).needs_copies:
        config = replace(config, distinct=False)
    if trial.filter is not None:
        schedule = matched(trial.filter, batch, schedule, config.counted)
    agent = agents.make_agent(trial.agent, policy.clone(), **config.options_of(trial.agent))
    spent, reused = (prepared or PreparedValues()).prepare(
        agent, batch, config.improve_at(1), replace(trial, learning_rate=None), config.seed
    )
    narrowing = narrowing or DataConfig()
    steps = []
    for i, kept in enumerate(schedule, start=1):
        filtered = agent.filters or trial.data == "filtered"
        training = config.improve_at(i)
        data = narrowing.select(batch, kept if filtered else None, run.task.tokenizer)
        data = agent.usable(narrowing.limit(config.counted(data) if filtered else data, training.seed))
        print(f"  {coverage(batch, data)}")
        # Everyone spends the whole budget, whatever the validation reward does; the best weights are kept all the same.
        training = replace(training, patience=config.improve.max_tokens)
        state = None if with_last else run.folder.training_state(trial.stage, i)
        step = improve(run, agent, data, training, policy, state)
        steps.append(step | {"filter_value": kept.value, "kept_tokens": data.num_tokens})
        if run.folder.is_writer and i < len(schedule):
            keep_translations(run, step_stage(trial.stage, i), translations(run, agent.policy))
    valued = agent if isinstance(agent, agents.ValueAgent) else None
    result: dict[str, object] = {
        **trial.record(),
        "seed": config.seed,
        "start": policy.fingerprint,
        "prepare_seconds": spent["wall_seconds"],
        "reused": spent if reused else {},
        "prepare_tokens": valued.config.value_tokens if valued else 0,
        "value_report": asdict(valued.value_report) if valued and valued.value_report else None,
        "steps": steps,
    }
    if off_policy is not None:
        # The training is what counts: it stays where its evaluation fails.
        try:
            known = agents.evaluate_off_policy(agent.policy, batch, off_policy, policy, config.seed)
        except (ValueError, FloatingPointError) as error:
            print(f"  WARNING: no off-policy evaluation of {trial.stage}: {error}")
        else:
            result["off_policy"] = asdict(known)
    if run.folder.is_writer:
        translated = translations(run, agent.policy)
        keep_translations(run, trial.stage, translated)
        nats = translated["sample"].nats
        assert nats is not None
        result["equal_entropy"] = keep_at_entropy(run, equal_entropy_stage(trial.stage), policy, nats)
    return result


def step_stage(stage: str, step: int) -> str:
    """Under which the translations after an Improve step of a trial are kept; those of the last are under its own."""
    return f"{stage}.step{step}"


def improve(
    run: Experiment[Settings],
    agent: Agent,
    data: Slice,
    training: TrainingConfig,
    prior: Seq2SeqPolicy,
    state: Path | None,
) -> dict[str, object]:
    """One Improve step, as every agent has it; from where a killed run was, if ``state`` is there.

    Without a state, the last weights are measured beside the best ones.
    """
    evaluator, last = run.evaluator, LastWeights(run.evaluator.validation_reward)
    spent: dict[str, object] = {"tokens": 0, "best_tokens": 0, "seconds": 0.0, "curve": []}
    if len(data):
        with agents.adapted(agent.policy, run.config.lora, training.seed):
            trained = agent.improve(data, training, evaluator.validation_reward if state else last, resume=state)
        spent = {
            "tokens": trained.tokens,
            "best_tokens": trained.best_tokens,
            "seconds": trained.seconds - trained.evaluation_seconds,
            "curve": [[row.tokens, row.evaluation] for row in trained.history if row.evaluation is not None],
        }
    else:
        print("  WARNING: the filter keeps nothing to train on; the policy stays as it was")
    measures = measured(run, agent.policy)
    if state is None:
        with last.of(agent.policy):
            spent["last"] = measured(run, agent.policy)
    shown = ("greedy_reward", "greedy_oracle", "greedy_judge", "sample_reward", "sample_oracle", "sample_nats")
    print("  " + ", ".join(f"{name} {measures[name]:.3f}" for name in shown if measures[name] is not None))
    return measures | spent | {"kl": evaluator.kl(agent.policy, prior, "test"), "network_mib": network_mib(agent)}


def best_validation(result: Mapping[str, Any]) -> float:
    """The highest validation reward of a trial's last Improve step; minus infinity where nothing was trained."""
    return max((reward for _, reward in result["steps"][-1]["curve"]), default=-math.inf)


def measured(run: Experiment[Settings], policy: Seq2SeqPolicy) -> dict[str, object]:
    """Measures of the test sources' translations, by decoding and name."""
    return {
        f"{decode}_{name}": value
        for decode, each in translations(run, policy).items()
        for name, value in run.evaluator.measures(each, "test").items()
    }


def translations(run: Experiment[Settings], policy: Seq2SeqPolicy) -> dict[Decode, Translations]:
    """Samples and greedy translations of the test sources, and those by beam search where they are asked for."""
    return {decode: run.evaluator.translations(policy, "test", decode) for decode in run.evaluator.decodes}


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
