"""Steps per second of the environment, scalar and vectorised, beside a text environment that decodes at each token.

The baseline is ``TextGenEnv`` of RL4LMs (github.com/allenai/RL4LMs), from a checkout of the user's, whose folder is
given as ``--baseline``. All environments get the same sources, tokenizer, random tokens and episode lengths, and a
reward that costs nothing. Timings are interleaved; the table shows medians, the smallest and the largest. Then:
Gymnasium's own benchmarks with and without the cost of the real scorer, one call of it for many episodes against a call
for each, and the share of the environment in a policy's rollout.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils.performance import benchmark_step, benchmark_vector_step
from numpy.typing import NDArray

import seq2seq_env  # noqa: F401  # registers the environment
from agents import PolicyConfig
from experiments.benchmarks.timings import Benchmark, Timed, by_cpu, digits, parse_options, rates, spread
from experiments.reports.tables import table
from seq2seq_env.progress import progress_bar
from seq2seq_env.scorers import load_scorer
from seq2seq_env.tasks import Task, load_task

FIRST_WORD = 2  # below are end-of-sequence and the unknown token
SIX_MILLION = PolicyConfig(d_model=256, num_heads=4, encoder_layers=3, decoder_layers=3, ffn_dim=1024)


@dataclass(frozen=True)
class Config(Benchmark):
    """Options of the benchmark."""

    baseline: Path | None = None
    """Folder of an RL4LMs checkout to measure beside ours; None measures ours alone."""
    lengths: tuple[int, ...] = (16, 64, 128)
    """Tokens of every episode."""
    num_envs: int = 1024
    """Episodes side by side in the vectorised environments."""
    sources: int = 1000
    """Sources of the training split; each has been seen once before the clock starts."""
    repeats: int = 5
    """Timings of each environment, at least 1."""
    seconds: int = 5
    """Seconds of each of Gymnasium's own benchmarks."""
    played: int = 64
    """Episodes side by side in Gymnasium's benchmark of a vectorised environment."""
    ended: int = 256
    """Ended episodes to score, in one call and in as many."""
    batch: int = 64
    """Episodes of the rollout, by a policy of 6 million parameters."""
    seed: int = 0
    """Seed of tokens and sources."""


TINY = {"lengths": (4,), "num_envs": 4, "sources": 8, "repeats": 1, "seconds": 0, "played": 2, "ended": 4, "batch": 2}


class FreeScorer:
    """A reward that costs nothing."""

    fingerprint = "free"

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """Half a point for each."""
        return np.full(len(sources), 0.5, dtype=np.float32)


def baseline_environment(folder: Path, task: Task, length: int) -> Any:
    """``TextGenEnv`` with the task's sources and tokenizer and no reward.

    Raises:
        FileNotFoundError: If the folder holds no RL4LMs.
    """
    if not (folder / "rl4lms" / "envs" / "text_generation" / "env.py").is_file():
        raise FileNotFoundError(f"no rl4lms/envs/text_generation/env.py in {str(folder)!r}; clone RL4LMs there")
    sys.path.insert(0, str(folder))
    name = "rl4lms.envs.text_generation.reward"
    if name not in sys.modules:
        # Its rewards import what `datasets` no longer has; the environment needs two names of that module only.
        stand_in: Any = ModuleType(name)
        stand_in.RewardFunction = stand_in.BatchedRewardFunction = type("RewardFunction", (), {})
        sys.modules[name] = stand_in
    with contextlib.redirect_stderr(io.StringIO()):  # the notice of the old `gym`
        environment = import_module("rl4lms.envs.text_generation.env").TextGenEnv
    sample = import_module("rl4lms.data_pools.text_generation_pool").Sample
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=task.tokenizer._backend, eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    )
    pairs = task.split("train")
    samples = [(sample(str(i), pairs.sources[i], [pairs.references[i]]), 1.0) for i in range(len(pairs))]
    return environment(
        tokenizer, None, samples, max_episode_length=length, max_prompt_length=task.max_source_length,
        terminate_on_eos=True,
    )  # fmt: skip


def scalar_seconds(env: gym.Env[Any, Any], tokens: NDArray[np.int64]) -> float:
    """Seconds per step of one environment, resets included."""
    env.reset()
    started = time.perf_counter()
    for token in tokens:
        _, _, terminated, truncated, _ = env.step(token)
        if terminated or truncated:
            env.reset()
    return (time.perf_counter() - started) / len(tokens)


def baseline_seconds(env: Any, tokens: list[int]) -> float:
    """Seconds per step of the baseline, resets included."""
    env.reset()
    started = time.perf_counter()
    for token in tokens:
        if env.step(token)[2]:
            env.reset()
    return (time.perf_counter() - started) / len(tokens)


def vector_seconds(envs: gym.vector.VectorEnv[Any, Any, Any], tokens: NDArray[np.int64]) -> float:
    """Seconds per step of all environments together, resets included; ``tokens`` are int64 [steps,N]."""
    envs.reset()
    started = time.perf_counter()
    for actions in tokens:
        envs.step(actions)
    return (time.perf_counter() - started) / tokens.size


def timings(config: Config, task: Task, length: int) -> dict[str, Timed]:
    """What is measured at one length, by name."""
    rng = np.random.default_rng(config.seed)

    def tokens(*shape: int) -> NDArray[np.int64]:
        return rng.integers(FIRST_WORD, task.tokenizer.pad_id, size=shape)

    arguments: dict[str, Any] = {"task": task, "scorer": FreeScorer(), "max_target_length": length}
    scalar = gym.make("Seq2SeqTranslate-v0", **arguments)
    native, synchronous = (
        gym.make_vec("Seq2SeqTranslate-v0", config.num_envs, vectorization_mode=mode, **arguments)
        for mode in ("vector_entry_point", "sync")
    )
    for row in range(config.sources):
        scalar.reset(options={"source_index": row})
    native.reset(options={"source_index": np.arange(config.num_envs) % config.sources})
    for envs in (native, synchronous):
        envs.reset(seed=config.seed)
    timed: dict[str, Timed] = {
        "scalar": lambda: scalar_seconds(scalar, tokens(4096)),
        "native vector": lambda: vector_seconds(native, tokens(2 * length + 1, config.num_envs)),
        "SyncVectorEnv": lambda: vector_seconds(synchronous, tokens(length + 1, config.num_envs)),
    }
    if config.baseline is not None:
        baseline = baseline_environment(config.baseline, task, length)
        timed["TextGenEnv"] = lambda: baseline_seconds(baseline, tokens(1024).tolist())
    return timed


def measure_steps(config: Config, task: Task) -> None:
    """Print the table of steps per second."""
    measured = [rates(timings(config, task, length), 1, config.repeats) for length in config.lengths]
    rows = [[name, *(spread(column[name]) for column in measured)] for name in measured[0]]
    for name, other, target in (
        ("scalar", "TextGenEnv", 10), ("native vector", "TextGenEnv", 200), ("native vector", "SyncVectorEnv", 50),
    ):  # fmt: skip
        if other in measured[0]:
            ratios = (median(column[name]) / median(column[other]) for column in measured)
            rows.append([f"{name} / {other} (target {target}x)", *(f"{ratio:.0f}x" for ratio in ratios)])
    head = f"steps per second, {config.num_envs:,} in a vector, medians of {config.repeats}"
    print(table([head, *(f"length {length}" for length in config.lengths)], rows))


def measure_gymnasium(config: Config, task: Task) -> None:
    """Print what Gymnasium's own benchmarks say of a scorer that costs nothing and of the task's."""
    scorers = {"a free scorer": FreeScorer(), "the default scorer": load_scorer(task.default_scorer or "")}
    benchmarks: dict[str, Callable[[Any, int, int], float]] = {
        "benchmark_step": benchmark_step,
        f"benchmark_vector_step, {config.played} in a vector": benchmark_vector_step,
    }
    rows = []
    for name, benchmark in benchmarks.items():
        speeds = []
        for scorer in scorers.values():
            scorer.score(["warm"], ["up"])
            arguments: dict[str, Any] = {"task": task, "scorer": scorer}
            env: Any = (
                gym.make("Seq2SeqTranslate-v0", **arguments)
                if benchmark is benchmark_step
                else gym.make_vec("Seq2SeqTranslate-v0", config.played, **arguments)
            )
            speeds.append(digits(benchmark(env, config.seconds, config.seed)))
        rows.append([name, *speeds])
    print("\n" + table(["steps per second by Gymnasium's benchmarks", *scorers], rows))


def measure_scoring(config: Config, task: Task) -> None:
    """Print what one scorer call for all ended episodes saves."""
    scorer = load_scorer(task.default_scorer or "")
    pairs = task.split("train")
    sources, texts = pairs.sources[: config.ended], pairs.references[: config.ended]
    timed: dict[str, Timed] = {
        "together": by_cpu(lambda: scorer.score(sources, texts)),
        "each": by_cpu(lambda: [scorer.score([s], [text]) for s, text in zip(sources, texts, strict=True)]),
    }
    measured = rates(timed, len(sources), repeats=3)
    ratios = (together / each for together, each in zip(measured["together"], measured["each"], strict=True))
    shown = ", ".join(f"{ratio:.1f}x" for ratio in sorted(ratios))
    print(f"\n{len(sources)} scorer calls for one episode each, over one call for all, CPU time (target 10x): {shown}")


def measure_rollout(config: Config, task: Task) -> None:
    """Print the environment's share of a rollout by a policy that keeps its keys and values."""
    import torch

    from agents import Seq2SeqPolicy
    from agents.policy.decoders import decoder_opener
    from agents.policy.generation import draw
    from seq2seq_env.models.padding import pad

    policy = Seq2SeqPolicy.from_config(task.tokenizer, SIX_MILLION.for_task(task), seed=config.seed)
    envs = gym.make_vec("Seq2SeqTranslate-v0", config.batch, task=task, scorer=FreeScorer())
    never_ends = torch.zeros(task.tokenizer.vocab_size)
    never_ends[[task.tokenizer.eos_id, task.tokenizer.unk_id, task.tokenizer.pad_id]] = -torch.inf
    generator = torch.Generator().manual_seed(config.seed)
    shares = []
    for _ in progress_bar(range(config.repeats), desc="rollout", unit="timing", leave=False):
        started, inside = time.perf_counter(), 0.0
        observations, _ = envs.reset(seed=config.seed)
        inside += time.perf_counter() - started
        with torch.inference_mode():
            lengths = observations["source_length"][:, 0]
            rows = [row[:length].tolist() for row, length in zip(observations["source"], lengths, strict=True)]
            source, mask = pad(rows, task.tokenizer.pad_id, torch.device("cpu"))
            decoder = decoder_opener(policy.model)(source, mask)
            current = torch.full((config.batch,), task.tokenizer.start_id)
            for _ in range(task.max_target_length):
                numbers = torch.rand(config.batch, 1, generator=generator)
                current = draw(decoder.step(current) + never_ends, numbers)[0][:, 0]
                actions, entered = current.numpy(), time.perf_counter()
                envs.step(actions)
                inside += time.perf_counter() - entered
        shares.append(inside / (time.perf_counter() - started))
    millions = sum(parameter.numel() for parameter in policy.model.parameters()) / 1e6
    print(
        f"environment's share of a rollout, {config.batch} episodes of {task.max_target_length} tokens by a policy of "
        f"{millions:.1f} million parameters (target at most 3 %): {median(shares):.1%} "
        f"({min(shares):.1%} to {max(shares):.1%})"
    )


def main() -> None:
    """Measure and print."""
    config = parse_options(Config, __doc__, TINY)
    task = load_task("phrasebook-de-en", train_size=config.sources)
    task.split("train")
    try:
        measure_steps(config, task)
    except (ImportError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
    measure_gymnasium(config, task)
    measure_scoring(config, task)
    measure_rollout(config, task)


if __name__ == "__main__":
    main()
