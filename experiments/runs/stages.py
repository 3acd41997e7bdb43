"""Stages of a run: grow a batch, train while the validation reward rises, save the policy, measure it, record it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import agents
from agents import ImproveReport, LoRA, TrainingConfig
from buffers import ByRank, GrowingBatchBuffer, Sampler, Slice, grow
from experiments.runs.evaluation import Decode, Translations
from experiments.runs.experiment import Experiment
from experiments.runs.settings import Settings
from seq2seq_env.tasks import Task

if TYPE_CHECKING:
    from agents import Agent, Seq2SeqPolicy

SUPERVISED = "g0i0"
"""Stage of the supervised policy, Improve step 0 of Grow step 0."""

EQUAL_ENTROPY = "equal-entropy"
"""Stage of the supervised policy at the temperature that gives it the last policy's entropy."""

RERANKED = "best-of-n"
"""Stage of the supervised policy's samples reranked by reward."""

MEASURED: tuple[tuple[str, Decode], ...] = (("validation", "sample"), ("test", "sample"), ("test", "greedy"))
"""Splits and decodings that every stage is measured on; by beam search the test split, too, where it is asked for."""

MEASURES = ("reward", "oracle", "judge", "bleu", "chrf", "ter", "length_ratio", "nats")
"""What :meth:`Evaluator.measures` gives."""

DATA_FACTS = ("threshold", "data_reward", "kept_fraction", "sources_without_data", "distinct_samples")
"""What an Improve step records of its data."""

EXAMPLES = 8
"""Test sources whose translations are logged."""

Facts = dict[str, Any]
"""Record of a stage's training and data, beside its measures; its ``curve`` has tokens and validation rewards."""

UNTRAINED: Facts = {"train_tokens": 0, "best_tokens": 0, "stopped_early": False, "seconds": 0.0, "curve": []}
"""Facts of a stage without training."""


def original_data(task: Task) -> Slice:
    """The supervised data D."""
    pairs = task.split("train")
    return Slice.from_pairs(
        pairs.sources, pairs.references, task.tokenizer, task.max_source_length, task.max_target_length
    )


def grow_batch(
    run: Experiment[Settings],
    policy: Seq2SeqPolicy,
    step: int,
    *,
    sources: int | None = None,
    candidates: int = 0,
    references: bool = True,
) -> GrowingBatchBuffer:
    """One Grow step into the run's buffer, of which only missing shards are made.

    Args:
        run: Gives the task, the scorer and the temperature.
        policy: Samples the candidates.
        step: Number of the Grow step, from 0.
        sources: Sources drawn, from what the run's options say; None takes all.
        candidates: Samples of each source; without any, the sources are those of the references, the train split's.
        references: Whether the references are stored, too; where sentences without references are drawn, all of them
            are, as Grow step 0.

    Returns:
        The buffer, with the shards of earlier Grow steps.
    """
    from accelerate import PartialState  # type: ignore[import-untyped]

    config = run.config
    grow_from = config.drawn_from(run.task) if candidates else "train"
    if references and grow_from != "train":
        grow_batch(run, policy, 0)
        references = False
    buffer = GrowingBatchBuffer(config.buffer_of(run.folder.path), task=run.task)
    # All processes of the run make shards: on CPUs each with its own cores, on GPUs each with its GPU.
    workers = ByRank(PartialState(), threads=None if config.device == "cpu" else 1)
    with run.folder.watch("growing"):
        report = grow(
            _sampler(run, policy), run.evaluator.scorer, run.task, buffer, grow_step=step, grow_from=grow_from,
            num_sources=sources, candidates=candidates, references=references, temperature=config.temperature,
            seed=config.seed, workers=workers,
        )  # fmt: skip
    print(f"Grow {step}: {report}")
    return buffer


def _sampler(run: Experiment[Settings], policy: Seq2SeqPolicy) -> Sampler:
    """The engine that samples the policy; one of less than float32 prints its sampler KL."""
    config = run.config
    sampler = agents.make_sampler(policy, config.engine, config.compute_type)
    if config.compute_type != "float32":
        sources = run.task.split("validation").sources
        print(f"{sampler.engine}: {agents.sampler_kl(sampler, policy, sources, config.temperature, config.seed)}")
    return sampler


def train(
    run: Experiment[Settings],
    agent: Agent,
    data: Slice,
    training: TrainingConfig,
    stage: str,
    lora: LoRA,
    evaluate: Callable[[Seq2SeqPolicy], float] | None = None,
) -> Facts:
    """Train while the validation reward, or what ``evaluate`` gives, rises, from where a killed run was.

    Nothing is trained where there is no data.
    """
    if not len(data):
        return dict(UNTRAINED)
    with run.folder.watch("training"), agents.adapted(agent.policy, lora, training.seed):
        report = agent.improve(
            data,
            training,
            evaluate or run.evaluator.validation_reward,
            partial(run.folder.log, stage),
            run.folder.training_state(stage),
        )
    return training_facts(report)


def training_facts(report: ImproveReport) -> Facts:
    """What a stage records of its training."""
    return {
        "train_tokens": report.tokens,
        "best_tokens": report.best_tokens,
        "stopped_early": report.stopped_early,
        "seconds": report.seconds,
        "curve": [[row.tokens, row.evaluation] for row in report.history if row.evaluation is not None],
    }


def finish(run: Experiment[Settings], stage: str, agent: Agent, facts: Facts, *, measured: bool = True) -> None:
    """Save the policy, measure it on validation and test, keep its test translations, and record the stage.

    Of several processes the first does.
    """
    rows: list[dict[str, object]] = [dict(facts)]
    if run.folder.is_writer:
        agent.save(run.folder.checkpoint(stage))
        if measured:
            evaluator = run.evaluator
            by_beam: list[tuple[str, Decode]] = [("test", "beam")] if "beam" in evaluator.decodes else []
            rows = [_measure(run, stage, agent, facts, split, decode) for split, decode in [*MEASURED, *by_beam]]
            translated = {each: evaluator.translations(agent.policy, "test", each) for each in evaluator.decodes}
            keep_translations(run, stage, translated)
            run.folder.log_measures(stage, _logged(rows), _examples(run.task, translated["greedy"]))
    run.folder.finish(stage, rows)


def keep_translations(
    run: Experiment[Settings], stage: str, translated: Mapping[Decode, Translations], split: str = "test"
) -> None:
    """JSON Lines, one a source of the split, for other metrics and for tests over sources."""
    pairs = run.task.split(split)
    columns: dict[str, Sequence[object]] = {"source": pairs.sources, "reference": pairs.references}
    for decode, each in translated.items():
        columns[decode] = each.texts
        scores = {"reward": each.rewards, "oracle": each.qualities, "judge": each.judgements}
        columns |= {f"{decode}_{name}": values.tolist() for name, values in scores.items() if values is not None}
    rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    run.folder.write_lines(translations_file(stage, split), rows)


def keep_at_entropy(run: Experiment[Settings], stage: str, policy: Seq2SeqPolicy, nats: float) -> dict[str, object]:
    """Measure a policy at the temperature that gives it an entropy of ``nats`` per token; keep its test translations.

    Returns:
        The temperature, and the measures of samples at it; their nats are below ``nats`` where no temperature up to
        :data:`experiments.runs.evaluation.HOTTEST` gives as much.
    """
    temperature = run.evaluator.temperature_of(policy, nats, "test")
    sampled = run.evaluator.translations(policy, "test", "sample", temperature)
    keep_translations(run, stage, {"sample": sampled})
    return {"temperature": temperature, **run.evaluator.measures(sampled, "test")}


def equal_entropy_stage(stage: str) -> str:
    """Under which the supervised policy's translations at the entropy of another stage are kept, of several."""
    return f"{EQUAL_ENTROPY}.{stage}"


def translations_file(stage: str, split: str = "test") -> str:
    """Name in the run's folder of a stage's translations of a split."""
    return f"{'hypotheses' if split == 'test' else split}/{stage}.jsonl"


def _logged(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The numbers of a stage's record by what they measure, then where: ``reward/test_greedy``."""
    values: dict[str, float] = {}
    for row in rows:
        of_policy = {name: row[name] for name in MEASURES if row[name] is not None}
        values |= {f"{name}/{row['split']}_{row['decode']}": value for name, value in of_policy.items()}
    of_data = {name: rows[0].get(name) for name in DATA_FACTS}
    return values | {f"data/{name}": value for name, value in of_data.items() if value is not None}


def _examples(task: Task, greedy: Translations) -> str:
    """The same few test sources of every stage with references and greedy translations, as a table in Markdown."""
    test = task.split("test")
    lines = ["| source | reference | greedy | reward |", "| --- | --- | --- | --- |"]
    for row in np.linspace(0, len(test.sources) - 1, min(EXAMPLES, len(test.sources)), dtype=int):
        texts = (test.sources[row], test.references[row], greedy.texts[row])
        cells = [text.replace("|", "\\|") for text in texts]
        lines.append(f"| {' | '.join(cells)} | {greedy.rewards[row]:.3f} |")
    return "\n".join(lines)


def _measure(
    run: Experiment[Settings], stage: str, agent: Agent, facts: Facts, split: str, decode: Decode
) -> dict[str, object]:
    measures = run.evaluator.measures(run.evaluator.translations(agent.policy, split, decode), split)
    known = {name: value for name, value in measures.items() if value is not None}
    print(f"  {split} {decode}: " + ", ".join(f"{name} {value:.3f}" for name, value in known.items()))
    unknown = dict.fromkeys(DATA_FACTS)
    row = {"split": split, "decode": decode, **measures, **unknown, **facts}
    if split != "validation":
        row.pop("curve", None)  # once is enough
    return row
