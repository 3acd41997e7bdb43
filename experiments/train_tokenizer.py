"""Train the phrasebook's subword tokenizer and write it beside the task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import tyro

from seq2seq_env.commands import arguments, command_frame
from seq2seq_env.tasks.phrasebook.sentences import draw_sentence
from seq2seq_env.tasks.phrasebook.task import FOLDER
from seq2seq_env.tokenization.subwords import train_subwords
from seq2seq_env.tokenization.tokenizer import Tokenizer


@dataclass(frozen=True)
class Config:
    """Options of the tokenizer's training."""

    vocab_size: int = 2_000
    """Number of tokens, the three special ones included."""
    sentences: int = 40_000
    """Phrasebook sentences to learn the merges from; both languages of each."""
    seed: int = 1
    """Seed of the sentences."""
    out: Path = FOLDER
    """Folder that tokenizer.json is written to."""


def train(config: Config) -> Tokenizer:
    """Learn it from both languages."""
    random = Random(config.seed)
    drawn = [draw_sentence(random) for _ in range(config.sentences)]
    texts = [text for sentence in drawn for text in (sentence.german, sentence.reference)]
    return train_subwords(texts, config.vocab_size)


def main() -> None:
    """Train, save, and say what was written."""
    with command_frame():
        config = tyro.cli(Config, args=arguments(), description=__doc__)
        tokenizer = train(config)
        tokenizer.save(config.out)
        print(f"wrote {config.out / 'tokenizer.json'}: {tokenizer.vocab_size} tokens")
        print("next: retrain the scorer, which reads the same tokens: python -m experiments.train_scorer")


if __name__ == "__main__":
    main()
