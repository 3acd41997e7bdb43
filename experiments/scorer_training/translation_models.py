"""Training of several translation models, side by side where there are cores for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path
from typing import ClassVar

import torch

from agents import PolicyConfig, Seq2SeqPolicy, TrainingConfig, make_agent
from agents.policy.embeddings import align_embeddings
from agents.training.history import Log
from buffers import Slice
from seq2seq_env.atomic_files import write_json
from seq2seq_env.child_processes import end_with_parent
from seq2seq_env.progress import progress_bar
from seq2seq_env.tokenization.tokenizer import Tokenizer

MADE = "made.json"
"""Of a translation model's folder: what determines it. It is written last."""

HELD_OUT_BATCH = 4_096
"""Token budget of a batch whose loss is only measured."""

SHOWN_STEPS = 10
"""Between two moves of the progress bar of models that train side by side."""


Pairs = tuple[list[str], list[str]]
"""N texts, and their translations."""


@dataclass(frozen=True)
class TranslationModel:
    """A translation model to be trained.

    Attributes:
        sources: N texts.
        targets: Their translations.
        folder: Where it is saved.
        network: Its size, lengths included.
        training: Its budgets.
        held_out: Pairs whose loss says when the model is at its best and when it has had enough; none trains to the
            budget's end.
    """

    sources: list[str]
    targets: list[str]
    folder: Path
    network: PolicyConfig
    training: TrainingConfig
    held_out: Pairs = field(default=([], []))


@dataclass(frozen=True)
class Recipe:
    """What several translation models have in common.

    Attributes:
        tokenizer: Of source and target.
        seed: Of weights and batches.
        device: Where they train.
    """

    tokenizer: Tokenizer
    seed: int
    device: str = "cpu"

    UNRECORDED: ClassVar[tuple[str, ...]] = ("progress", "workers", "log_every")

    def made_of(self, model: TranslationModel) -> dict[str, object]:
        """What determines a model, as JSON can hold it."""
        data = json.dumps([self.tokenizer.fingerprint, model.sources, model.targets, *model.held_out])
        return {
            "pairs": hashlib.sha256(data.encode()).hexdigest(),
            "network": asdict(model.network),
            "training": {k: v for k, v in asdict(model.training).items() if k not in self.UNRECORDED},
            "seed": self.seed,
        }


def train_models(recipe: Recipe, models: Sequence[TranslationModel], processes: int | None = None) -> None:
    """Train and save those models that were not made of the same before.

    Args:
        recipe: How.
        models: Which.
        processes: How many train at a time on a CPU, each on its share of PyTorch's threads; None for as many as there
            are threads. A small network gets more from a thread of its own than from a second thread.

    Raises:
        ValueError: If a model cannot be trained.
        OSError: If a folder cannot be written, or a process dies. Models that were finished stay.
    """
    missing = [model for model in models if not _is_made(recipe, model)]
    at_once = min(processes or torch.get_num_threads(), len(missing)) if recipe.device == "cpu" else 1
    print(f"translation models: {len(models) - len(missing)} made before, {len(missing)} to train, {at_once} at a time")
    if at_once <= 1:
        for model in missing:
            print(f"{model.folder}: {len(model.sources):,} pairs")
            print(f"  {_train(recipe, model)}")
    else:
        _train_side_by_side(recipe, missing, at_once)


def _is_made(recipe: Recipe, model: TranslationModel) -> bool:
    try:
        return bool(json.loads((model.folder / MADE).read_text("utf-8")) == recipe.made_of(model))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False


def _train_side_by_side(recipe: Recipe, models: Sequence[TranslationModel], processes: int) -> None:
    # A fork of a PyTorch that has computed hangs in its first parallel loop. This server has only imported it, and what
    # a training imports late, once for all processes.
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__, "accelerate", "transformers.models.marian.modeling_marian"])
    tokens: Queue[int] = context.Queue()
    quiet = [
        replace(model, training=replace(model.training, progress=False, log_every=SHOWN_STEPS)) for model in models
    ]
    begin = max(1, torch.get_num_threads() // processes), tokens
    with (
        ProcessPoolExecutor(processes, context, initializer=_begin, initargs=begin) as pool,
        progress_bar(
            total=sum(model.training.max_tokens for model in models), unit="tok", unit_scale=True, desc="training"
        ) as bar,
    ):
        pending = {pool.submit(_train_in_worker, recipe, model) for model in quiet}
        while pending:
            finished, pending = wait(pending, timeout=1, return_when=FIRST_EXCEPTION)
            while not tokens.empty():
                bar.update(tokens.get())
            for each in finished:
                _raise_of(each, pool)
                bar.write(each.result())


def _raise_of(finished: Future[str], pool: ProcessPoolExecutor) -> None:
    """Raise what went wrong in a worker, after those that run are done; the others do not begin."""
    error = finished.exception()
    if error is not None:
        pool.shutdown(wait=False, cancel_futures=True)
    if isinstance(error, BrokenProcessPool):
        raise ChildProcessError(
            "a process that trained a translation model was killed, for want of memory as a rule; train fewer at a "
            "time (--estimator.processes 1), finished ones are kept"
        ) from error
    if error is not None:
        raise error


_tokens: Queue[int]
"""Of a worker: takes what was trained since it was last told."""


def _begin(threads: int, tokens: Queue[int]) -> None:
    global _tokens
    end_with_parent()
    torch.set_num_threads(threads)
    _tokens = tokens


def _train_in_worker(recipe: Recipe, model: TranslationModel) -> str:
    told = 0

    def tell(metric: str, value: float, tokens: int) -> None:
        nonlocal told
        _tokens.put(tokens - told)
        told = tokens

    summary = _train(recipe, model, tell)
    _tokens.put(model.training.max_tokens - told)  # what stopping early has saved
    return f"{model.folder}: {summary}"


def _train(recipe: Recipe, model: TranslationModel, log: Log | None = None) -> str:
    """Train and save one, and say how far it got."""
    policy = Seq2SeqPolicy.from_config(recipe.tokenizer, model.network, recipe.seed)
    align_embeddings(policy, model.sources, model.targets, seed=recipe.seed)
    agent = make_agent("bc", policy.to(recipe.device))
    training = replace(model.training, seed=recipe.seed, evaluate_first=False)
    held_out = _slice(recipe, model, *model.held_out) if model.held_out[0] else None
    evaluate = None if held_out is None else partial(_negative_loss, held_out=held_out)
    report = agent.improve(_slice(recipe, model, model.sources, model.targets), training, evaluate, log)
    policy.save(model.folder)
    write_json(model.folder / MADE, recipe.made_of(model))
    trained = f"{report.tokens:,} of {training.max_tokens:,} target tokens in {report.seconds:.0f} s"
    if report.best_evaluation is None:
        return trained
    return f"{trained}, best after {report.best_tokens:,}: held-out loss {-report.best_evaluation:.3f}"


def _slice(recipe: Recipe, model: TranslationModel, sources: list[str], targets: list[str]) -> Slice:
    lengths = model.network.max_source_length, model.network.max_target_length
    return Slice.from_pairs(sources, targets, recipe.tokenizer, *lengths)


def _negative_loss(policy: Seq2SeqPolicy, held_out: Slice) -> float:
    """Mean log-probability per target token, nats: what rises while a model learns what carries over."""
    total, count = 0.0, 0
    with torch.inference_mode():
        for batch in held_out.batches(HELD_OUT_BATCH, seed=0):
            log_prob = policy.evaluate(batch.to(policy.device)).log_prob  # [B,T]
            total += float((log_prob * batch.target_mask.to(log_prob.device)).sum())
            count += batch.num_target_tokens
    return total / count
