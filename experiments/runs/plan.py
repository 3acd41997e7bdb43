"""Plan for text of one's own: options that fit a corpus's size, each by a rule with its reason.

The rules are read off runs on small corpora (docs/results/multi30k.md, the presets) and off "Revisiting Low-Resource
Neural Machine Translation" (Sennrich and Zhang 2019, ACL): with few pairs, small vocabularies, much dropout, small
batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import agents
from experiments.runs.improve_data import DataConfig
from experiments.runs.presets import Preset
from experiments.runs.ready_scorer import own_folder
from experiments.runs.settings import Settings
from experiments.scorer_training.make_scorer import REPORT
from seq2seq_env.scorers.loading import has_part

TASK = "text-files"
"""The task of text of one's own."""

# Measured on Multi30k, with tokenizers of as many pairs as have the size planned: of 500 to 4,000, to 8,000, to 16,000
# and 29,000, and for the last two sizes, which want more, of all of these. The means of both sides' training texts were
# 1.92 to 1.97, 1.67, 1.47, 1.35, 1.27 and 1.24, those of test texts hardly other; rounded up.
TOKENS_PER_WORD: Mapping[int, float] = {1_000: 2.0, 2_000: 1.7, 4_000: 1.5, 8_000: 1.4, 16_000: 1.3, 32_000: 1.3}
"""Subwords and end-of-sequence to a word, by the sizes of vocabularies that are planned."""

LONGER_SIDE = 1.1
"""Tokens to a word of the side that has more of them, to those of both: 1.05 to 1.08 of German beside English."""

WORDS_PER_TOKEN = 50
"""Running words of both sides that a vocabulary wants for each token: one that is seen a few times is not learned."""

TOKENS_PER_CHARACTER = 2
"""Tokens that a vocabulary wants for each character: what has no room in it is no token, and cannot be written."""

LENGTHS = (64, 128, 256)
"""Tokens of a sentence at most. Longer limits cost time wherever a bad policy writes until it is stopped."""

HELD_OUT = 1_000
"""Sources of validation and of test at most: enough for an interval of one BLEU point."""

FEW = 15_000
"""Pairs below which a corpus is small."""

MOST_GROWN = 32_000
"""Sentences without references that a Grow step of a small corpus samples; all where there are hardly more."""

LOOKS = 10
"""At the validation reward, in the supervised training."""

MOST_TOKENS = 160_000_000
"""Of the supervised training, as the preset for IWSLT 2014 has them."""


@dataclass(frozen=True)
class CorpusStatistics:
    """What a plan goes by.

    Attributes:
        pairs: Training pairs in the files that differ and have text on both sides, those that validation and test are
            taken out of included, at least 1.
        sources: Their sources that differ.
        words: Of both of their sides; characters count as words where those do not stand apart.
        long_sentence: Words that 99 of 100 sentences do not exceed.
        characters: That differ, of both sides.
        source_only: Sentences without references that differ, but for over-long ones and sources of pairs, of whichever
            split: about what the task keeps.
        has_splits: Whether there are files of validation or test, or some are named.
    """

    pairs: int
    sources: int
    words: int
    long_sentence: int
    characters: int = 0
    source_only: int = 0
    has_splits: bool = False


def plan(corpus: CorpusStatistics) -> Preset:
    """Options that fit a corpus; who names an option has their own."""
    held_out = _held_out(corpus)
    pairs = _trained_pairs(corpus)
    task_options = {
        "vocab_size": str(vocabulary(corpus)),
        "max_tokens": str(longest(corpus)),
        # What is in two files, or twice in a file, is no reason to stop: it is left out of the training and counted.
        "leaks": "drop",
    }
    if held_out:
        task_options["held_out"] = str(held_out)
    batch, rate = _by_pairs(pairs, 512, 2_048, 4_096), _by_pairs(pairs, 1e-3, 1e-3, 5e-4)
    # Few pairs are seen more often. An end before the learning rate's costs more than any Improve step gives, and a
    # reward that stands still is no reason for one: the last looks, at low rates, gain the most.
    supervised = _rounded(min(MOST_TOKENS, _tokens_of_pair(corpus) * pairs * _by_pairs(pairs, 30, 10, 10)))
    # Who uses a translator decodes it by beam search. Within a source a filter by ranks needs some to rank.
    growing = _small_growing(corpus.source_only, pairs) if pairs < FEW else {"candidates": 8}
    improve = _training(improve_tokens(corpus, growing), rate * 0.3, batch, looks=2, warmup=20)
    if pairs < FEW:  # at the full rate and to the last weights, as in the study
        improve |= {"learning_rate": rate, "evaluate_every": improve["max_tokens"], "evaluate_first": False}
    return Preset(
        task=TASK,
        task_options=task_options,
        nested={
            "policy": _policy(pairs),
            "supervised": _training(supervised, rate, batch, looks=LOOKS, warmup=20) | {"patience": LOOKS},
            "improve": improve,
        },
        growing={"beams": 4, **growing},
    )


def planned_judge(scorer: str | None) -> str | None:
    """A judge of another make than the scorer, which costs seconds: counts of words, or none where these are in it.

    Args:
        scorer: Its name; None where one is made, which learns from the pairs' translations.
    """
    return None if scorer is not None and has_part(scorer, "lexical") else "lexical:"


def with_budget(training: Mapping[str, Any], tokens: int) -> dict[str, Any]:
    """A planned training of another length, whose warmup and looks keep their shares of it."""
    shares = ("warmup_tokens", "evaluate_every")
    scaled = {name: -(-training[name] * tokens // training["max_tokens"]) for name in shares}  # at least a token
    return {**training, "max_tokens": tokens, **scaled}


def improve_tokens(corpus: CorpusStatistics, growing: Mapping[str, Any]) -> int:
    """Tokens of an Improve step: two samples of each source that a Grow step draws.

    It is about half of what a filter keeps of eight samples and a reference of each source.

    Args:
        corpus: Gives the sources.
        growing: Options of the Grow step, of which ``grow_from``, ``sources`` and ``auto_sources`` count.
    """
    pairs = _trained_pairs(corpus)
    available = {"train": pairs, "source-only": corpus.source_only}.get(
        growing.get("grow_from", "auto"), pairs + corpus.source_only
    )
    sources = growing.get("sources", "auto")
    most = growing.get("auto_sources", Settings.auto_sources) if sources == "auto" else sources
    drawn = available if most is None else min(most, available)
    return _rounded(_tokens_of_pair(corpus) * drawn * 2)


def vocabulary(corpus: CorpusStatistics) -> int:
    """Tokens of a vocabulary: as many as are seen often enough, and enough for the characters."""
    seen = [size for size in TOKENS_PER_WORD if size * WORDS_PER_TOKEN <= corpus.words]
    least = max([*seen, TOKENS_PER_CHARACTER * corpus.characters])
    return next((size for size in TOKENS_PER_WORD if size >= least), max(TOKENS_PER_WORD))


def longest(corpus: CorpusStatistics) -> int:
    """Tokens of a sentence at most, which hardly one needs more than."""
    needed = sentence_tokens(corpus, corpus.long_sentence)
    return next((tokens for tokens in LENGTHS if tokens >= needed), LENGTHS[-1])


def sentence_tokens(corpus: CorpusStatistics, words: int) -> float:
    """What a sentence of so many words takes, on whichever side."""
    return TOKENS_PER_WORD[vocabulary(corpus)] * LONGER_SIDE * words


def whole_number(text: str | None) -> int | None:
    """A number as the command line takes it, such as 20_000; None where it is none, which its parser says better."""
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def _tokens_of_pair(corpus: CorpusStatistics) -> float:
    """Of one side of it, on average."""
    return TOKENS_PER_WORD[vocabulary(corpus)] * corpus.words / 2 / corpus.pairs


def _trained_pairs(corpus: CorpusStatistics) -> int:
    """Pairs that are left where some are held out."""
    return max(1, corpus.pairs - round(2 * _held_out(corpus) * corpus.pairs / corpus.sources))


def _small_growing(source_only: int, pairs: int) -> dict[str, Any]:
    """Options of Grow and Improve for few pairs, as docs/results/multi30k.md has them.

    Counts of words are a scorer in seconds, and choose well among many samples. Training sources, where they are drawn,
    are judged by the counts of others. The best of each source's references are all of them, so that the arm
    "filtered" would be "unfiltered".
    """
    options: dict[str, Any] = {
        "scorer": "lexical: fluency=0.25 length=0.2 folds=2", "candidates": 16, "temperature": 0.5, "filter": "best",
        "learning_rate_decay": 0.85, "data": DataConfig(last_on_pairs=True), "arms": ("unfiltered", "random"),
    }  # fmt: skip
    if source_only < pairs:
        return options
    most = {"sources": None} if source_only <= 1.25 * MOST_GROWN else {"auto_sources": MOST_GROWN}
    return options | {"grow_from": "source-only"} | most


def _held_out(corpus: CorpusStatistics) -> int:
    """A tenth for each of validation and test, which says more of few sources than it takes from them; to two digits.

    A few that are there twice are then no other number.
    """
    if corpus.has_splits:
        return 0
    tenth = corpus.sources // 10
    return min(HELD_OUT, max(round(tenth, 2 - len(str(tenth))), min(20, corpus.sources // 4)))


def _policy(pairs: int) -> dict[str, Any]:
    """The fewer the pairs, the smaller the network and the larger its dropout: else it learns them by heart."""
    if pairs < 3_000:
        return {"d_model": _width(pairs), "ffn_dim": 4 * _width(pairs), "dropout": 0.3}
    if pairs < FEW:
        return {"encoder_layers": 3, "decoder_layers": 3, "d_model": 128, "ffn_dim": 512, "dropout": 0.3}
    size = {"encoder_layers": 3, "decoder_layers": 3, "d_model": 256, "ffn_dim": 1_024, "dropout": 0.1}
    if pairs < 100_000:
        return size
    return size | {
        "encoder_layers": 6,
        "decoder_layers": 6,
        "d_model": 512,
        "dropout": 0.3 if pairs < 1_000_000 else 0.1,
    }


def _width(pairs: int) -> int:
    """128, or less where there are hardly as many pairs: embeddings start from what words occur together in pairs."""
    return max([width for width in (16, 32, 64, 128) if 4 * width <= pairs], default=16)


def _training(tokens: int, rate: float, batch: int, *, looks: int, warmup: int) -> dict[str, Any]:
    return {
        "learning_rate": rate, "tokens_per_batch": batch, "max_tokens": tokens, "warmup_tokens": tokens // warmup,
        "evaluate_every": tokens // looks,
    }  # fmt: skip


def _by_pairs(pairs: int, few: Any, some: Any, many: Any) -> Any:
    """By the order of magnitude: below :data:`FEW`, below 100,000, and above."""
    return few if pairs < FEW else some if pairs < 100_000 else many


def _rounded(tokens: float) -> int:
    """To two digits, so that a few sentences more do not make other options; at least a batch or two."""
    whole = int(tokens)
    return max(10_000, round(whole, 2 - len(str(whole))))


def summary(config: Settings, corpus: CorpusStatistics) -> list[str]:
    """What a run on text of one's own is about to do, in five lines; ``config`` has what the plan and its user say."""
    options, improve = config.task_options, config.improve
    held_out = whole_number(options.get("held_out")) or 0
    texts = f"{corpus.pairs:,} pairs" + (f", {corpus.source_only:,} sentences alone" if corpus.source_only else "")
    splits = (
        f"{held_out:,} held out for validation, {held_out:,} for the test" if held_out else "splits as in the files"
    )
    grow_steps = getattr(config, "grow_steps", 1)
    drawn = f"up to {config.auto_sources:,}" if config.sources == "auto" else config.sources or "all"
    kinds = {"train": "training sources", "source-only": "source-only sentences"}
    on_pairs = getattr(config, "data", None) is not None and config.data.last_on_pairs  # type: ignore[attr-defined]
    return [
        f"texts: {texts}; {splits}; up to {options.get('max_tokens', 64)} tokens, {_tokenizer(config)}",
        f"scorer: {_scorer(config)}" + (f"; judge: {config.judge}" if config.judge else ""),
        f"policy: {_start(config)}",
        f"Grow: {grow_steps} steps, {drawn} {kinds.get(config.grow_from, 'sources')}, {config.candidates} samples of "
        "each",
        f"Improve: {config.improve_steps} steps to each of up to {improve.max_tokens:,} tokens; "
        + _filter(config, on_pairs=on_pairs)
        + (", the last on the pairs alone" if on_pairs else "")
        + _adapters(config),
    ]


def _scorer(config: Settings) -> str:
    """The scorer that is named, or was made of the pairs before, or how one is made."""
    if config.scorer is not None:
        return config.scorer
    if (own_folder(config) / REPORT).is_file():
        return f"{own_folder(config)}, made before"
    made = config.estimator
    repeats = f"{made.repeats} repeat" + "s" * (made.repeats > 1)
    return (
        f"made first: {made.folds} folds, {repeats}, translation models of up to {made.epochs} passes and "
        f"{made.training.max_tokens:,} tokens, until their held-out loss stops falling"
    )


def _filter(config: Settings, *, on_pairs: bool) -> str:
    """The filter and its values; none where the agent asks for none."""
    agent: str | None = getattr(config, "agent", None)
    if agent is not None and not agents.agent_class(agent).filters:
        return "no filter"
    kind = config.filter if config.filter != "auto" else "percentile" if config.filter_values is None else "threshold"
    values = config.filter_values or [each.value for each in replace(config, filter=kind).schedules(1)[0]]
    return f"filter {kind}, " + " ".join(f"{value:g}" for value in (values[:-1] if on_pairs else values))


def _tokenizer(config: Settings) -> str:
    """What cuts the texts into tokens."""
    options = config.task_options
    if name := options.get("tokenizer", config.pretrained):
        return f"tokenizer of {name}"
    return f"vocabulary of {options.get('vocab_size', 8_000)}"


def _start(config: Settings) -> str:
    """The policy, and how it is trained on the pairs, by whole weights or, a pretrained one, adapters."""
    if config.start is not None:
        return f"the supervised one of {config.start}"
    policy, training = config.policy, config.supervised
    layers = f"{policy.encoder_layers} + {policy.decoder_layers} layers"
    name = config.pretrained or f"{layers} of width {policy.d_model}, dropout {policy.dropout:g}"
    if not config.fine_tune:
        return f"{name}, as it is"
    trained = f"{name}{_adapters(config) if config.pretrained else ''}; trained on the pairs for"
    if training.patience * training.evaluate_every >= training.max_tokens:
        return f"{trained} {training.max_tokens:,} tokens"
    until = f"until the reward has not risen in {training.patience} looks"
    return f"{trained} up to {training.max_tokens:,} tokens, {until}"


def _adapters(config: Settings) -> str:
    return f", adapters of rank {config.lora.rank}" if config.lora.rank else ""
