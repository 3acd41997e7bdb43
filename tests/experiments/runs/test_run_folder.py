from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
    EventAccumulator,
)

from experiments.runs.run_folder import RunFolder, read_lines
from tests.pickling import sent


def test_same_config_reopens_and_keeps_stages(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {"seed": 1, "values": (0.8, 0.9)})
    assert not run.has("g0i0")
    run.finish("g0i0", [{"reward": 0.5}])
    again = RunFolder(tmp_path / "run", {"seed": 1, "values": (0.8, 0.9)})
    assert again.has("g0i0")
    assert again.result("g0i0") == [{"reward": 0.5}]


def test_changed_config_is_refused_with_the_difference(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run", {"seed": 1, "agent": "bc"})
    with pytest.raises(FileExistsError, match="seed was 1 and is now 2; choose another --out"):
        RunFolder(tmp_path / "run", {"seed": 2, "agent": "bc"})


def test_a_run_from_before_an_option_did_as_its_default_does(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run", {"seed": 1, "improve": {"seed": 1}})
    defaults = {"seed": 0, "improve": {"seed": 0, "fsdp": False}}
    after = RunFolder(tmp_path / "run", {"seed": 1, "improve": {"seed": 1, "fsdp": False}}, defaults=defaults)
    assert sent(after.part("inner")).config == after.config
    with pytest.raises(FileExistsError, match=r"configuration: improve\.fsdp was False and is now True; choose"):
        RunFolder(tmp_path / "run", {"seed": 1, "improve": {"seed": 1, "fsdp": True}}, defaults=defaults)
    with pytest.raises(FileExistsError, match="configuration: judge was None and is now 'chrf'; choose"):
        RunFolder(
            tmp_path / "run", {"seed": 1, "improve": {"seed": 1, "fsdp": False}, "judge": "chrf"}, defaults=defaults
        )


def test_what_a_training_may_go_on_with_is_no_other_configuration(tmp_path: Path) -> None:
    before = {"improve": {"seed": 1, "workers": 0, "progress": True, "log_every": 0}}  # of an earlier release
    RunFolder(tmp_path / "run", before)
    RunFolder(tmp_path / "run", {"improve": {"seed": 1}})
    RunFolder(tmp_path / "run", {"improve": {"seed": 1, "workers": 4}})
    with pytest.raises(FileExistsError, match=r"configuration: improve\.seed was 1 and is now 2; choose"):
        RunFolder(tmp_path / "run", {"improve": {"seed": 2}})


def test_a_part_differs_as_it_says_and_shares_the_stopwatch(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {"seed": 1, "agent": "bc"})
    part = run.part("seed2", seed=2)
    assert (part.path, part.config) == (tmp_path / "run" / "seed2", {"seed": 2, "agent": "bc"})
    with part.watch("training"):
        pass
    assert "training" in run.watch.seconds


def test_another_process_gets_the_same_folder(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {"seed": 1})
    run.log("g0i0", "reward", 0.5, 0)  # what writes the number stays here
    other = sent(run)
    assert (other.path, other.config, other.watch is run.watch) == (run.path, run.config, False)
    run.close()


def test_numbers_stand_at_the_tokens_of_the_run_and_measures_at_improve_steps(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {"improve_steps": 2})
    for stage, tokens in (("g0i0", 1000), ("g1i1", 100), ("g1i2", 20), ("control-samples-g1i1", 7)):
        run.log(stage, "loss", 0.5, tokens)
        run.finish(stage, [{"train_tokens": tokens}])
        run.log_measures(stage, {"reward/test_greedy": 0.5}, "| source |")
    run.finish("control-samples", [{}])
    run.log_measures("control-samples", {"reward/test_greedy": 0.25}, "| source |")
    run.log("reranked", "loss", 0.5, 3)  # no training of a policy
    run.close()

    def steps(series: str, name: str) -> list[int]:
        events = EventAccumulator(str(run.path / "tensorboard" / series)).Reload()
        return [event.step for event in events.Scalars(name)]

    assert steps("rest", "training/loss") == [1000, 1100, 1120]
    assert steps("rest", "reward/test_greedy") == [0, 1, 2]
    assert steps("control-samples", "training/loss") == [1007]
    assert steps("control-samples", "reward/test_greedy") == [1, 1]
    assert sorted(path.name for path in (run.path / "tensorboard").iterdir()) == ["control-samples", "rest"]


def test_a_finished_stage_has_no_training_state(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {"seed": 1})
    states = [run.training_state("g1i1"), run.training_state("gold", 2), run.training_state("gold-all")]
    states[0].parent.mkdir()
    for state in states:
        state.touch()
    run.finish("g1i1", [])
    run.finish("gold", [])
    assert [state.exists() for state in states] == [False, False, True]


def test_a_folder_of_something_else_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="is not empty and holds no run"):
        RunFolder(tmp_path, {"seed": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_time_adds_up_over_the_calls_of_the_command(tmp_path: Path) -> None:
    for _ in range(2):
        run = RunFolder(tmp_path / "run", {"seed": 1})
        run.watch.seconds = {"training": 2.0}
        run.spend(3.0)
    usage = run.result("usage")
    assert (usage["seconds"], usage["seconds_training"]) == (6.0, 4.0)
    assert usage["peak_memory_gib"] > 0


def test_a_file_and_a_corrupt_config_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(FileExistsError, match=r"thesis.txt' is a file; choose a folder with --out"):
        RunFolder(tmp_path / "thesis.txt", {"seed": 1})
    (tmp_path / "moved").symlink_to(tmp_path / "gone")
    with pytest.raises(
        FileExistsError, match=r"moved' is a link to '.*gone', which is not there; delete it, or change --out"
    ):
        RunFolder(tmp_path / "moved", {"seed": 1})
    for corrupt in ("", "[1]"):
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / "config.json").write_text(corrupt)
        with pytest.raises(ValueError, match=r"config.json' is corrupt .*; choose another --out"):
            RunFolder(tmp_path / "run", {"seed": 1})


def test_an_empty_record_of_a_stage_is_refused_with_its_file(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {"seed": 1})
    run.finish("g1i1", [])
    (tmp_path / "run" / "stages" / "g1i1.json").write_text("")
    with pytest.raises(
        ValueError, match=r"stages/g1i1.json' is corrupt \(.*\); delete it, and the stage is done again"
    ):
        run.result("g1i1")


def test_a_corrupt_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"a"\n')
    with pytest.raises(ValueError, match=r"line 2 of '.*a.jsonl' is corrupt"):
        read_lines(tmp_path / "a.jsonl")


def test_what_is_no_number_is_null(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {"most": float("inf")})
    run.finish("g1i1", [{"kendall": float("nan")}])
    run.write_lines("hypotheses/g1i1.jsonl", [{"reward": float("nan")}])
    assert run.result("g1i1") == [{"kendall": None}]
    assert read_lines(tmp_path / "run" / "hypotheses" / "g1i1.jsonl") == [{"reward": None}]
    assert RunFolder(tmp_path / "run", {"most": float("inf")}).config == {"most": None}
