"""The rating page: blind, complete in itself, safe to open, and usable without a mouse."""

from __future__ import annotations

import re

import pytest

from experiments.people.rating_page import write_rating_page
from tests.experiments.people.written_run import HOSTILE, STAGES, campaign, write_run
from tests.experiments.reports.page.test_page import Reader


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The page of each protocol."""
    run = write_run(tmp_path_factory.mktemp("pages") / "run")
    texts = {}
    for protocol in ("esa", "cesa", "da", "side-by-side"):
        folder, known = campaign(run, protocol, name=protocol)
        texts[protocol] = write_rating_page(folder, known, protocol).read_text("utf-8")
    return texts


def test_nothing_is_loaded_and_nobody_is_named(pages: dict[str, str]) -> None:
    for text in pages.values():
        reader = Reader(text)
        assert reader.open == []
        for tag, attributes in reader.tags:
            assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form")
            assert not any(name.startswith("on") or name in ("src", "href", "action") for name in attributes)
        assert not re.search(r"url\(|@import", text)
        (policy,) = (each["content"] for each in reader.all("meta") if each.get("http-equiv"))
        assert (policy or "").startswith("default-src 'none';")
        # Nor does the page know a system's code, or a score.
        body = text[text.index("<body") : text.index("<script>")]
        plain = re.sub(r">[^<]*<", "><", body)
        assert not any(stage in plain for stage in STAGES)
        assert not re.search(r"S\d|reward|0\.9", plain)


def test_hostile_texts_are_text(pages: dict[str, str]) -> None:
    for text in pages.values():
        assert "<script>document" not in text
        assert "&lt;script&gt;document" in text
        assert "{{ 7 * 7 }}" in text
        assert not set(text) & set("\u202e\u2066")
        assert "⟨U+202E⟩" in text
        assert HOSTILE[5].strip() in text  # whole: who is to rate it must be able to read it
        assert "<em>nothing was written</em>" in text


def test_everything_has_a_name_for_those_who_do_not_see_it(pages: dict[str, str]) -> None:
    for protocol, text in pages.items():
        reader = Reader(text)
        assert reader.all("html") == [{"lang": "en"}]
        assert any(each.get("content") == "width=device-width, initial-scale=1" for each in reader.all("meta"))
        identifiers = [attributes["id"] for _, attributes in reader.tags if attributes.get("id")]
        assert len(identifiers) == len(set(identifiers))
        assert {each["for"] for each in reader.all("label") if "for" in each} <= set(identifiers)
        assert {each["aria-labelledby"] for each in reader.all("section")} <= set(identifiers)
        assert all(each.get("aria-label") for _, each in reader.tags if each.get("role") == "region")
        assert bool(reader.all("fieldset")) == (protocol == "side-by-side")
        assert len(reader.all("legend")) == len(reader.all("fieldset"))
        radios = [each for each in reader.all("input") if each["type"] == "radio"]
        assert {each["value"] for each in radios} == ({*"0123456"} if radios else set())
        marks = [each for each in reader.all("div") if each.get("class") == "marks"]
        assert bool(marks) == (protocol in ("esa", "cesa"))
        assert all(each.get("aria-label") for each in marks)
