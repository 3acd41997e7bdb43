"""Aligned text of a few words in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seq2seq_env.tasks import load_task

TRAIN = [
    ("das haus ist rot", "the house is red"),
    ("der hund ist alt", "the dog is old"),
    ("das haus ist alt", "the house is old"),
    ("der hund ist rot", "the dog is red"),
]
VALIDATION = [("das auto ist rot", "the car is red")]
TEST = [("das auto ist alt", "the car is old"), ("der mann ist alt", "the man is old")]


def write(folder: Path, stem: str, pairs: list[tuple[str, str]]) -> None:
    for side, ending in enumerate(("de", "en")):
        (folder / f"{stem}.{ending}").write_text("".join(f"{pair[side]}\n" for pair in pairs), "utf-8")


def text_files(folder: Path, **options: Any) -> Any:
    return load_task(
        "text-files", **{"folder": str(folder), "source": "de", "target": "en", "vocab_size": 60} | options
    )
