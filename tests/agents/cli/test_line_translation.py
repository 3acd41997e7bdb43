from __future__ import annotations

import io
import json

from agents import Seq2SeqPolicy, Translation, likeliest
from agents.cli.line_files import Lines
from agents.cli.line_translation import LineTranslator, TranslatedLine


class Pipe(io.BytesIO):
    """Bytes that come once."""

    def seekable(self) -> bool:
        return False


def test_a_line_break_in_a_translation_moves_nothing() -> None:
    line = TranslatedLine("a", Translation("one\r\ntwo\n", 3))
    assert line.as_text() == "one two "
    assert json.loads(line.as_json()) == {"source": "a", "hypothesis": "one\r\ntwo\n", "truncated": False}


def test_a_pipe_is_read_as_it_is_translated(trained: Seq2SeqPolicy) -> None:
    class Watched(Pipe):
        taken = 0

        def __next__(self) -> bytes:
            self.taken += 1
            return super().__next__()

    stream = Watched(b"zwei\n" * 100)
    translator = LineTranslator(trained, lambda sources, _: [Translation("x", 2)] * len(sources), lines_at_once=5)
    parts = translator.translate(Lines(stream, "a pipe"))
    assert [line.as_text() for line in next(parts)] == ["x"] * 5
    assert stream.taken == 5
    assert sum(len(part) for part in parts) == 95
    assert (translator.sentences, translator.tokens) == (100, 200)


def test_a_translation_cut_at_the_length_limit_is_marked(policy: Seq2SeqPolicy) -> None:
    # An untrained policy goes on to the limit.
    translator = LineTranslator(policy, lambda sources, _: likeliest(policy, sources), progress=False)
    (lines,) = translator.translate(Lines(io.BytesIO(b"zwei rot haus\n\n"), "a file"))
    assert [json.loads(line.as_json())["truncated"] for line in lines] == [True, False]
    assert str(translator).endswith("; 1 of them cut at the length limit")
