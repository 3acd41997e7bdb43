"""Files of ratings, of the rating page and of Pearmut: read, and checked against the key of their campaign."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from experiments.people import pearmut
from experiments.people.answers import LETTERS, Answer
from experiments.people.campaign import Campaign, Candidate, Item, campaigns_of
from seq2seq_env.writing import shortened

_FORMS = "give what the rating page saves, or Pearmut's annotations, downloaded or from data/annotations/"


@dataclass(frozen=True)
class Rating:
    """What a rater said of a translation, with whose it is.

    Attributes:
        rater: Name.
        item: What was shown.
        candidate: The translation.
        score: On the protocol's scale.
        errors: Severity of each marked error.
    """

    rater: str
    item: Item
    candidate: Candidate
    score: float
    errors: tuple[str, ...]


class _Part(NamedTuple):
    """What a file holds of one campaign."""

    path: Path
    campaign: str
    raters: list[str]
    answers: list[Answer]


def read_ratings(run: Path, files: Sequence[Path], *, partial: bool = False) -> tuple[Path, Campaign, list[Rating]]:
    """The ratings in files, their campaign, and its folder.

    Args:
        run: Folder of the run.
        files: Of one campaign.
        partial: Whether raters may have left out translations.

    Raises:
        OSError: If a file cannot be read, or the run has no campaign.
        ValueError: If a file has another form, or ratings of another run, of several campaigns, of an item that is not
            there, of one translation twice by one rater, outside the scale, or not of all translations.
    """
    known = campaigns_of(run)
    parts = [part for path in files for part in _read(path, known)]
    for part in parts:
        if part.campaign not in known:
            names = ", ".join(f"{each} ({folder.name})" for each, (folder, _) in known.items())
            raise ValueError(
                f"{str(part.path)!r} holds ratings of campaign {shortened(part.campaign)}, and {str(run)!r} has "
                f"{names}; name the run that they are of with --run"
            )
    if len(several := {part.campaign for part in parts}) != 1:
        raise ValueError(f"the files are of campaigns {', '.join(sorted(several)) or 'none'}; import one at a time")
    folder, campaign = known[parts[0].campaign]
    ratings, seen = [], dict[tuple[str, str, str], Path]()
    places = {(item.name, each): pair for item in campaign.items for each, pair in _names(item)}
    for part in parts:
        for answer in part.answers:
            rating = _checked(answer, part, campaign, places)
            place = rating.rater, rating.item.name, rating.candidate.code
            if place in seen:
                where = " and ".join(dict.fromkeys(repr(str(path)) for path in (seen[place], part.path)))
                raise ValueError(
                    f"rater {shortened(rating.rater)} rates item {rating.item.name} {rating.candidate.code} twice, in "
                    f"{where}; leave one out, or give raters names that differ"
                )
            seen[place] = part.path
            ratings.append(rating)
    if not partial:
        _check_whole(campaign, parts, ratings)
    if not ratings:
        raise ValueError(f"there is no rating in {', '.join(str(path) for path in files)}; rate first")
    return folder, campaign, ratings


def _names(item: Item) -> Iterator[tuple[str, tuple[Item, Candidate]]]:
    """What files may call the candidates of an item."""
    for letter, candidate in zip(LETTERS, item.candidates, strict=False):
        yield letter, (item, candidate)
        yield candidate.code, (item, candidate)


def _checked(
    answer: Answer, part: _Part, campaign: Campaign, places: Mapping[tuple[str, str], tuple[Item, Candidate]]
) -> Rating:
    item = f"{shortened(answer.item)} {shortened(answer.candidate)}"
    where = f"item {item} by rater {shortened(answer.rater)} in {str(part.path)!r}"
    if (answer.item, answer.candidate) not in places:
        raise ValueError(f"{where} is none of campaign {part.campaign}; import the file as it was saved")
    score = campaign.rules.check_score(answer.score, where)
    return Rating(answer.rater, *places[answer.item, answer.candidate], score, answer.errors)


def _check_whole(campaign: Campaign, parts: Sequence[_Part], ratings: Sequence[Rating]) -> None:
    """Refuse what is half finished: raters may stop where translations are bad."""
    done = Counter(rating.rater for rating in ratings)
    raters = dict.fromkeys(rater for part in parts for rater in part.raters)
    missing = [
        f"{shortened(rater)} lacks {campaign.size - done[rater]}" for rater in raters if done[rater] < campaign.size
    ]
    if missing:
        raise ValueError(
            f"of {campaign.size} translations rater {', rater '.join(missing)}; have them finished, or import what "
            "there is with --partial"
        )


def _read(path: Path, known: Mapping[str, object]) -> list[_Part]:
    """What a file holds, by campaign; of Pearmut's, which may hold others' campaigns, those of the run where any is."""
    record = _json(path)
    if isinstance(record, Mapping) and {"campaign", "rater", "ratings"} <= record.keys():
        return [_of_page(path, record)]
    logs = list(record.values()) if isinstance(record, Mapping) and not pearmut.is_log(record) else [record]
    try:
        parts = [part for lines in logs for part in _of_log(path, lines)]
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"{str(path)!r} is no file of ratings ({error!r}); {_FORMS}") from error
    if not parts:
        raise ValueError(f"{str(path)!r} is no file of ratings of ours; {_FORMS}")
    return [part for part in parts if part.campaign in known] or parts


def _json(path: Path) -> Any:
    """A JSON value, or the list of those of JSON Lines."""
    try:
        text = path.read_text("utf-8-sig")
        try:
            return json.loads(text)
        except ValueError:
            return [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} is no JSON ({error}); {_FORMS}") from error


def _of_page(path: Path, record: Mapping[str, Any]) -> _Part:
    rater, rows = str(record["rater"]).strip(), record["ratings"]
    if not rater:
        raise ValueError(f"{str(path)!r} names no rater; put a name in and save again")
    try:
        answers = [
            Answer(rater, str(row["item"]), str(row["candidate"]), row["score"], tuple(map(str, row.get("errors", ()))))
            for row in rows
        ]
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"{str(path)!r} is no file of ratings ({error!r}); {_FORMS}") from error
    return _Part(path, str(record["campaign"]), [rater], answers)


def _of_log(path: Path, lines: Any) -> Iterator[_Part]:
    """One part for each campaign of ours in a log; wishes to begin anew name none, and count for all."""
    lines = [lines] if isinstance(lines, Mapping) else lines  # JSON Lines of a single line
    if not isinstance(lines, list) or not all(map(pearmut.is_log, lines)):
        return
    for name in dict.fromkeys(filter(None, map(pearmut.campaign_of, lines))):
        own = [line for line in lines if pearmut.campaign_of(line) == name or line["annotation"] == pearmut.RESET]
        yield _Part(path, name, list(dict.fromkeys(str(line["user_id"]) for line in own)), list(pearmut.active(own)))
