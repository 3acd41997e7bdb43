"""Pearmut, the tool of WMT's human evaluations: a campaign in its JSON, and the ratings in its logs.

What it reads and writes is that of version 1.1.6. It takes text that begins as a picture or an audio file does, or
holds some tags, for HTML; a zero-width space keeps ours apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

from experiments.people.answers import Answer
from experiments.people.campaign import Campaign, Item
from experiments.reports.page.differences import shown

RESET = "__RESET__"
"""Stands in the log for an annotator's wish to begin again."""


def pearmut_campaign(campaign: Campaign, name: str, raters: int, *, reference: bool = False) -> dict[str, Any]:
    """A campaign as ``pearmut add`` takes it, in which each rater sees all items in an order of their own.

    Args:
        campaign: What is rated.
        name: Of the export.
        raters: How many.
        reference: Whether they see the reference.
    """
    rules = campaign.rules
    info: dict[str, Any] = {
        "assignment": "task-based", "protocol": rules.pearmut, "shuffle": False, "show_model_names": False,
        "users": [f"rater-{number}" for number in range(1, raters + 1)], "instructions": _instructions(campaign),
    }  # fmt: skip
    if slider := rules.slider():
        info["sliders"] = slider
    documents = [[_item(campaign, item, reference)] for item in campaign.items]
    orders = [Random(f"{campaign.fingerprint}/{user}").sample(documents, len(documents)) for user in info["users"]]
    return {"campaign_id": f"{name}-{campaign.fingerprint}", "info": info, "data": orders}


def is_log(record: Any) -> bool:
    """Whether a JSON value is a line of Pearmut's log."""
    return isinstance(record, Mapping) and "user_id" in record and "annotation" in record


def campaign_of(line: Mapping[str, Any]) -> str | None:
    """The campaign that a line of the log is of; None where it is none of ours, or no rating."""
    items = line.get("item")
    first = items[0] if isinstance(items, Sequence) and items else None
    return str(first["campaign"]) if isinstance(first, Mapping) and "campaign" in first else None


def active(lines: Iterable[Mapping[str, Any]]) -> Iterator[Answer]:
    """The ratings in a log as they stand at its end: an annotator may go back to an item, or begin anew."""
    latest: dict[tuple[str, str, str], Answer] = {}
    for line in lines:
        user = str(line["user_id"])
        if line["annotation"] == RESET:
            latest = {place: rating for place, rating in latest.items() if place[0] != user}
            continue
        for item, answers in zip(line["item"], line["annotation"], strict=False):
            for code, answer in (answers or {}).items():
                name = str(item.get("item_id"))
                latest[user, name, code] = Answer(user, name, code, _score(answer), _errors(answer))
    yield from (rating for rating in latest.values() if rating.score is not None)


def _score(answer: Mapping[str, Any]) -> Any:
    sliders = answer.get("sliders") or {}
    return answer.get("score") if answer.get("score") is not None else next(iter(sliders.values()), None)


def _errors(answer: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(span.get("severity")) for span in answer.get("error_spans") or ())


def _item(campaign: Campaign, item: Item, reference: bool) -> dict[str, Any]:
    record: dict[str, Any] = {
        "item_id": item.name, "campaign": campaign.fingerprint, "src": _text(item.source),
        "tgt": {each.code: _text(each.text) for each in item.candidates},
    }  # fmt: skip
    return record | ({"ref": _text(item.reference)} if reference else {})


def _text(text: str) -> str:
    return shown(text, None).replace("<", "<\u200b") or "⟨empty⟩"


def _instructions(campaign: Campaign) -> str:
    """Our own sentences, in HTML."""
    rules = campaign.rules
    anchors = [f"{score}: {text}" for score, text in rules.anchors.items()]
    return f"<ul>{''.join(f'<li>{line}</li>' for line in (*rules.instructions, *anchors))}</ul>"
