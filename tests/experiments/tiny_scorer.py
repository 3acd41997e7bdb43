"""Budgets of scorers that train in seconds, and text for them."""

from __future__ import annotations

from pathlib import Path

from agents import PolicyConfig, TrainingConfig
from experiments.scorer_training.estimator_config import EstimatorConfig, HeadConfig
from experiments.scorer_training.oracle_config import NetworkConfig, OracleConfig

SMALL = OracleConfig(
    pairs=120,
    masking_epochs=1,
    corruption_epochs=1,
    ratings=80,
    rating_epochs=1,
    policies=1,
    policy_tokens=1_000,
    network=NetworkConfig(width=16, layers=1, heads=2, feed_forward=32),
)
QUICK = EstimatorConfig(
    predictor=PolicyConfig(d_model=16, num_heads=2, encoder_layers=1, decoder_layers=1, ffn_dim=32),
    training=TrainingConfig(max_tokens=2_000, progress=False),
    labelled_sources=40,
    folds=2,
    repeats=2,
    head=HeadConfig(epochs=2, width=8),
    processes=1,
)
NUMBERS = {"eins": "one", "zwei": "two", "drei": "three", "vier": "four", "sechs": "six", "acht": "eight"}
NOUNS = {"haus": "house", "hund": "dog", "katze": "cat", "baum": "tree", "tag": "day", "berg": "hill"}


def write_pairs(folder: Path) -> dict[str, str]:
    """252 pairs such as "zwei rote haus" and "two red house", of which the last are held out."""
    colours = {"rote": "red", "blaue": "blue", "alte": "old", "neue": "new", "kleine": "little", "gute": "good"}
    pairs = [
        (f"{number} {colour} {noun}", f"{NUMBERS[number]} {colours[colour]} {NOUNS[noun]}")
        for number in NUMBERS for colour in colours for noun in NOUNS
    ] + [(f"{number} {noun}", f"{NUMBERS[number]} {NOUNS[noun]}") for number in NUMBERS for noun in NOUNS]  # fmt: skip
    for name, part in (("train", pairs[24:]), ("validation", pairs[:12]), ("test", pairs[12:24])):
        for side, ending in enumerate(("de", "en")):
            (folder / f"{name}.{ending}").write_text("".join(pair[side] + "\n" for pair in part))
    return {"folder": str(folder), "source": "de", "target": "en", "vocab_size": "60", "max_tokens": "24"}
