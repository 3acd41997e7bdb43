"""One stage of a run: train while the validation reward rises, save the policy, measure it, record it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import agents
from agents import LoRA, TrainingConfig
from buffers import ByRank, Sampler, Slice, Workers
from experiments.runs.evaluation import Decode, Evaluator
from experiments.runs.run_folder import CHECKPOINTS, RunFolder
from experiments.runs.settings import Settings
from seq2seq_env.tasks import Task

if TYPE_CHECKING:
    from agents import Agent, Seq2SeqPolicy

MEASURED: tuple[tuple[str, Decode], ...] = (("validation", "sample"), ("test", "sample"), ("test", "greedy"))
"""What every stage is measured on."""

Facts = dict[str, float | int | bool | None]
"""What is recorded of a stage beside its measures."""

UNTRAINED: Facts = {"train_tokens": 0, "best_tokens": 0, "stopped_early": False, "seconds": 0.0}
"""Of a stage without training."""


def supervised(settings: Settings, task: Task, evaluator: Evaluator, run: RunFolder) -> Seq2SeqPolicy:
    """The policy that starts it all: BC on the original data until the validation reward stops rising.

    A pretrained policy may also be taken as it is, and another run's supervised policy.

    Raises:
        FileNotFoundError: If that run has none.
        ValueError: If that one has another tokenizer than the task.
    """
    stage = "g0i0"
    if run.has(stage):
        return agents.Seq2SeqPolicy.load(run.checkpoint(stage), settings.device)
    if settings.start is not None:
        policy = agents.Seq2SeqPolicy.load(settings.start / CHECKPOINTS / stage, settings.device)
        if policy.tokenizer.fingerprint != task.tokenizer.fingerprint:
            raise ValueError(
                f"the policy of {str(settings.start)!r} has another tokenizer than task {settings.task!r}; give the "
                "task options of that run"
            )
        finish(evaluator, run, stage, agents.make_agent("bc", policy), dict(UNTRAINED))
        return policy
    policy = first_policy(settings, task)
    if settings.pretrained is None:
        from agents.policy.embeddings import align_embeddings

        pairs = task.split("train")
        align_embeddings(policy, pairs.sources, pairs.references, seed=settings.seed)
    agent = agents.make_agent("bc", policy.to(settings.device))
    if settings.fine_tune:
        print("Supervised policy: BC on the original data")
        training = replace(settings.supervised, seed=settings.seed)
        # Adapters change little, and a new policy has everything to learn.
        lora = LoRA() if settings.pretrained is None else settings.lora
        facts = train(agent, original_data(task), training, evaluator, run, stage, lora)
    else:
        print(f"Supervised policy: {settings.pretrained} as it is")
        facts = dict(UNTRAINED)
    finish(evaluator, run, stage, agent, facts)
    return agent.policy


def first_policy(settings: Settings, task: Task) -> Seq2SeqPolicy:
    """A pretrained policy, or a new one with random weights.

    Raises:
        OSError: If the pretrained model cannot be had.
        ValueError: If it does not fit the task.
    """
    if settings.pretrained is None:
        lengths = {"max_source_length": task.max_source_length, "max_target_length": task.max_target_length}
        return agents.Seq2SeqPolicy.from_config(task.tokenizer, replace(settings.policy, **lengths), settings.seed)
    policy = agents.Seq2SeqPolicy.from_pretrained(settings.pretrained, task.tokenizer, task.max_target_length)
    if task.max_source_length > policy.max_source_length:
        raise ValueError(
            f"sources of task {task.name!r} have up to {task.max_source_length} tokens, and {settings.pretrained!r} "
            f"reads {policy.max_source_length}; give the task option max_tokens"
        )
    return policy


def train(
    agent: Agent, data: Slice, training: TrainingConfig, evaluator: Evaluator, run: RunFolder, stage: str, lora: LoRA
) -> Facts:
    """Train while the validation reward rises; nothing where there is no data."""
    if not len(data):
        return dict(UNTRAINED)
    with run.watch("training"), agents.adapted(agent.policy, lora, training.seed):
        report = agent.improve(data, training, evaluator.validation_reward, partial(run.log, stage))
    return {
        "train_tokens": report.tokens,
        "best_tokens": report.best_tokens,
        "stopped_early": report.stopped_early,
        "seconds": report.seconds,
    }


def sampler(settings: Settings, policy: Seq2SeqPolicy, task: Task) -> Sampler:
    """What Grow samples the policy by; says how far off it an engine of less than float32 is."""
    chosen = agents.make_sampler(policy, settings.engine, settings.compute_type)
    if settings.compute_type != "float32":
        sources = task.split("validation").sources
        print(f"{chosen.engine}: {agents.sampler_kl(chosen, policy, sources, settings.temperature, settings.seed)}")
    return chosen


def workers(device: str) -> Workers:
    """Who makes the shards of a Grow step: all processes of the run, each with its cores, or with its GPU."""
    from accelerate import PartialState  # type: ignore[import-untyped]

    return ByRank(PartialState(), threads=None if device == "cpu" else 1)


def original_data(task: Task) -> Slice:
    """The supervised data D."""
    pairs = task.split("train")
    return Slice.from_pairs(
        pairs.sources, pairs.references, task.tokenizer, task.max_source_length, task.max_target_length
    )


def finish(evaluator: Evaluator, run: RunFolder, stage: str, agent: Agent, facts: Facts) -> None:
    """Save the policy, measure it on validation and test, and record the stage; of several processes the first does."""
    rows: list[dict[str, object]] = []
    if run.is_writer:
        agent.save(run.checkpoint(stage))
        rows = [_measured(evaluator, run, stage, agent, facts, split, decode) for split, decode in MEASURED]
    run.finish(stage, rows)


def _measured(
    evaluator: Evaluator, run: RunFolder, stage: str, agent: Agent, facts: Facts, split: str, decode: Decode
) -> dict[str, object]:
    measures = evaluator.measures(evaluator.translations(agent.policy, split, decode), split)
    for name, value in measures.items():
        if value is not None:
            run.log(stage, f"{split}_{decode}_{name}", value, int(facts["train_tokens"] or 0))
    print(f"  {split} {decode}: " + ", ".join(f"{k} {v:.3f}" for k, v in measures.items() if v is not None))
    unknown = dict.fromkeys(("threshold", "kept_fraction", "sources_without_data", "distinct_samples"))
    return {"split": split, "decode": decode, **measures, **unknown, **facts}
