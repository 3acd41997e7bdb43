"""Forecast of a run's time, stage by stage, from the rates at which this machine trains its policy and scores.

They are measured, in seconds; all other work is counted in target tokens of the policy's training that take as long, by
ratios that were read off runs on two cores (docs/results/multi30k.md). Early stopping makes a run shorter.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import agents
from agents import PolicyConfig
from buffers import Slice, drawable_rows
from experiments.runs.ready_scorer import ready_scorer
from experiments.runs.settings import Settings
from experiments.runs.supervised import new_policy, starting_policy
from experiments.scorer_training.estimator_config import EstimatorConfig
from seq2seq_env.scorers import Scorer, load_scorer
from seq2seq_env.tasks import Task, load_task
from seq2seq_env.tasks.task import SOURCE_ONLY

if TYPE_CHECKING:
    from agents import Seq2SeqPolicy

SAMPLED = 0.5
"""Tokens of the policy's training that take as long as one token sampled of it."""

READ = 0.8
"""Tokens of the training of an own scorer's forward model that take as long as one token of a scored hypothesis."""

SOURCE = 40.0
"""The same of one token of a source that is new to the scorer, which translates it itself, by beam search."""

OTHER_SCORER = 1.0
"""Tokens of the policy's training that take as long as one token of a hypothesis that another scorer reads, where that
is not measured; a program, or a model of billions of parameters, takes longer."""

ONLINE = 2.5
"""The same of one token that an online agent learns from: its prior reads it, and a value network learns beside it."""

MEASURED_STEPS = 3
"""Steps of the training whose rate is measured, after as many that warm up."""

MEASURED_SCORES = 64
"""Training pairs whose scores are timed, after a few."""

MEASURED_DECODES = 3
"""Translations of validation or test that every stage is measured by, but for those by beam search."""

BEAM = 1.25
"""One-sample translations of the test sources that take as long as one by beam search, for each hypothesis held."""


def forecast(config: Settings) -> list[str]:
    """What the task leaves out, and the stages with their minutes, a line each.

    Args:
        config: Options of growing_batch.py, compare_agents.py or online.py.

    Raises:
        ValueError: If an option cannot work.
        OSError: If the task or a pretrained policy cannot be read.
    """
    task = load_task(config.task, **config.options_of_task())
    config = config.with_filter(task).with_sources(task)
    # What the run would refuse is refused here.
    ready = ready_scorer(config, task)
    named = {"read": ready, "judged": config.judge}
    scorers = {part: load_scorer(name, device=config.device, task=task) for part, name in named.items() if name}
    policy = starting_policy(replace(config, start=config.start_of(config.seed)), task)
    rate = training_rate(config, task, policy)
    rates = {part: rate / scoring_rate(each, task) for part, each in scorers.items()}
    tokens = work(config, task, policy_size(policy), **rates, made=ready is not None)
    stages = {stage: each / rate / 60 for stage, each in tokens.items() if each}
    lines = [f"{name}: {in_words(each)}" for name, each in stages.items()]
    return [
        *task.notes,
        f"at most, at {rate:,.0f} target tokens of training per second, measured on this machine just now:",
        *lines,
        f"in all: {in_words(sum(stages.values()))}",
    ]


def work(
    config: Settings,
    task: Task,
    size: float | None = None,
    read: float = OTHER_SCORER,
    judged: float = 0.0,
    *,
    made: bool = False,
) -> dict[str, float]:
    """What each stage takes at most, in target tokens of the policy's training that take as long.

    Args:
        config: With its filter and sources as they fit the task.
        task: Gives the texts.
        size: Multiplications of the policy, of which a pretrained one's are not the options'; None for these.
        read: What a token takes that a scorer reads which is there: a named one, the task's, or one made before.
        judged: What one takes that the judge reads.
        made: Whether the scorer of the task's pairs, where the run takes that, was made before.
    """
    pairs = task.split("train")
    own = config.scorer is None and task.default_scorer is None
    estimator = config.estimator
    if estimator.predictor == EstimatorConfig().predictor:
        estimator = estimator.fitted(len(set(pairs.sources)))
    vocab_size, sentence = task.tokenizer.vocab_size, _mean_tokens(task, pairs.references)
    size = size or multiplications(config.policy, vocab_size)
    forward, backward = (multiplications(each, vocab_size) / size for each in (estimator.predictor, estimator.backward))
    new_source = SOURCE * forward * estimator.repeats * sentence if own else 0.0
    scored = (READ * forward * estimator.repeats if own and not made else read) * sentence
    sampled = SAMPLED * sentence + scored

    judged *= sentence
    validation, test = task.size("validation"), task.size("test")
    stage = MEASURED_DECODES * max(validation, test) * (sampled + judged)
    if config.beams > 1:
        stage += test * (BEAM * config.beams * SAMPLED * sentence + scored + judged)
    available = len(drawable_rows(task, config.drawn_from(task)))
    drawn = config.num_sources(task) or available
    # Of training pairs the scorer knows the sources by their references.
    new = drawn * (task.size(SOURCE_ONLY) / available if config.drawn_from(task) != "train" else 0.0)
    trained = {
        name: each.max_tokens + math.ceil(each.max_tokens / each.evaluate_every) * validation * sampled
        for name, each in (("supervised", config.supervised), ("improve", config.improve))
    }
    if hasattr(config, "max_samples"):
        first = trained["supervised"] + stage if config.start is None else stage
        return {"supervised policy": first, "online training": _online(config, trained, sentence, sampled) + stage}
    grow_steps, trainings, seeds = _repetitions(config)
    improving = config.improve_steps * (trained["improve"] + stage)
    # A gate translates the validation sources by the supervised policy and after each step, but of no control.
    gated = validation * (sampled + judged) if getattr(config, "gate", "off") != "off" else 0.0
    tokens = {
        "scorer": _scorer(config.estimator, estimator, task, sentence, (forward, backward))
        if own and not made
        else 0.0,
        "supervised policy": seeds * (trained["supervised"] + stage) + (validation + test) * new_source + gated,
        "Grow": len(pairs) * (new_source + scored)
        + seeds * grow_steps * (new * new_source + drawn * config.candidates * sampled),
        "value networks": seeds * grow_steps * _value_tokens(config, trainings),
        **_beside_growing(config, grow_steps, drawn, sampled, (len(pairs) + drawn * config.candidates) * scored),
        "Improve": seeds * grow_steps * improving + grow_steps * config.improve_steps * gated,
        "controls, or the other agents": seeds * (trainings - 1) * grow_steps * improving,
    }
    if config.start is not None or not config.fine_tune:
        tokens["supervised policy"] = seeds * stage + (validation + test) * new_source + gated
    return tokens


def multiplications(network: PolicyConfig, vocab_size: int) -> float:
    """Of one target token and a source token beside it, in a forward pass: attention's own, which are few, left out."""
    width, inner = network.d_model, 2 * network.d_model * network.ffn_dim
    encoder = network.encoder_layers * (4 * width**2 + inner)
    return encoder + network.decoder_layers * (8 * width**2 + inner) + width * vocab_size


def policy_size(policy: Seq2SeqPolicy) -> float:
    """The same of a policy, by its matrices: one that embeds tokens and predicts them, too, is there once."""
    return float(
        sum(weight.numel() for weight in policy.model.parameters() if weight.ndim > 1 and weight.requires_grad)
    )


def sampling(task: Task, samples: int) -> float:
    """What so many samples take, drawn and scored, as for :func:`work`; at most, as equal ones are scored once."""
    sentence = _mean_tokens(task, task.split("train").references)
    return samples * sentence * (SAMPLED + OTHER_SCORER)


def training_rate(config: Settings, task: Task, policy: Seq2SeqPolicy | None = None) -> float:
    """Target tokens per second of behaviour cloning with the policy of a run, which None makes."""
    policy = policy or new_policy(config, task)
    pairs, batch = task.split("train"), config.supervised.tokens_per_batch
    few = slice(0, max(1, 2 * batch))  # more pairs than a batch holds
    data = Slice.from_pairs(
        pairs.sources[few], pairs.references[few], task.tokenizer, task.max_source_length, task.max_target_length
    )
    agent = agents.make_agent("bc", policy.to(config.device))
    training = replace(config.supervised, max_tokens=MEASURED_STEPS * batch // 2, progress=False)
    agent.improve(data, training)
    report = agent.improve(data, training)
    return report.tokens / report.seconds


def scoring_rate(scorer: Scorer, task: Task) -> float:
    """Target tokens per second that a scorer reads, of training pairs that differ."""
    pairs = task.split("train")
    sources, references = pairs.sources[:MEASURED_SCORES], pairs.references[:MEASURED_SCORES]
    scorer.score(sources[:8], references[:8])
    started = time.perf_counter()
    scorer.score(sources, references)
    return len(references) * _mean_tokens(task, references) / (time.perf_counter() - started)


def in_words(value: float) -> str:
    """A time in minutes, or hours."""
    return (
        f"{value:.1f} minutes" if value < 10 else f"{value:.0f} minutes" if value < 180 else f"{value / 60:.1f} hours"
    )


def _repetitions(config: Settings) -> tuple[int, int, int]:
    """Grow steps, trainings on what each grew, and whole runs, by the script whose options they are."""
    if hasattr(config, "arms"):
        return config.grow_steps, 1 + len(config.controls), 1  # type: ignore[attr-defined]
    return 1, 2 * len(config.agents) + len(config.filters), config.seeds  # type: ignore[attr-defined]


def _beside_growing(config: Settings, grow_steps: int, drawn: int, sampled: float, rescored: float) -> dict[str, float]:
    """Of rewriting what a filter refuses, and of a scorer's refresh, by their names; ``rescored`` is all it rates."""
    parts = {}
    if (data := getattr(config, "data", None)) is not None and data.rewrite:
        parts["rewriting"] = grow_steps * (data.rewrite_value_tokens + drawn * config.candidates * sampled)
    if getattr(config, "refresh_scorer", None) is not None:
        parts["scorer refresh"] = grow_steps * rescored
    return parts


def _value_tokens(config: Settings, trainings: int) -> float:
    """Of the estimation of values before the Improve steps, over all trainings on one batch."""
    compared: tuple[str, ...] | None = getattr(config, "agents", None)
    names = compared or (config.agent,)  # type: ignore[attr-defined]
    kinds = [agents.agent_class(name).Config(**config.options_of(name)) for name in names]
    return (2 if compared else trainings) * sum(getattr(kind, "value_tokens", 0) for kind in kinds)


def _online(config: Settings, trained: dict[str, float], sentence: float, sampled: float) -> float:
    """Samples, updates and evaluations of online.py."""
    epochs: int = agents.agent_class(config.agent).Config(**config.options_of(config.agent)).epochs  # type: ignore[attr-defined]
    most: int | None = config.max_samples  # type: ignore[attr-defined]
    tokens = config.improve.max_tokens
    if most is not None:
        tokens = min(tokens, round(most * epochs * sentence))
    looks = (trained["improve"] - config.improve.max_tokens) * tokens / config.improve.max_tokens
    return tokens * (ONLINE + sampled / sentence / epochs) + looks


def _scorer(
    asked: EstimatorConfig, fitted: EstimatorConfig, task: Task, sentence: float, costs: tuple[float, float]
) -> float:
    """The making of an own scorer: translation models, hypotheses of labelled sources, the report's."""
    parts = 1 if asked.folds == 1 else asked.folds * asked.repeats
    sources = len(set(task.split("train").sources))
    seen = sources * (asked.folds - 1) // asked.folds if asked.folds > 1 else sources
    labelled = fitted.labelled_of(seen)
    training = fitted.budget(max(1, round((seen - labelled) * sentence))).max_tokens
    hypotheses = fitted.samples_per_source + fitted.corrupted_per_source
    judged = parts * labelled + asked.repeats * task.size("validation")
    return parts * training * sum(costs) + judged * sentence * costs[0] * (SOURCE + hypotheses * (SAMPLED + READ))


def _mean_tokens(task: Task, texts: list[str]) -> float:
    sample = texts[:: max(1, len(texts) // 500)]
    return sum(map(len, task.tokenizer.encode_targets(sample))) / len(sample)
