"""What runs show above their controls, of translations written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.reports.evidence import comparisons, each_control, evidence_table
from experiments.runs.stages import EQUAL_ENTROPY


def run_of(folder: Path, **qualities: list[float]) -> Path:
    """A run with the true quality of greedy translations and of samples of some stages, the reward the same."""
    (folder / "hypotheses").mkdir(parents=True)
    (folder / "stages").mkdir()
    (folder / "stages" / "g1i2.json").write_text("[]")
    for stage, values in qualities.items():
        decodes = ("sample",) if stage == "entropy" else ("greedy", "sample")
        lines = [
            {"source": f"Satz {row}"} | {f"{d}_{m}": value for d in decodes for m in ("oracle", "reward")}
            for row, value in enumerate(values)
        ]
        name = {"entropy": EQUAL_ENTROPY, "g1i2": "g1i2"}.get(stage, f"control-{stage}")
        (folder / "hypotheses" / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


REST = [0.9, 0.8, 0.95, 0.85]


def test_rest_is_held_against_the_best_of_its_arms(tmp_path: Path) -> None:
    run = run_of(
        tmp_path, g1i2=REST, unfiltered=[0.5, 0.5, 0.5, 0.5], filtered=[0.8, 0.7, 0.84, 0.75], entropy=[0.95] * 4
    )
    found = comparisons([run])
    assert [(each.decode, each.measure, each.control) for each in found] == [
        ("greedy", "oracle", "filtered"), ("greedy", "reward", "filtered"),
        ("sample", "oracle", "filtered"), ("sample", "reward", "filtered"),
        ("sample", "oracle", EQUAL_ENTROPY), ("sample", "reward", EQUAL_ENTROPY),
    ]  # fmt: skip
    first, last = found[0], found[-1]
    assert (first.rest, first.best) == pytest.approx((0.875, 0.7725))
    assert first.difference.mean == pytest.approx(0.1025)
    assert first.shown
    assert str(first).startswith("true quality of greedy translations: 0.875, above the best control, filtered (0.772)")
    assert not last.shown
    assert "NOT SHOWN to be above the control equal-entropy" in str(last)
    assert "| greedy true quality | 0.875 | filtered | 0.772 | +0.10" in evidence_table(found)


def test_each_arm_has_its_row(tmp_path: Path) -> None:
    """The best control is not the only one that a reader may doubt by; an arm that one run lacks has none."""
    one = run_of(tmp_path / "one", g1i2=REST, unfiltered=[0.5] * 4, filtered=[each - 0.1 for each in REST])
    two = run_of(tmp_path / "two", g1i2=REST, unfiltered=[0.5] * 4, filtered=REST, samples=REST)
    found = each_control([one, two])
    assert [(each.measure, each.control) for each in found] == [("oracle", "unfiltered"), ("oracle", "filtered")]
    assert [each.by_run for each in found] == [pytest.approx([0.375] * 2), pytest.approx([0.1, 0.0])]
    assert "| greedy true quality | 0.875 | filtered | 0.825 |" in evidence_table(found, control="control")
    assert each_control([run_of(tmp_path / "three", g1i2=REST)]) == []


def test_several_runs_must_agree(tmp_path: Path) -> None:
    """A gain of 0.1 over the sources of one run is nothing where the next run loses as much."""
    up = run_of(tmp_path / "up", g1i2=REST, filtered=[each - 0.1 for each in REST])
    down = run_of(tmp_path / "down", g1i2=REST, filtered=[each + 0.09 for each in REST])
    assert comparisons([up])[0].shown
    both = comparisons([up, down])[0]
    assert not both.shown
    assert both.by_run == pytest.approx([0.1, -0.09])
    assert "+0.100 -0.090 |" in evidence_table([both])


def test_a_source_that_is_there_again_counts_once(tmp_path: Path) -> None:
    """Five references of each source are five measurements of it, and no five sources."""
    once, again = (run_of(tmp_path / name, g1i2=REST, filtered=[0.85, 0.78, 0.97, 0.8]) for name in ("once", "again"))
    texts = {
        "g1i2": ["one red bus is here", "one red bus is", "red bus is here", "a bus"],
        "control-filtered": ["a red bus is here", "a bus", "red bus is here", "one red bus is"],
    }
    for run, times in ((once, 1), (again, 5)):
        for stage, greedy in texts.items():
            file = run / "hypotheses" / f"{stage}.jsonl"
            lines = [json.loads(line) for line in file.read_text().splitlines()]
            columns = [{"greedy": text, "reference": "one red bus is here"} for text in greedy]
            lines = [line | column for line, column in zip(lines, columns, strict=True)]
            file.write_text("".join(f"{json.dumps(line)}\n" * times for line in lines))
    expected, found = comparisons([once]), comparisons([again])
    assert [each.measure for each in found[:5]] == ["oracle", "bleu", "chrf", "ter", "reward"]
    for one, other in zip(expected, found, strict=True):
        assert [*other.difference] == pytest.approx([*one.difference])
        assert (other.rest, other.best) == pytest.approx((one.rest, one.best))


def test_an_arm_that_a_run_lacks_does_not_count(tmp_path: Path) -> None:
    one = run_of(tmp_path / "one", g1i2=REST, filtered=REST, samples=[1.0] * 4)
    two = run_of(tmp_path / "two", g1i2=REST, filtered=REST)
    assert {each.control for each in comparisons([one, two])} == {"filtered"}
    assert {each.control for each in comparisons([one])} == {"samples"}
    assert comparisons([run_of(tmp_path / "three", g1i2=REST)]) == []


def test_texts_are_held_against_their_references(tmp_path: Path) -> None:
    """Of TER less is better, and the best control is the one that has least."""
    run = run_of(tmp_path, g1i2=REST, filtered=REST, samples=REST)
    references = ["the red house is here", "a dog runs", "two blue cars are there", "one house"]
    worse, worst = ([text.replace(*change) for text in references] for change in (("house", "dog"), (" ", "")))
    for stage, texts in (("g1i2", references), ("control-filtered", worse), ("control-samples", worst)):
        file = run / "hypotheses" / f"{stage}.jsonl"
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        columns = [{"reference": reference, "beam": text} for reference, text in zip(references, texts, strict=True)]
        lines = (json.dumps(row | column) + "\n" for row, column in zip(rows, columns, strict=True))
        file.write_text("".join(lines))
    by_beam = {each.measure: each for each in comparisons([run, run]) if each.decode == "beam"}
    assert list(by_beam) == ["bleu", "chrf", "ter"]
    ter = by_beam["ter"]
    assert (ter.rest, ter.control, ter.by_run) == (0, "filtered", [-ter.best] * 2)
    assert ter.best == pytest.approx(200 / 15)
    assert str(ter).startswith(
        "TER of translations by beam search: 0.0, NOT SHOWN to be below the best control, filter"
    )
    assert ter._replace(difference=ter.difference.around(-99.0)).shown
    assert by_beam["bleu"].rest == pytest.approx(100)
    assert by_beam["bleu"].difference.mean == pytest.approx(100 - by_beam["bleu"].best)
