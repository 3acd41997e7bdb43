from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.cli import evaluate
from seq2seq_env.scorers import SCORERS
from seq2seq_env.tasks import load_task

REFERENCES = ["the red house is here", "a blue dog", "the car is red", "we see two dogs"]
BETTER = ["the red house is here", "a blue dog", "the car is green", "we see dogs"]
WORSE = ["the", "dog", "a car", "we"]


class Length:
    """Longer is better."""

    fingerprint = "length"

    def score(self, sources: Any, hypotheses: Any) -> Any:
        return np.array([len(text) / 100 for text in hypotheses], dtype=np.float32)


def write(path: Path, lines: list[str]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return str(path)


@pytest.fixture
def texts(tmp_path: Path) -> list[str]:
    return [
        write(tmp_path / "worse", WORSE), write(tmp_path / "better", BETTER),
        "--references", write(tmp_path / "references", REFERENCES),
    ]  # fmt: skip


def measures(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    evaluate.main([*arguments, "--json"])
    return {each["measure"]: each for each in json.loads(capsys.readouterr().out)["measures"]}


def test_two_systems_are_paired(texts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    import sacrebleu

    monkeypatch.setitem(SCORERS, "length", lambda device: Length())
    sources = write(tmp_path / "sources", REFERENCES)
    measured = measures(capsys, *texts, "--sources", sources, "--scorers", "length")
    assert list(measured) == ["BLEU", "chrF", "TER", "length"]
    metrics: list[Any] = [sacrebleu.corpus_bleu, sacrebleu.corpus_chrf, sacrebleu.corpus_ter]
    for name, score in zip(measured, metrics, strict=False):
        for got, system in zip(measured[name]["scores"], (WORSE, BETTER), strict=True):
            assert got["mean"] == pytest.approx(score(system, [REFERENCES]).score)
            assert got["low"] <= got["mean"] <= got["high"]
    for each in measured.values():
        first, second = (score["mean"] for score in each["scores"])
        assert each["difference"]["mean"] == pytest.approx(second - first)
        assert 0 <= each["difference"]["p"] <= 1
    evaluate.main(texts)
    head, _, table = capsys.readouterr().out.partition("\n\n")
    assert "A: " in head
    assert "4 sentences" in head
    assert table.startswith("| measure | A [95 %] | B [95 %] | B - A [95 %] | p (Holm) |")


def test_a_task_gives_what_no_file_has_and_its_oracle(tmp_path: Path, capsys: Any) -> None:
    options = {"train_size": "4", "test_size": "5", "source_only_size": "0"}
    references = load_task("phrasebook-de-en", **options).split("test").references
    system = write(tmp_path / "system", list(references))
    given = [word for pair in options.items() for word in pair]
    measured = measures(capsys, system, "--task", "phrasebook-de-en", "--task-options", *given)
    assert list(measured) == ["BLEU", "chrF", "TER", "true quality"]
    assert measured["BLEU"]["scores"][0]["mean"] == pytest.approx(100)
    assert measured["true quality"]["scores"][0] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert "difference" not in measured["BLEU"]


def test_json_lines_hold_all(tmp_path: Path, capsys: Any) -> None:
    pairs = enumerate(zip(REFERENCES, BETTER, strict=True))
    rows = [json.dumps({"source": f"x{row}", "reference": a, "greedy": b}) for row, (a, b) in pairs]
    system = write(tmp_path / "system.jsonl", rows)
    assert list(measures(capsys, system)) == ["BLEU", "chrF", "TER"]
    plain = write(tmp_path / "plain.txt", BETTER)
    assert list(measures(capsys, plain, system)) == ["BLEU", "chrF", "TER"]
    other = write(tmp_path / "other.jsonl", [row.replace('"x', '"y') for row in rows])
    with pytest.raises(SystemExit, match=r"error: .* are of different sources; compare on one split"):
        evaluate.main([system, other])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["better"], "error: there is nothing to measure by; give --references, --scorers"),
        (["better", "--scorers", "phrasebook-qe"], "error: scorers read sources, and there are none; give --sources"),
        (
            ["better", "--references", "one"],
            "error: the files differ in their numbers of lines: references 1",
        ),
        (["one", "--references", "one"], "error: there is one sentence, and an interval wants two"),
        (["better", "worse", "one"], "2"),
        (["none"], "error: .*No such file"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: list[str], message: str, texts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one").write_text("one\n")
    with pytest.raises(SystemExit, match=message):
        evaluate.main(arguments)
