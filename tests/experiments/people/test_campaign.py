from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.people.campaign import KEY, Campaign, campaigns_of
from tests.experiments.people.written_run import PLAIN, SOURCES, STAGES, campaign, text_of, write_run

DIFFERENT = len(SOURCES) - 4


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def test_pairs_are_of_the_first_system_and_another(run: Path) -> None:
    _, known = campaign(run, "side-by-side", count=10)
    assert [group.systems for group in known.groups] == [("g0i0", "g1i2"), ("g0i0", "control-unfiltered")]
    assert [(group.different, group.total) for group in known.groups] == [(DIFFERENT, len(SOURCES))] * 2
    assert (len(known.items), known.size) == (20, 40)
    assert len({item.row for item in known.items}) == 10  # the same sources for both
    assert all(item.row >= 4 for item in known.items)  # where all write the same, nobody can choose
    for item in known.items:
        assert {each.systems[0] for each in item.candidates} == set(known.groups[item.group].systems)
        assert all(each.text == text_of(each.systems[0], item.row) for each in item.candidates)


def test_what_is_the_same_fills_up_and_is_rated_once(run: Path) -> None:
    _, known = campaign(run, "da", count=DIFFERENT + 2)
    same = [item for item in known.items if item.row < 4]
    assert len(same) == 2
    assert [len(item.candidates[0].systems) for item in same] == [3, 3]
    assert known.size == len(known.items) == 3 * DIFFERENT + 2
    assert {item.candidates[0].code for item in same} == {"S1-S2-S3"}
    _, together = campaign(run, "cesa", count=5, name="together")
    assert [len(item.candidates) for item in together.items] == [3] * 5


def test_neither_names_nor_places_tell_the_system(run: Path) -> None:
    _, known = campaign(run, "side-by-side", STAGES, count=PLAIN)
    codes = {each.systems[0]: each.code for item in known.items for each in item.candidates}
    assert sorted(codes.values()) == ["S1", "S2", "S3", "S4", "S5"]
    assert list(codes.values()) != sorted(codes.values()) or known.items[0].candidates[0].systems != ("g0i0",)
    first = sum(item.candidates[0].systems == ("g0i0",) for item in known.items)
    assert 0.25 < first / len(known.items) < 0.75
    assert [item.name for item in known.items] == [f"{place:03d}" for place in range(1, len(known.items) + 1)]
    assert [item.group for item in known.items] != sorted(item.group for item in known.items)


def test_a_seed_repeats_and_another_differs(run: Path) -> None:
    _, one = campaign(run, "side-by-side")
    folder, again = campaign(run, "side-by-side")
    assert again == one
    assert Campaign.read_key(folder) == one
    assert campaigns_of(run) == {one.fingerprint: (folder, one)}
    with pytest.raises(FileExistsError, match=f"has campaign {one.fingerprint} already; give this one another --name"):
        campaign(run, "side-by-side", seed=1)
    _, other = campaign(run, "side-by-side", name="y", seed=1)
    assert other.fingerprint != one.fingerprint
    assert set(campaigns_of(run)) == {one.fingerprint, other.fingerprint}


def test_a_key_that_was_changed_is_refused(run: Path) -> None:
    with pytest.raises(FileNotFoundError, match="has no campaign; make one with: rest rate export --run"):
        campaigns_of(run)
    folder, _ = campaign(run, "da")
    record = json.loads((folder / KEY).read_text())
    record["items"][0]["candidates"][0]["systems"] = ["g1i2"]
    (folder / KEY).write_text(json.dumps(record))
    with pytest.raises(ValueError, match="was changed after the export; take a copy that was not"):
        Campaign.read_key(folder)
    (folder / KEY).write_text("{}")
    with pytest.raises(ValueError, match="is no key of a campaign"):
        Campaign.read_key(folder)
