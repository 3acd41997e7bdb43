"""Regimes of the phrasebook: named recipes of its splits, each frozen under a version.

A regime says what a translator has: how many pairs, how many of them are faulty, how many sentences without
references, and whether those are of another kind than the pairs. What a recipe gives never changes; a better one is
another version.
"""

from __future__ import annotations

from dataclasses import dataclass

from seq2seq_env.tasks.phrasebook.sentences import FORMS

SIMPLE = frozenset({"statement", "question", "asked", "request"})
COMPOUND = frozenset(FORMS) - SIMPLE


@dataclass(frozen=True)
class Regime:
    """A recipe.

    Attributes:
        train_size: Pairs of the training split, at least 1.
        source_only_size: Sentences of the source-only split, at least 0.
        noise: Share of training references with a fault, in [0, 1].
        pair_forms: Forms of sentences of the training split, keys of ``FORMS``.
        other_forms: Forms of sentences of all other splits.
        buckets: Hash buckets that training sources come from, none of validation's or test's.
    """

    train_size: int
    source_only_size: int = 0
    noise: float = 0.0
    pair_forms: frozenset[str] = frozenset(FORMS)
    other_forms: frozenset[str] = frozenset(FORMS)
    buckets: tuple[int, ...] = (3, 4, 5, 6, 7)


DEFAULT_REGIME = "lowres-v1"

REGIMES: dict[str, Regime] = {
    DEFAULT_REGIME: Regime(train_size=4_000, source_only_size=28_000),
    "domain-v1": Regime(train_size=8_000, source_only_size=24_000, pair_forms=SIMPLE, other_forms=COMPOUND),
    "noisy-v1": Regime(train_size=32_000, noise=0.5),
    "clean-v1": Regime(train_size=32_000),
    "scorer-v1": Regime(train_size=60_000, noise=0.2, buckets=(2,)),
}
"""Few right pairs and many source-only sentences, where self-training can teach something; pairs of simple sentences,
and everything else about compound ones; faulty references, where the filter cleans; nothing but right pairs, the
negative control; and what the shipped scorer learns from, whose sources are in no other regime's splits."""
