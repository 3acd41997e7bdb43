"""What TRL asks of an environment; ``tests/libraries/test_trl.py`` has TRL itself ask it."""

from __future__ import annotations

from seq2seq_env.adapters import environment_factory
from seq2seq_env.tasks.task import Task
from tests.conftest import OverlapScorer


def test_what_is_handed_in_last_is_rewarded(tiny_task: Task, fake_scorer: OverlapScorer) -> None:
    make = environment_factory(tiny_task, fake_scorer, prompt_template="Translate: {source}")
    tool, other = make(), make()
    assert tool.reset(source="hund", prompt="?", source_index=3) is None
    assert tool.get_reward() == 0
    assert tool.submit("car") == "received"
    assert tool.get_reward() == 0
    tool.submit("dog")
    assert (tool.get_reward(), other.get_reward()) == (1, 0)
    drawn = tool.reset(prompt="?")
    assert drawn is not None
    assert drawn.startswith("Translate: ")
    assert tool.get_reward() == 0
    public = [name for name in vars(type(tool)) if not name.startswith("_")]
    assert public == ["reset", "submit", "get_reward"]
