"""Training a subword tokenizer whose special tokens lie where :class:`Tokenizer` wants them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from seq2seq_env.tokenization.tokenizer import END, PADDING, UNKNOWN, Tokenizer

_SPACE = pre_tokenizers.Metaspace().replacement


def train_subwords(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Learn byte-pair merges from texts of both languages; digits and punctuation are tokens of their own.

    Args:
        texts: Of both languages, in any order that is always the same.
        vocab_size: Tokens at most, the three special ones included.

    Raises:
        ValueError: If the vocabulary has no room for a token.
    """
    if vocab_size < 4:
        raise ValueError(f"vocab_size is {vocab_size}; three tokens are special, give 4 or more")
    texts = list(texts)
    backend = Backend(models.BPE(unk_token=UNKNOWN))
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Punctuation("isolated"),
        ]
    )
    backend.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 1,
        special_tokens=[END, UNKNOWN],
        # Else it keeps every character, whatever the size; and of those that are equally frequent it keeps others in
        # every process, so the choice is ours.
        limit_alphabet=vocab_size - 3,
        initial_alphabet=_alphabet(texts, backend.normalizer, vocab_size - 3),
        show_progress=False,
        min_frequency=2,
    )
    backend.train_from_iterator(texts, trainer)
    backend.add_special_tokens([PADDING])
    return Tokenizer(backend)


def _alphabet(texts: Iterable[str], normalizer: normalizers.Normalizer, most: int) -> list[str]:
    """The most frequent characters, as the trainer sees them; of equally frequent ones the first by code point."""
    counts: Counter[str] = Counter()
    for text in texts:
        spaced = normalizer.normalize_str(text).replace(" ", _SPACE)
        # Metaspace puts one before a text that has none there.
        counts.update(spaced if spaced.startswith(_SPACE) or not spaced else _SPACE + spaced)
    return sorted(counts, key=lambda character: (-counts[character], character))[:most]
