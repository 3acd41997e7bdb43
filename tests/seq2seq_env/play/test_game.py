"""The game of ``python -m seq2seq_env``."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seq2seq_env import Scorer, Task
from seq2seq_env.play.game import HELP, BadLineError, Game
from seq2seq_env.tasks.phrasebook import PhrasebookTask
from seq2seq_env.tasks.task import Oracle
from tests.conftest import TinyTask
from tests.seq2seq_env.mdp.test_hypothesis_text import byte_level


class Half:
    fingerprint = "half"

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        return np.full(len(sources), 0.5, dtype=np.float32)


class Characters(TinyTask):
    """The tiny task in bytes, of which a space is one."""

    max_source_length = max_target_length = 100

    def __init__(self) -> None:
        super().__init__()
        self.tokenizer = byte_level()


class NoOracle(TinyTask):
    @property
    def oracle(self) -> Oracle | None:  # type: ignore[override]
        return None


def game_of(task: Task, scorer: Scorer, **options: Any) -> Game:
    env = gym.make("Seq2SeqTranslate-v0", task=task, scorer=scorer, render_mode="ansi", **options)
    return Game(env, task, options.get("split", "train"))


def hypothesis_of(shown: str) -> str:
    [line] = [line for line in shown.splitlines() if line.startswith("hypothesis")]
    return line.removeprefix("hypothesis  ")


def written(shown: str) -> list[int]:
    [line] = [line for line in shown.splitlines() if line.startswith("tokens")]
    _, _, pieces = line.partition(": ")
    return [int(piece.split()[0]) for piece in pieces.split("  ")] if pieces else []


@pytest.fixture
def game(tiny_task: Task, fake_scorer: Scorer) -> Game:
    game = game_of(tiny_task, fake_scorer)
    game.start(options={"source_index": 3})
    return game


@pytest.fixture(scope="module")
def phrases() -> Game:
    return game_of(PhrasebookTask(train_size=50, validation_size=50, test_size=50), Half())


def test_an_episode_written_in_lines(game: Game) -> None:
    assert game.start(options={"source_index": 0}) == (
        "source      eins rot haus\nhypothesis  \ntokens      0 written, 12 left\n"
    )
    assert game.enter("one") == "source      eins rot haus\nhypothesis  one\ntokens      1 written, 11 left: 10 'one'\n"
    shown = game.enter("  red dog ")
    assert hypothesis_of(shown) == "one red dog"
    assert "tokens      3 written, 9 left: 10 'one'  13 ' red'  17 ' dog'\n" in shown
    assert game.playing
    shown = game.enter(":end")
    # two of the four words that hypothesis and reference have
    assert "score       0.500\n" in shown
    assert shown.endswith(
        "17 ' dog'  0 end\nended       by end-of-sequence\nreference   one red house\nquality     0.000, the true one\n"
    )
    assert not game.playing
    assert not game.stopped


def test_the_length_limit_ends_an_episode(tiny_task: Task, fake_scorer: Scorer) -> None:
    game = game_of(tiny_task, fake_scorer, max_target_length=3)
    game.start(options={"source_index": 0})
    game.enter("one")
    with pytest.raises(BadLineError, match="that is 3 tokens, more than the 2 left; shorten it, or type :end"):
        game.enter("red house red")
    shown = game.enter("red house")
    assert "score       1.000\n" in shown
    assert shown.endswith(
        "ended       by the length limit\nreference   one red house\nquality     1.000, the true one\n"
    )
    assert not game.playing


def test_a_source_of_ones_own_has_no_reference(game: Game) -> None:
    game.start(options={"source": "zwei haus"})
    game.enter("two")
    game.enter("house")
    assert "source      zwei haus" in game.enter(":undo")
    shown = game.enter(":end")
    assert "score" in shown
    assert "reference" not in shown
    assert "quality" not in shown


def test_a_task_without_an_oracle_shows_no_quality(fake_scorer: Scorer) -> None:
    game = game_of(NoOracle(), fake_scorer)
    game.start(options={"source_index": 0})
    shown = game.enter(":end")
    assert "reference   one red house\n" in shown
    assert "quality" not in shown


def test_tokens_are_written_by_id(game: Game) -> None:
    assert hypothesis_of(game.enter(":11 13  10")) == "two red one"
    assert written(game.enter(": 1 12")) == [11, 13, 10, 1, 12]
    assert "  1 unknown  " in game.enter("")
    assert "score" in game.enter(":15 0")
    assert not game.playing


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (":19", "token 19 is not in the vocabulary; give 0 to 18"),
        (":12 -1", "token -1 is not in the vocabulary; give 0 to 18"),
        (":12 x", "'x' is not a token id; give 0 to 18"),
        (":²", "'²' is not a token id; give 0 to 18"),
        (":" + "9" * 5000, "is not a token id; give 0 to 18"),
        (":18", "token 18 is masked, as it can never be right; give another"),
        (":12 0 12", "token 0 ends the episode; give it last"),
        (":", "there is no command ':'; type :help for those there are"),
        (":dog", "there is no command ':dog'; type :help for those there are"),
        (":end now", ":end stands alone, but 'now' comes after it; type :end"),
        (":join", ":join needs text after it; type :join TEXT"),
        (":tokens  ", ":tokens needs text after it; type :tokens TEXT"),
        ("red cat bat", "the tokenizer does not know all of 'cat', 'bat'; type it in other words or characters"),
        ("red  dog", "the tokenizer writes 'two red dog' for 'two red  dog'; type what it can write"),
        ("red </s>", "the tokenizer writes 'two red' for 'two red </s>'; type what it can write"),
        ("<pad>", "the tokenizer writes 'two' for 'two <pad>'; type what it can write"),
        (":join dog", "'dog' would change tokens written before; :undo them, or give token ids"),
        ("dog " * 12, "that is 12 tokens, more than the 11 left; shorten it, or type :end"),
        ("d\udcffg", "the line is not UTF-8; set the terminal to UTF-8 and type it again"),
    ],
)
def test_a_bad_line_is_one_sentence_and_changes_nothing(game: Game, line: str, message: str) -> None:
    before = game.enter("two")
    with pytest.raises(BadLineError) as raised:
        game.enter(line)
    assert str(raised.value).endswith(message)
    assert game.enter("") == before
    assert game.playing


def test_undo_takes_back_lines_and_leaves_the_next_source_alone(tiny_task: Task, fake_scorer: Scorer) -> None:
    plain, undone = game_of(tiny_task, fake_scorer), game_of(tiny_task, fake_scorer)
    assert plain.start(seed=5) == undone.start(seed=5)
    with pytest.raises(BadLineError, match="nothing is written yet"):
        undone.enter(":undo")
    states = [undone.enter(line) for line in ("", "two", "red house", ":15 16", "dog")]
    for state in reversed(states[:-1]):
        assert undone.enter(":undo") == state
    with pytest.raises(BadLineError, match="nothing is written yet"):
        undone.enter(":undo")
    for line in ("two red", ":end"):
        assert plain.enter(line) == undone.enter(line)
    assert plain.start() == undone.start()


def test_tokens_help_and_quit(game: Game) -> None:
    assert game.enter(":tokens red cat") == "13 'red'  1 unknown\n"
    assert game.enter(":help") == HELP
    assert written(game.enter("")) == []
    assert game.enter(":quit") == ""
    assert game.stopped


@settings(derandomize=True, deadline=None, max_examples=60)
@given(data=st.data())
def test_text_in_lines_has_the_tokens_of_the_whole_text(phrases: Game, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, 49))
    phrases.start(options={"source_index": index})
    text = phrases._task.split("train").references[index]
    words = text.split(" ")
    cuts = sorted(data.draw(st.sets(st.integers(1, len(words) - 1)))) if len(words) > 1 else []
    for first, last in zip([0, *cuts], [*cuts, len(words)], strict=True):
        shown = phrases.enter(" ".join(words[first:last]))
        assert hypothesis_of(shown) == " ".join(words[:last])
    assert written(shown) == phrases._task.tokenizer.encode([text])[0][:-1]


LINES = st.text(alphabet="abT ,.7é'ß-", min_size=1, max_size=6)


@pytest.mark.parametrize("task", [TinyTask, Characters, None])
@settings(derandomize=True, deadline=None, max_examples=100)
@given(lines=st.lists(st.tuples(LINES, st.booleans()), min_size=1, max_size=5))
def test_the_hypothesis_reads_as_typed(
    phrases: Game, task: type[TinyTask] | None, lines: list[tuple[str, bool]]
) -> None:
    game = phrases if task is None else game_of(task(), Half())
    shown = game.start(options={"source_index": 0})
    reads = ""
    for line, joined in lines:
        text = line.strip()
        if not text:
            continue
        wanted = reads + text if joined or not reads else f"{reads} {text}"
        try:
            after = game.enter(f":join {line}" if joined else line)
        except BadLineError:
            assert game.enter("") == shown
            continue
        shown, reads = after, wanted
        assert hypothesis_of(shown) == reads


def test_what_the_phrasebook_can_spell_is_never_refused(phrases: Game) -> None:
    phrases.start(options={"source_index": 0})
    for line in ("x-ray", "7:30", ", don't", ":join ?", ":join .", "Zürich"):
        shown = phrases.enter(line)
    assert hypothesis_of(shown) == "x-ray 7:30 , don't?. Zürich"


def test_a_space_written_by_its_id_is_no_obstacle(phrases: Game) -> None:
    phrases.start(options={"source_index": 0})
    [space, _] = written(phrases.enter("."))
    phrases.enter(":undo")
    phrases.enter(f":{space}")
    assert hypothesis_of(phrases.enter("The train")) == " The train"
    phrases.start(options={"source_index": 0})
    phrases.enter("The train")
    phrases.enter(f":{space}")
    assert hypothesis_of(phrases.enter(".")) == "The train ."


def test_text_that_would_change_a_written_token_is_refused(phrases: Game) -> None:
    phrases.start(options={"source_index": 0})
    phrases.enter("th")
    with pytest.raises(BadLineError, match="'e' would change tokens written before; :undo them, or give token ids"):
        phrases.enter(":join e")


def test_an_accent_of_its_own_is_joined_to_its_letter(phrases: Game) -> None:
    phrases.start(options={"source_index": 0})
    decomposed = unicodedata.normalize("NFD", "Zürich")
    assert decomposed != "Zürich"
    assert hypothesis_of(phrases.enter(decomposed)) == "Zürich"


def test_pieces_of_a_character_are_shown() -> None:
    game = game_of(Characters(), Half())
    game.start(options={"source_index": 0})
    assert len(written(game.enter("é"))) == 2
    assert hypothesis_of(game.enter("a é")) == "é a é"


def test_tokens_that_no_text_has_are_no_obstacle() -> None:
    game = game_of(Characters(), Half())
    game.start(options={"source_index": 0})
    for line in ("a", ":1", "b"):  # 1 is the unknown token, which reads as nothing
        shown = game.enter(line)
    assert hypothesis_of(shown) == "a b"


@settings(derandomize=True, deadline=None, max_examples=200)
@given(line=st.text(max_size=12) | st.text(max_size=8).map(":".__add__))
def test_any_line_is_taken_or_refused(phrases: Game, line: str) -> None:
    shown = phrases.start(options={"source_index": 0})
    try:
        phrases.enter(line)
    except BadLineError:
        assert phrases.enter("") == shown
