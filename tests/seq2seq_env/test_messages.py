from __future__ import annotations

import pytest

from seq2seq_env.messages import PromptTemplate, completion_text, message_text, prompt_text


def test_a_template_is_put_around_a_source_and_taken_off() -> None:
    template = PromptTemplate("Translate {source}!")
    assert template.fill("{source} ist {hier}") == "Translate {source} ist {hier}!"
    assert template.source_of("Translate Hund!!") == "Hund!"
    assert template.source_of("Translate Hund") is None
    assert PromptTemplate("a{source}a").source_of("a") is None
    for text in ("Translate", "{source} {source}"):
        with pytest.raises(ValueError, match=r"has \{source\} [02] times; write it once"):
            PromptTemplate(text)


def test_texts_are_of_one_message_of_a_role() -> None:
    parts = [{"type": "text", "text": "two "}, {"type": "text", "text": "dogs"}]
    assert completion_text([{"role": "assistant", "content": parts}]) == "two dogs"
    assert prompt_text([{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]) == "y"
    assert (prompt_text("z"), message_text(None)) == ("z", None)
    with pytest.raises(ValueError, match="its completion has no text, but a NoneType"):
        completion_text([{"role": "assistant", "content": None}])
    with pytest.raises(ValueError, match="its prompt is a dict, not a text or messages"):
        prompt_text({})
