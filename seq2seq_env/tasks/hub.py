"""A translation data set of the Hugging Face hub, or a local copy of one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from seq2seq_env.tasks.cleaning import Pair
from seq2seq_env.tasks.corpus import CorpusTask, Leaks
from seq2seq_env.tasks.task import SPLITS


class HubTask(CorpusTask):
    """Sentences of a data set that ``datasets.load_dataset`` reads: a column for each language, or ``translation``.

    Code of the data set is never run. Needs the extra: ``pip install "seq2seq-env[interop]"``.

    Args:
        seed: Unused; the sentences are what they are.
        dataset: Its name on the hub, or a folder: a copy of the hub's, or what ``save_to_disk`` wrote.
        source: Column of the sources, or their key in ``translation``.
        target: Column of the targets, or their key in ``translation``.
        config: Its configuration ("de-en", say); None where it has but one.
        revision: Commit, tag or branch on the hub; None takes the newest.
        train: Name of the training split there.
        validation: Likewise.
        test: Likewise.
        tokenizer: See :class:`CorpusTask`, as for all that follow.
        vocab_size: Tokens.
        max_tokens: Of a sentence.
        max_ratio: Of characters.
        leaks: "refuse" or "drop".

    Raises:
        ImportError: If ``datasets`` is not installed.
        OSError: If the data set cannot be read or reached.
        ValueError: If it lacks a split or a column, or for a reason of :class:`CorpusTask`.
    """

    name = "hub"

    def __init__(
        self,
        seed: int = 0,
        *,
        dataset: str,
        source: str,
        target: str,
        config: str | None = None,
        revision: str | None = None,
        train: str = "train",
        validation: str = "validation",
        test: str = "test",
        tokenizer: str | Path | None = None,
        vocab_size: int = 8_000,
        max_tokens: int = 64,
        max_ratio: float = 4.0,
        leaks: Leaks = "refuse",
    ) -> None:
        place = str(Path(dataset).absolute()) if Path(dataset).is_dir() else dataset
        self._made_by = partial(
            HubTask, seed, dataset=place, source=source, target=target, config=config, revision=revision, train=train,
            validation=validation, test=test, tokenizer=tokenizer, vocab_size=vocab_size, max_tokens=max_tokens,
            max_ratio=max_ratio, leaks=leaks,
        )  # fmt: skip
        there = _read(place, config, revision)
        pairs = {}
        for name, wanted in zip(SPLITS, (train, validation, test), strict=True):
            if wanted not in there:
                raise ValueError(
                    f"data set {dataset!r} has no split {wanted!r} for {name}; its splits are {', '.join(there)}"
                )
            pairs[name] = _pairs(there[wanted], source, target, f"split {wanted!r} of {dataset!r}")
        super().__init__(
            pairs, tokenizer=tokenizer, vocab_size=vocab_size, max_tokens=max_tokens, max_ratio=max_ratio, leaks=leaks
        )

    def __reduce__(self) -> tuple[Callable[[], HubTask], tuple[()]]:
        return self._made_by, ()


def _read(dataset: str, config: str | None, revision: str | None) -> Any:
    """All splits by name."""
    try:
        import datasets
    except ImportError as error:
        raise ImportError('datasets is not installed; run: pip install "seq2seq-env[interop]"') from error
    if (Path(dataset) / "dataset_dict.json").is_file():
        return datasets.load_from_disk(dataset)
    try:
        return datasets.load_dataset(dataset, config, revision=revision)
    # The hub's client raises OSErrors of many kinds, datasets a ValueError for an unknown configuration and a
    # RuntimeError for data sets that are programs.
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        raise OSError(
            f"data set {dataset!r} cannot be read ({reason}); name a folder that holds a copy, made with: "
            f"hf download {dataset} --repo-type dataset --local-dir FOLDER"
        ) from error


def _pairs(split: Any, source: str, target: str, place: str) -> list[Pair]:
    if "translation" in split.column_names:
        # A feature of its own kind, or a plain record.
        rows = split["translation"][:]
        sides = [[row.get(name) for row in rows] for name in (source, target)]
        known = sorted(rows[0]) if len(rows) else []
    else:
        known = split.column_names
        sides = [split[name][:] if name in known else [None] for name in (source, target)]
    for name, texts in zip((source, target), sides, strict=True):
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{place} has no text in every row under {name!r}; its columns are {', '.join(known)}")
    return list(zip(*sides, strict=True))
