"""Dataset aliases: the literature's names for data sets of the hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

ALIASES: dict[str, Mapping[str, str]] = {
    "iwslt2014-de-en": {
        "dataset": "bbaaaa/iwslt14-de-en", "config": "de-en", "revision": "refs/convert/parquet",
        "source": "de", "target": "en",
    },
    "iwslt2017-de-en": {
        "dataset": "IWSLT/iwslt2017", "config": "iwslt2017-de-en", "revision": "refs/convert/parquet",
        "source": "de", "target": "en",
    },
    "iwslt2017-en-de": {
        "dataset": "IWSLT/iwslt2017", "config": "iwslt2017-en-de", "revision": "refs/convert/parquet",
        "source": "en", "target": "de",
    },
    # The hub has no training data of WMT 2020; that of WMT 2019 is most of it.
    "wmt2020-zh-en": {
        "dataset": "wmt/wmt19", "config": "zh-en", "test": "sacrebleu:wmt20", "source": "zh", "target": "en",
    },
    "multi30k-de-en": {"dataset": "bentrevett/multi30k", "source": "de", "target": "en"},
}  # fmt: skip
"""Options of the task "hub" by name; those that are given override them."""


def resolve_dataset(dataset: str, **given: str | None) -> dict[str, Any]:
    """The options of the task "hub" that say where the pairs are, all of them.

    Args:
        dataset: A folder, a name on the hub, or one of :data:`ALIASES`.
        **given: ``source``, ``target``, ``config``, ``revision``, ``train``, ``validation`` and ``test``; None where
            the default is wanted.

    Raises:
        ValueError: If a side's column is not known.
    """
    options: dict[str, Any] = {"train": "train", "validation": "validation", "test": "test"}
    if Path(dataset).is_dir():
        options["dataset"] = str(Path(dataset).absolute())
    else:
        options |= ALIASES.get(dataset, {"dataset": dataset})
    options |= {name: value for name, value in given.items() if value is not None}
    missing = [name for name in ("source", "target") if name not in options]
    if missing:
        raise ValueError(
            f"task 'hub' cannot do without {', '.join(missing)}; give its options (--task-options), or an alias: "
            f"{', '.join(ALIASES)}"
        )
    return {"config": None, "revision": None, **options}
