"""A path to a policy, or to a folder that holds several."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents import Seq2SeqPolicy, make_agent, policy_folder


@pytest.fixture
def run(policy: Seq2SeqPolicy, tmp_path: Path) -> Path:
    for name in ("control", "g0i0", "g2i2", "g2i10"):
        policy.save(tmp_path / "checkpoints" / name)
    make_agent("gold", policy).save(tmp_path / "checkpoints" / "g10i1")  # with a prior, which is a policy too
    return tmp_path


def test_the_last_in_natural_order_is_taken(run: Path) -> None:
    assert policy_folder(run) == run / "checkpoints" / "g10i1"
    assert policy_folder(run, "control") == policy_folder(run / "checkpoints", "control")
    assert policy_folder(run / "checkpoints").name == "g10i1"
    assert policy_folder(run / "checkpoints" / "g2i2") == run / "checkpoints" / "g2i2"
    assert policy_folder(run / "checkpoints" / "g10i1" / "prior").name == "prior"


@pytest.mark.parametrize("name", ["g3i1", "prior", "../checkpoints/g0i0"])
def test_an_unknown_checkpoint_is_refused_with_the_good_ones(run: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"no policy '{name}'; choose one of control, g0i0, g2i2, g2i10, g10i1"):
        policy_folder(run, name)
    with pytest.raises(ValueError, match="is a policy and no run; leave the checkpoint"):
        policy_folder(run / "checkpoints" / "g0i0", name)


def test_a_policy_whose_saving_was_cut_off_is_not_taken(
    policy: Seq2SeqPolicy, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(policy.tokenizer), "save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        policy.save(run / "checkpoints" / "g10i2")
    assert not (run / "checkpoints" / "g10i2" / "generation_config.json").exists()  # which comes last
    assert policy_folder(run).name == "g10i1"


def test_a_folder_without_policies_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError, match="is neither a saved policy nor holds one; name the folder of one"):
            policy_folder(path)
