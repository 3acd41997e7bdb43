"""Training of several translation models, side by side where there are cores for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
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

SHOWN_TOKENS = 20_000
"""Target tokens between two moves of the progress bar of models that train side by side."""


@dataclass(frozen=True)
class TranslationModel:
    """A translation model to be trained.

    Attributes:
        sources: N texts.
        targets: Their translations.
        folder: Where it is saved.
    """

    sources: list[str]
    targets: list[str]
    folder: Path


@dataclass(frozen=True)
class Recipe:
    """What several translation models have in common.

    Attributes:
        tokenizer: Of source and target.
        network: Its size, lengths included.
        training: How each is trained.
        seed: Of weights and batches.
        device: Where they train.
    """

    tokenizer: Tokenizer
    network: PolicyConfig
    training: TrainingConfig
    seed: int
    device: str = "cpu"

    UNRECORDED: ClassVar[tuple[str, ...]] = ("progress", "workers", "evaluate_every")

    def made_of(self, model: TranslationModel) -> dict[str, object]:
        """What determines a model, as JSON can hold it."""
        data = json.dumps([self.tokenizer.fingerprint, model.sources, model.targets])
        return {
            "pairs": hashlib.sha256(data.encode()).hexdigest(),
            "network": asdict(self.network),
            "training": {k: v for k, v in asdict(self.training).items() if k not in self.UNRECORDED},
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
            _train(recipe, model)
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
    quiet = replace(recipe, training=replace(recipe.training, progress=False, evaluate_every=SHOWN_TOKENS))
    begin = max(1, torch.get_num_threads() // processes), tokens
    with (
        ProcessPoolExecutor(processes, context, initializer=_begin, initargs=begin) as pool,
        progress_bar(
            total=len(models) * recipe.training.max_tokens, unit="tok", unit_scale=True, desc="training"
        ) as bar,
    ):
        pending = {pool.submit(_train_in_worker, quiet, model) for model in models}
        while pending:
            finished, pending = wait(pending, timeout=1, return_when=FIRST_EXCEPTION)
            while not tokens.empty():
                bar.update(tokens.get())
            for each in finished:
                _raise_of(each, pool)


def _raise_of(finished: Future[None], pool: ProcessPoolExecutor) -> None:
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


def _train_in_worker(recipe: Recipe, model: TranslationModel) -> None:
    told = 0

    def tell(metric: str, value: float, tokens: int) -> None:
        nonlocal told
        _tokens.put(tokens - told)
        told = tokens

    _train(recipe, model, tell)


def _train(recipe: Recipe, model: TranslationModel, log: Log | None = None) -> None:
    policy = Seq2SeqPolicy.from_config(recipe.tokenizer, recipe.network, recipe.seed)
    align_embeddings(policy, model.sources, model.targets, seed=recipe.seed)
    longest = recipe.network.max_source_length, recipe.network.max_target_length
    data = Slice.from_pairs(model.sources, model.targets, recipe.tokenizer, *longest)
    make_agent("bc", policy.to(recipe.device)).improve(data, replace(recipe.training, seed=recipe.seed), log=log)
    policy.save(model.folder)
    write_json(model.folder / MADE, recipe.made_of(model))
