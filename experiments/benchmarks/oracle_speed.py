"""Hypotheses per second that the phrasebook's oracle judges on one core.

Three timings by the same clock: *cold* sees every source for the first time, so all its right wordings are prepared
within the time taken; *prepared* has seen the sources but not the hypotheses; *seen* has seen both.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random

from experiments.benchmarks.timings import Benchmark, parse_options
from seq2seq_env.tasks.phrasebook import PhrasebookTask

TARGET = 5_000
"""Hypotheses per second."""

TINY = {"hypotheses": 60}


@dataclass(frozen=True)
class Config(Benchmark):
    """Options of the benchmark."""

    hypotheses: int = 8_000
    """Hypotheses judged in each timing, each for another source."""
    right: float = 0.3
    """Share of hypotheses that are right, in [0, 1]; the others have faults as imperfect policies make them."""
    seed: int = 0
    """Seed of the sentences and the faults."""


def faulty(random: Random, words: list[str], others: list[str]) -> str:
    """One to three small faults: a word missing, repeated, moved or another's."""
    words = list(words)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(words))
        fault = random.randrange(4)
        if fault == 0 and len(words) > 1:
            del words[at]
        elif fault == 1:
            words.insert(at, words[at])
        elif fault == 2:
            words.insert(random.randrange(len(words)), words.pop(at))
        else:
            words[at] = random.choice(others)
    return " ".join(words)


def hypotheses(random: Random, references: list[str], right: float) -> list[str]:
    """A hypothesis for each reference."""
    others = [word for reference in references[:500] for word in reference.split()]
    return [text if random.random() < right else faulty(random, text.split(), others) for text in references]


def rate(task: PhrasebookTask, sources: list[str], texts: list[str]) -> float:
    """Hypotheses per second of processor time, which other programs on the machine do not stretch."""
    start = time.process_time()
    task.oracle(sources, texts)
    return len(texts) / (time.process_time() - start)


def main() -> None:
    """Print the three rates beside the target."""
    config = parse_options(Config, __doc__, TINY)
    task = PhrasebookTask(config.seed, train_size=config.hypotheses, noise=0.0)
    split = task.split("train")
    random = Random(config.seed)
    first, second = (hypotheses(random, split.references, config.right) for _ in range(2))
    task.oracle([split.sources[0]], [split.references[0]])
    rates = {
        "cold": rate(task, split.sources, first),
        "prepared": rate(task, split.sources, second),
        "seen": rate(task, split.sources, second),
    }
    for name, value in rates.items():
        verdict = "" if value >= TARGET else f", below the target of {TARGET:,}"
        print(f"{name:>9}: {value:8,.0f} hypotheses per second{verdict}")


if __name__ == "__main__":
    main()
