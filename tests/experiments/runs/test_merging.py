from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO

import pytest

from experiments.runs.merging import WEIGHTS, check_part, merge


def part(folder: Path, *stages: str, weights: str = "same", config: int = 1) -> Path:
    """A tree of run folders with one run, written by hand."""
    run = folder / "regime" / "seed0"
    (run / "stages").mkdir(parents=True)
    (run / WEIGHTS).parent.mkdir(parents=True)
    (run / WEIGHTS).write_text(weights)
    for place in (folder, run):
        (place / "config.json").write_text(json.dumps({"value": config}))
    for stage in stages:
        (run / "stages" / f"{stage}.json").write_text(json.dumps([stage, folder.name]))
    (run / "stages" / "x.1.safetensors").touch()
    (run / "stages" / "usage.json").write_text("{}")
    return folder


def test_what_is_missing_is_copied_and_nothing_replaced(tmp_path: Path) -> None:
    whole, other = part(tmp_path / "whole", "bc", "dpo"), part(tmp_path / "other", "dpo", "gold")
    (whole / "regime/seed0/stages/x.1.safetensors").unlink()
    assert merge(other, whole) == 1
    stages = {file.stem: json.loads(file.read_text()) for file in (whole / "regime/seed0/stages").glob("[!u]*.json")}
    assert stages == {"bc": ["bc", "whole"], "dpo": ["dpo", "whole"], "gold": ["gold", "other"]}
    assert not list(whole.rglob("x.1.safetensors"))
    assert merge(other, whole) == 0
    assert merge(other, tmp_path / "new") == 6 - 1  # configurations, weights and stages, not the last call's usage


def test_a_merge_that_was_killed_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, other = tmp_path / "whole", part(tmp_path / "other", "bc")

    def killed(content: BinaryIO, copy: BinaryIO) -> None:
        copy.write(content.read(2))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("experiments.runs.merging.shutil.copyfileobj", killed)
        with pytest.raises(KeyboardInterrupt):
            merge(other, whole)
    assert not [file for file in whole.rglob("*") if file.is_file()]
    merge(other, whole)
    assert (whole / "regime/seed0" / WEIGHTS).read_text() == "same"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": 2}, r"other' has another configuration than .*whole'; merge parts of one benchmark"),
        ({"weights": "others"}, r"seed0' starts from another supervised policy than .*; give all trainings of a seed"),
    ],
)
def test_parts_of_another_run_are_refused(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    whole, other = part(tmp_path / "whole"), part(tmp_path / "other", "bc", **changes)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        merge(other, whole)
    assert not (whole / "regime/seed0/stages/bc.json").exists()


def test_two_results_of_one_training_are_refused_and_two_costs_are_not(tmp_path: Path) -> None:
    whole, other = part(tmp_path / "whole"), part(tmp_path / "other", "dpo")
    record = {"agent": "bc", "steps": [{"sample_oracle": 0.5, "seconds": 3.0}], "wall_seconds": 5.0, "commit": "a"}
    dearer = record | {"steps": [{"sample_oracle": 0.5, "seconds": 4.0}], "wall_seconds": 6.0, "commit": "b"}
    better = record | {"steps": [{"sample_oracle": 0.6, "seconds": 3.0}]}
    stages = Path("regime/seed0/stages")
    (whole / stages / "bc.json").write_text(json.dumps(record))
    (other / stages / "bc.json").write_text(json.dumps(dearer))
    check_part(other, whole)
    (other / stages / "bc.json").write_text(json.dumps(better))
    with pytest.raises(
        ValueError, match=r"other.*bc.json' has other results than .*whole.*bc.json'; keep one machine's"
    ):
        merge(other, whole)
    assert not (whole / stages / "dpo.json").exists()


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no config.json in .*; name the --out of another part"):
        merge(tmp_path, tmp_path / "whole")
