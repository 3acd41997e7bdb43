"""Supervised policy that a run starts from."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import agents
from agents import LoRA
from experiments.runs.experiment import Experiment
from experiments.runs.run_folder import CHECKPOINTS, CONFIG, bound, flat
from experiments.runs.settings import Settings
from experiments.runs.stages import SUPERVISED, UNTRAINED, finish, original_data, train
from seq2seq_env.atomic_files import finite, read_json
from seq2seq_env.tasks import Task
from seq2seq_env.tasks.phrasebook.regimes import DEFAULT_REGIME

if TYPE_CHECKING:
    from agents import Seq2SeqPolicy


def supervised(run: Experiment[Settings], given: Seq2SeqPolicy | None = None) -> Seq2SeqPolicy:
    """The policy that starts it all: BC on the original data until the validation reward stops rising.

    A pretrained policy may also be taken as it is, and another run's supervised policy.

    Args:
        run: The run.
        given: Taken as it is, where the run's folder has none.

    Raises:
        OSError: As for :func:`starting_policy`.
        ValueError: Likewise.
    """
    config, task = run.config, run.task
    if run.folder.has(SUPERVISED):
        return agents.Seq2SeqPolicy.load(run.folder.checkpoint(SUPERVISED), config.device)
    policy = starting_policy(config, task) if given is None else given.to(config.device)
    if given is not None or config.start is not None:
        finish(run, SUPERVISED, agents.make_agent("bc", policy), dict(UNTRAINED))
        return policy
    sizes = config.policy
    # Of a few words, fewer than the network is wide, pairs tell nothing; and a Llama's embeddings have another scale.
    if config.pretrained is None and sizes.architecture != "decoder-only" and sizes.d_model < task.tokenizer.vocab_size:
        from agents.policy.embeddings import align_embeddings

        pairs = task.split("train")
        align_embeddings(policy, pairs.sources, pairs.references, seed=config.seed)
    agent = agents.make_agent("bc", policy.to(config.device))
    if config.fine_tune:
        print("Supervised policy: BC on the original data")
        # Adapters change little, and a new policy has everything to learn.
        lora = LoRA() if config.pretrained is None else config.lora
        facts = train(run, agent, original_data(task), replace(config.supervised, seed=config.seed), SUPERVISED, lora)
    else:
        print(f"Supervised policy: {config.pretrained} as it is")
        facts = dict(UNTRAINED)
    finish(run, SUPERVISED, agent, facts)
    return agent.policy


def check_trained_alike(config: Settings) -> None:
    """Refuse a run to start from whose supervised policy had another task, regime, size or training than asked for.

    Options that its ``config.json`` does not know are not compared.

    Raises:
        FileNotFoundError: If the run has no ``config.json``.
        ValueError: Naming the first option that differs.
    """
    assert config.start is not None
    known = read_json(config.start / CONFIG)
    regimes = [options.get("regime", DEFAULT_REGIME) for options in (known["task_options"], config.task_options)]
    there, wanted = (
        flat(bound({"task": task, "regime": regime, "policy": policy, "supervised": training}))
        for task, regime, policy, training in (
            (known["task"], regimes[0], known["policy"], known["supervised"]),
            (config.task, regimes[1], asdict(config.policy), finite(asdict(config.supervised))),
        )
    )
    for name, value in wanted.items():
        if name in there and there[name] != value:
            raise ValueError(
                f"the supervised policy of {str(config.start)!r} was trained with {name} {there[name]!r}, not "
                f"{value!r}; name a run like the ones to come, or give its options"
            )


def starting_policy(config: Settings, task: Task) -> Seq2SeqPolicy:
    """The policy as it is before a run trains it: another run's supervised one, or a new one.

    Raises:
        OSError: If the other run has none, or a pretrained model cannot be had.
        ValueError: If that one has another tokenizer than the task, or a pretrained model does not fit it.
    """
    if config.start is None:
        return new_policy(config, task)
    policy = agents.Seq2SeqPolicy.load(config.start / CHECKPOINTS / SUPERVISED, config.device)
    if policy.tokenizer.fingerprint != task.tokenizer.fingerprint:
        raise ValueError(
            f"the policy of {str(config.start)!r} has another tokenizer than task {config.task!r}; give the task "
            "options of that run"
        )
    return policy


def new_policy(config: Settings, task: Task) -> Seq2SeqPolicy:
    """A pretrained policy, or one with random weights.

    Raises:
        OSError: If the pretrained model cannot be had.
        ValueError: If it does not fit the task.
    """
    if config.pretrained is None:
        return agents.Seq2SeqPolicy.from_config(task.tokenizer, config.policy.for_task(task), config.seed)
    policy = agents.Seq2SeqPolicy.from_pretrained(config.pretrained, task.tokenizer, task.max_target_length)
    if task.max_source_length > policy.max_source_length:
        raise ValueError(
            f"sources of task {task.name!r} have up to {task.max_source_length} tokens, and {config.pretrained!r} "
            f"reads {policy.max_source_length}; give the task option max_tokens"
        )
    return policy
