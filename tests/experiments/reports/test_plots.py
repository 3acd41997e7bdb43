"""Plots of a run: what they show, not how they look."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from buffers import GrowingBatchBuffer
from experiments.growing_batch import Config
from experiments.reports import plots
from experiments.runs.experiment import Experiment

pytest.importorskip("matplotlib")


def row(grow: int, improve: int, split: str, decode: str, **measures: float | None) -> dict[str, Any]:
    known: dict[str, Any] = {"reward": 0.5, "oracle": 0.4, "judge": None, "bleu": 30.0}
    data: dict[str, Any] = {"kept_fraction": 0.25 * improve, "sources_without_data": 0.5, "threshold": 0.1 * improve}
    return {"grow": grow, "improve": improve, "split": split, "decode": decode, **known, **data, **measures}


STEPS = [
    row(grow, improve, split, decode, reward=0.5 + 0.1 * improve)
    for grow, improve in ((0, 0), (1, 1), (1, 2))
    for split, decode in (("validation", "sample"), ("test", "sample"), ("test", "greedy"))
]
CONTROL = [
    {"step": arm, **row(0, 0, "test", decode, reward=0.55)}
    for arm in ("unfiltered", "samples")
    for decode in ("sample", "greedy")
]


def test_steps_show_each_measure_that_was_made() -> None:
    figure = plots._by_step(STEPS, CONTROL)
    assert [axis.get_title() for axis in figure.axes] == ["learned reward", "true quality (oracle)", "BLEU"]
    lines = {str(line.get_label()): np.asarray(line.get_ydata()).tolist() for line in figure.axes[0].lines}
    assert lines["sample"] == pytest.approx([0.5, 0.6, 0.7])
    assert lines["unfiltered, greedy"] == lines["samples, sample"] == [0.55, 0.55]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["supervised", "G=1 I=1", "G=1 I=2"]


def test_data_of_the_improve_steps() -> None:
    figure = plots._kept(STEPS)
    shares, values = figure.axes
    assert [bar.get_height() for bar in shares.patches] == [0.25, 0.5]  # type: ignore[attr-defined]
    assert np.asarray(shares.lines[0].get_ydata()).tolist() == [0.5, 0.5]
    assert np.asarray(values.lines[0].get_ydata()).tolist() == pytest.approx([0.1, 0.2])


def test_learning_curves_have_one_axis_of_tokens() -> None:
    arm = {"validation_reward": [[0, 0.5], [90, 0.55]], "greedy_reward": [[0, 0.6], [90, 0.6]], "greedy_oracle": []}
    rest = arm | {"validation_reward": [[0, 0.5], [50, 0.6], [50, 0.6], [100, 0.7]]}
    figure = plots._learning({"ReST": rest, "filtered": arm})
    assert [axis.get_title() for axis in figure.axes] == ["validation reward, samples", "learned reward, greedy"]
    line = figure.axes[0].lines[0]
    assert (str(line.get_label()), np.asarray(line.get_xdata()).tolist()) == ("ReST", [0, 50, 50, 100])
    assert len(figure.axes[1].lines) == 2


def test_the_reward_is_held_against_the_oracle() -> None:
    (axis,) = plots._reward_against("oracle", STEPS, CONTROL).axes
    path = next(line for line in axis.lines if line.get_label() == "sample")
    assert np.asarray(path.get_xdata()).tolist() == [0.4] * 3
    assert np.asarray(path.get_ydata()).tolist() == pytest.approx([0.5, 0.6, 0.7])
    assert axis.get_xlabel() == "true quality (oracle)"


def test_rewards_of_each_grow_step(finished_run: Experiment[Config]) -> None:
    buffer = GrowingBatchBuffer(finished_run.folder.path / "buffer")
    (axis,) = plots._reward_distribution({g: buffer.select(grow_step=g) for g in buffer.grow_steps}).axes
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["original data", "samples of Grow 1"]  # type: ignore[union-attr]
    (original, _) = (patch.get_xy() for patch in axis.patches)  # type: ignore[attr-defined]
    # All references have the reward 1 here, and the last bin's density is one over its width.
    assert np.max(original[:, 1]) == pytest.approx(40)


def test_what_was_not_measured_is_not_drawn(tmp_path: Path) -> None:
    assert plots.save_plots(tmp_path, STEPS, CONTROL, {}, {}) == [
        "steps.png",
        "rewards.png",
        "data.png",
        "reward_oracle.png",
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"steps.png", "rewards.png", "data.png", "reward_oracle.png"}


def test_without_matplotlib_there_are_no_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert plots.save_plots(tmp_path, STEPS, CONTROL, {}, {}) == []
    with pytest.raises(ImportError, match="a plot needs matplotlib"):
        plots.new_figure(1, 1)
