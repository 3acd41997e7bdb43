"""Rows of the benchmark: what they train, and on what."""

from __future__ import annotations

import re
from typing import Any

import pytest

from experiments.compare_agents import Config
from experiments.names import ROWS
from experiments.runs.recipes import RECIPES
from experiments.runs.rows import Row


def test_an_agent_is_a_row_as_it_is() -> None:
    row, config = Row.of("dpo"), Config(agent_options={"dpo": {"beta": 0.2}})
    assert (row.agent, row.recipe, row.data.samples_only) == ("dpo", None, False)
    assert row.settings(config) == config


@pytest.mark.parametrize(
    ("name", "agent", "data", "filtering"),
    [
        ("ssd", "bc", (None, "reward"), ("threshold", (0.9,))),
        ("raft", "filtered-bc", (None, "reward"), ("best", (1,))),
        ("rest-em", "filtered-bc", (10, "reward"), ("threshold", (0.9,))),
        ("mbr-ft", "filtered-bc", (None, "utility"), ("best", (1,))),
        ("dqo", "dpo", (None, "reward"), ("threshold", (0.9,))),
    ],
)
def test_a_recipe_keeps_its_agent_data_and_filter(name: str, agent: str, data: Any, filtering: Any) -> None:
    row = Row.of(name)
    settings = row.settings(Config(filter="threshold", filter_values=(0.9,)))
    assert (row.agent, row.recipe, row.data.samples_only) == (agent, name, True)
    assert (row.data.most_kept, row.data.filter_by) == data
    assert (settings.filter, settings.filter_values) == filtering


def test_every_row_is_a_recipe() -> None:
    assert {*ROWS} <= {*RECIPES}


def test_options_of_a_recipes_agent_hold_beside_what_makes_it() -> None:
    given = Config(agent_options={"dpo": {"beta": 0.2, "rpo_alpha": 0.5}, "gold": {"beta": 2.0}})
    assert Row.of("dqo").settings(given).agent_options == {
        "dpo": {"beta": 0.2, "rpo_alpha": 0.0}, "gold": {"beta": 2.0},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rft", "recipe 'rft' is no row of the benchmark: on a frozen data set it is another row, or needs Grow steps"),
        ("ppo", "agent 'ppo' learns online"),
        ("raf", "there is no agent 'raf'; choose one of"),
    ],
)
def test_what_is_no_row_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Row.of(name)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("bc", "all"), ("filtered-bc", "filtered"), ("gold", "filtered"), ("iw-sft", "filtered, with copies"),
        ("dpo", "best and worst"), ("boltzmann", "candidates"), ("ssd", "samples: all"), ("raft", "samples: best"),
        ("rest-em", "samples: filtered"), ("mbr-ft", "samples: best by utility"), ("dqo", "samples: best and worst"),
    ],
)  # fmt: skip
def test_what_a_row_trains_on_is_said(name: str, what: str) -> None:
    assert Row.of(name).trains_on == what
