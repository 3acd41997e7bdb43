"""Videos: Gymnasium's recorders write what the environment draws, for one and for many, and as CleanRL wraps it.

Moviepy brings a program for videos and keeps Pillow old, so that `.ci/libraries recording` installs it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import RecordEpisodeStatistics, RecordVideo
from gymnasium.wrappers.vector import RecordVideo as RecordManyVideos

moviepy = pytest.importorskip("moviepy", reason="moviepy is not installed, see .ci/libraries")

ONE, EOS = 6, 0


def watched(file: Path) -> tuple[list[int], int]:
    """Size of the pictures of a video, and their number."""
    with moviepy.VideoFileClip(str(file)) as clip:
        return clip.size, clip.n_frames


@pytest.mark.parametrize("name", ["Seq2SeqTranslate-v0", "Seq2SeqTranslateFlat-v0"])
def test_an_episode_is_recorded(name: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    env: Any = RecordVideo(gym.make(name, render_mode="rgb_array", **arguments), str(videos), lambda episode: True)
    for _ in range(2):
        env.reset(seed=0)
        for action in (ONE, EOS):
            env.step(action)
    env.close()
    files = sorted(videos.iterdir())
    assert [file.name for file in files] == ["rl-video-episode-0.mp4", "rl-video-episode-1.mp4"]
    assert [watched(file) for file in files] == [([800, 368], 3)] * 2


@pytest.mark.parametrize("mode", ["sync", "vector_entry_point"])
def test_many_episodes_are_recorded_side_by_side(mode: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    envs = gym.make_vec(
        "Seq2SeqTranslate-v0", num_envs=4, vectorization_mode=mode, render_mode="rgb_array", **arguments
    )
    recorded: Any = RecordManyVideos(envs, str(tmp_path / "videos"), episode_trigger=lambda episode: episode == 0)
    recorded.reset(seed=0)
    for action in (ONE, EOS, ONE):
        recorded.step(np.full(4, action))
    recorded.close()
    (file,) = (tmp_path / "videos").iterdir()
    (width, height), frames = watched(file)
    assert sorted((width / 800, height / 368)) in ([1, 4], [2, 2])
    assert frames >= 3


@pytest.mark.usefixtures("by_id")
def test_the_first_of_several_is_recorded_as_cleanrl_does(tmp_path: Path) -> None:
    """What ``--capture-video`` does: videos inside the statistics, of the first environment alone."""

    def make(row: int) -> Callable[[], gym.Env[Any, Any]]:
        def thunk() -> gym.Env[Any, Any]:
            if row == 0:
                env = gym.make("seq2seq_env:Seq2SeqTranslateFlat-v0", render_mode="rgb_array", max_target_length=3)
                return RecordEpisodeStatistics(RecordVideo(env, str(tmp_path / "videos" / "run")))
            return RecordEpisodeStatistics(gym.make("seq2seq_env:Seq2SeqTranslateFlat-v0", max_target_length=3))

        return thunk

    envs: Any = gym.vector.SyncVectorEnv([make(row) for row in range(2)])
    envs.reset(seed=1)
    for _ in range(8):
        envs.step(np.full(2, 5))
    envs.close()
    names = [file.name for file in sorted((tmp_path / "videos" / "run").iterdir())]
    assert names == ["rl-video-episode-0.mp4", "rl-video-episode-1.mp4"]
    assert watched(tmp_path / "videos" / "run" / names[0]) == ([800, 368], 4)
