"""Chat template of a tokenizer: the prompt that it makes of a user's message, and what ends the assistant's."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from seq2seq_env.tokenization.library import library_tokenizer, readable_tokenizer

# Of the private use area, in no template and no trimmed space.
_SOURCE, _TARGET = "\ue000", "\ue001"


class Chat(NamedTuple):
    """What a template makes of one message and its answer."""

    prompt: str
    """All before the answer, special tokens spelled, with ``{source}`` in it."""
    end: str
    """Token that ends the answer."""


def render_chat(folder: Path, name: str, message: str) -> Chat:
    """The prompt that a tokenizer's chat template makes of a user's message.

    Args:
        folder: With the tokenizer's files.
        name: What the user calls it, for errors.
        message: With ``{source}`` in it.

    Raises:
        ValueError: If the tokenizer cannot be read, be it because that takes code of its own, there is no template, it
            cannot be rendered, drops or repeats the message, or writes more after an answer than the token that ends
            it.
    """
    with readable_tokenizer(name, "leave chat out and give a prompt alone"):
        library = library_tokenizer(folder)
    if library.chat_template is None:
        raise ValueError(f"the tokenizer of {name!r} has no chat template; leave chat out and give a prompt alone")
    asked = {"role": "user", "content": message.replace("{source}", _SOURCE)}
    answered = {"role": "assistant", "content": _TARGET}
    try:
        prompt: str = library.apply_chat_template([asked], tokenize=False, add_generation_prompt=True)
        whole: str = library.apply_chat_template([asked, answered], tokenize=False)
    except Exception as error:  # of the template's own making
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ValueError(
            f"the chat template of {name!r} cannot be rendered ({reason}); leave chat out and give a prompt alone"
        ) from error
    if prompt.count(_SOURCE) != 1 or whole.count(_TARGET) != 1:
        raise ValueError(
            f"the chat template of {name!r} drops or repeats a message; leave chat out and give a prompt alone"
        )
    before, after = whole.split(_TARGET)
    if before.startswith(prompt):  # a space before an answer, say, is no part of it
        prompt = before
    special = sorted(library.all_special_tokens, key=len, reverse=True)
    special += [str(token) for token in library.added_tokens_decoder.values() if token.special]
    end = library.eos_token if not after else next((token for token in special if after.startswith(token)), None)
    if end is None:
        raise ValueError(
            f"the chat template of {name!r} writes {after[:40]!r} after a target, which no policy would write; leave "
            "chat out and give a prompt alone"
        )
    return Chat(prompt.replace(_SOURCE, "{source}"), str(end))
