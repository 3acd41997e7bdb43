from __future__ import annotations

import sys

import pytest

from seq2seq_env.extras import EXTRAS, check_extra, is_installed, missing, require


def test_a_module_of_an_extra_is_imported_when_asked_for() -> None:
    assert require("ctranslate2.converters", "a test").__name__ == "ctranslate2.converters"


@pytest.mark.parametrize(("module", "extra"), [("minari.namespace", "interop"), ("google.protobuf", "sentencepiece")])
def test_a_missing_one_is_named_with_its_extra(module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"^a test needs {module}, .*uv sync --extra {extra}, or pip install"):
        require(module, "a test")


def test_an_extra_is_looked_for_without_an_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "none", ("nowhere_to_be_found", "nowhere.to.be.found"))
    assert missing("none") == ["nowhere_to_be_found", "nowhere.to.be.found"]
    with pytest.raises(ImportError, match=r"^--option needs nowhere_to_be_found, which is not installed; .*\[none\]"):
        check_extra("none", "--option")
    check_extra("report", "a test")


def test_every_extra_of_one_module_each_is_in_the_development_group() -> None:
    assert [module for modules in EXTRAS.values() for module in modules if not is_installed(module)] in ([], ["ray"])
