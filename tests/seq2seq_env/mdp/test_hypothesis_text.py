from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers

from seq2seq_env import Tokenizer
from seq2seq_env.mdp.hypothesis_text import DecodedText, HypothesisTexts, JoinedText, hypothesis_text


def byte_level() -> Tokenizer:
    """Characters of several bytes fall apart into tokens, so that a prefix can end within one."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["</s>", "<unk>", *alphabet, "<pad>"])}
    backend = tokenizers.Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["</s>", "<unk>", "<pad>"])
    return Tokenizer(backend)


def pieces(words: Sequence[str], decoder: decoders.Decoder) -> Tokenizer:
    tokenizer = Tokenizer.from_words(words)
    backend = tokenizers.Tokenizer.from_str(tokenizer._backend.to_str())
    backend.decoder = decoder
    return Tokenizer(backend)


TOKENIZERS = {
    "words": Tokenizer.from_words(["a", "b", "c"]),
    "metaspace": pieces(["▁", "▁a", "b", "▁bc", "ä", "c▁▁d"], decoders.Metaspace()),
    "metaspace without a prefix": pieces(["▁", "▁a", "b"], decoders.Metaspace(prepend_scheme="never")),
    "wordpiece": pieces(["a", "##b", ".", "'", "s", "n't"], decoders.WordPiece()),
    "bytes": byte_level(),
}


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_growing_text_is_the_text_decoded_whole(name: str, data: st.DataObject) -> None:
    tokenizer = TOKENIZERS[name]
    tokens = data.draw(st.lists(st.integers(1, tokenizer.pad_id - 1), max_size=40))
    if name == "bytes":
        tokens = tokenizer.encode([data.draw(st.text(max_size=15))])[0][:-1] + tokens
    text, many = hypothesis_text(tokenizer), HypothesisTexts(tokenizer, 3)
    for i, token in enumerate(tokens):
        wanted = tokenizer.decode([tokens[: i + 1]])[0]
        assert text.append(token) == wanted
        many.append(np.array([2, 0]), np.array([token, token]))
        assert many.texts.tolist() == [wanted, "", wanted]
    many.clear(np.array([2]))
    many.append(np.array([2, 1]), np.array([2, 2]))
    assert many.texts.tolist() == [tokenizer.decode([row])[0] for row in (tokens, [2], [2])]


def test_texts_are_joined_where_each_token_has_its_own() -> None:
    kinds = {name: type(hypothesis_text(tokenizer)) for name, tokenizer in TOKENIZERS.items()}
    assert kinds == {
        "words": JoinedText,
        "metaspace": JoinedText,
        "metaspace without a prefix": JoinedText,
        "wordpiece": DecodedText,
        "bytes": DecodedText,
    }
