"""OpenEnv: an episode of one step, by its classes and over its app.

OpenEnv is not among our requirements, so that `.ci/libraries environments` installs it.
"""

from __future__ import annotations

import pytest

from seq2seq_env.adapters import MessageEnv
from tests.conftest import OverlapScorer
from tests.libraries.conftest import WordTask

pytest.importorskip("openenv.core.env_server", reason="OpenEnv is not installed, see .ci/libraries")
testclient = pytest.importorskip("fastapi.testclient")

pytestmark = pytest.mark.filterwarnings("ignore")  # its own, of what it calls


def test_an_episode_is_a_prompt_and_a_translation(words: WordTask) -> None:
    from seq2seq_env.adapters import openenv as ours

    env = ours.TranslationEnvironment(MessageEnv(words, OverlapScorer(words), prompt_template="Translate: {source}"))
    shown = env.reset(seed=3, source_index=1)
    assert (shown.prompt, shown.source, shown.done, shown.reward) == ("Translate: zwei", "zwei", False, None)
    ended = env.step(ours.TranslationAction(text="two"))
    assert (ended.prompt, ended.done, ended.reward) == ("Translate: zwei", True, 1.0)
    assert env.state.step_count == 1


def test_the_app_serves_episodes(words: WordTask) -> None:
    from seq2seq_env.adapters import openenv as ours

    with testclient.TestClient(ours.app(words, OverlapScorer(words))) as client, client.websocket_connect("/ws") as ws:
        ws.send_json({"type": "reset", "data": {"source": "zwei"}})
        assert ws.receive_json()["data"]["observation"]["prompt"] == "zwei"
        ws.send_json({"type": "step", "data": {"text": "two"}})
        answer = ws.receive_json()["data"]
    assert (answer["reward"], answer["done"]) == (1.0, True)
