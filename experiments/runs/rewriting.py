"""Rewriting of what the filter refuses: from the first token that a value network finds bad, the policy writes anew."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import agents
from buffers import ByRank, Filter, GrowingBatchBuffer, Slice, rewrite
from experiments.runs.experiment import Experiment
from experiments.runs.run_folder import RunFolder
from experiments.runs.settings import Settings

if TYPE_CHECKING:
    from agents import AgentConfig, Seq2SeqPolicy, ValueNetwork

FOLDER = "rewrites"
"""Folder within a run's: a buffer with the rewrites of each Grow step under its number."""

VALUE_LEARNING_RATE = 1e-3
"""Peak learning rate of the value network, as agents with one have it."""


def rewrites_stage(g: int) -> str:
    """Stage of a Grow step's rewrites, and of the value network that says from where on."""
    return f"rewrites{g}"


def check_rewriting(kind: str, agent: str, options: AgentConfig) -> None:
    """Refuse a filter by which a rewrite cannot be judged alone, and an agent that asks who drew it.

    Args:
        kind: Of the filter; "auto" is none yet.
        agent: Name of the agent that trains on the rewrites.
        options: The agent's.

    Raises:
        ValueError: If the filter compares the candidates of a source, or the agent's loss has an importance ratio.
    """
    if kind not in ("auto", "threshold"):
        raise ValueError(f"--data.rewrite goes with --filter threshold, not {kind!r}; give that")
    # What is stored of a rewrite are its tokens' log-probabilities, and not how likely it was that it begins there.
    if options.has_ratio:
        raise ValueError(
            f"agent {agent!r} weighs data by the policy that drew it, and none drew the rewrites of --data.rewrite; "
            "leave that out, or choose another agent"
        )


def check_thresholds(kind: str, *, rewrites: bool) -> None:
    """Refuse rewrites where the filter "auto" is no threshold, because the scorer's rewards are of no known scale.

    Args:
        kind: What it stands for.
        rewrites: Whether there are to be any.

    Raises:
        ValueError: If there are, by another filter.
    """
    if rewrites and kind != "threshold":
        raise ValueError(
            "--data.rewrite goes by thresholds, and all rewards of a named or home-made scorer may lie below the "
            "default ones; give --filter-values"
        )


def with_rewrites(
    run: Experiment[Settings], policy: Seq2SeqPolicy, batch: Slice, kept: Filter, g: int, value_tokens: int
) -> Slice:
    """The batch of Grow step ``g`` joined with rewrites of its samples that a filter refuses, equal ones once.

    Args:
        run: Gives task, scorer and folder, which keeps what is finished.
        policy: That drew the samples.
        batch: Scored, samples and original data.
        kept: The first filter of the Grow step.
        g: Its number.
        value_tokens: Target tokens of the value network's training.
    """
    from accelerate import PartialState  # type: ignore[import-untyped]

    from agents.bad_tokens import first_bad_tokens

    stage, folder = rewrites_stage(g), run.folder
    buffer = GrowingBatchBuffer(folder.path / FOLDER, task=run.task)
    if not folder.has(stage):
        samples = batch.where(~batch.is_reference).distinct()
        refused = samples.where(~kept(samples.source_index, samples.rewards))
        facts: dict[str, Any] = {"samples": len(samples), "rewritten": 0}
        if len(refused):
            value, name = value_network(run, policy, batch, stage, value_tokens)
            grown = GrowingBatchBuffer(run.config.buffer_of(folder.path), task=run.task).shards_of(g)[0].provenance
            with folder.watch("growing"):
                report = rewrite(
                    policy, run.evaluator.scorer, run.task, buffer, refused, first_bad_tokens(value, refused),
                    grown=grown, located_by=f"value network {name}", seed=run.config.seed,
                    workers=ByRank(PartialState(), threads=None if run.config.device == "cpu" else 1),
                )  # fmt: skip
            new = buffer.select(grow_step=g)
            facts |= asdict(report) | {"passed": int(kept(new.source_index, new.rewards).sum())}
            print(f"Rewrite {g}: {report}, {facts['passed']} pass {kept}")
        folder.finish(stage, facts)
    return batch.joined(buffer.select(grow_step=g)) if g in buffer.grow_steps else batch


def value_network(
    run: Experiment[Settings], policy: Seq2SeqPolicy, batch: Slice, stage: str, tokens: int
) -> tuple[ValueNetwork, str]:
    """The value of the behaviour policy on the batch, trained once and kept; and the first digits of its digest."""
    from accelerate import PartialState

    from agents.value import value_training

    place = run.folder.checkpoint(stage)
    if not (place / "model.safetensors").is_file():
        value = agents.ValueNetwork.from_policy(policy)
        value.start_at(batch.mean_reward())
        training = value_training(run.config.improve_at(1), tokens, VALUE_LEARNING_RATE)
        with run.folder.watch("training"):
            agents.fit(agents.BVE(value), batch, training)
        if run.folder.is_writer:
            value.save(place)
        PartialState().wait_for_everyone()
    value = agents.ValueNetwork.load(place, policy.device)
    return value, hashlib.sha256((place / "model.safetensors").read_bytes()).hexdigest()[:12]


def rewrites(folder: RunFolder, grow_steps: int) -> list[dict[str, Any]]:
    """What came of rewriting in each Grow step that has some, for the report."""
    known = [g for g in range(1, grow_steps + 1) if folder.has(rewrites_stage(g))]
    return [{"grow_step": g, **folder.result(rewrites_stage(g))} for g in known]
