"""Hub task: a translation data set of the Hugging Face hub, or a local copy of one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from seq2seq_env.extras import require
from seq2seq_env.tasks.corpora.aliases import resolve_dataset
from seq2seq_env.tasks.corpora.cleaning import Pair
from seq2seq_env.tasks.corpora.corpus import CorpusTask, Leaks
from seq2seq_env.tasks.corpora.hold_out import HeldOut, hold_out, with_left_out
from seq2seq_env.tasks.corpora.tables import read_lines
from seq2seq_env.tasks.task import SOURCE_ONLY, SPLITS
from seq2seq_env.tokenization.tokenizer_choice import TokenizerChoice

PUBLISHED = "sacrebleu:"
"""Before the name of a published test set."""


class HubTask(CorpusTask):
    """Sentences of a data set that ``datasets.load_dataset`` reads: a column for each language, or ``translation``.

    Code of the data set is never run. Needs the extra ``interop``.

    Args:
        seed: Unused; the sentences are what they are.
        dataset: Its name on the hub, or a folder: a copy of the hub's, or what ``DatasetDict.save_to_disk`` wrote; or
            one of :data:`seq2seq_env.tasks.corpora.aliases.ALIASES`, which knows the options up to ``test``.
        source: Column of the sources, or their key in ``translation``.
        target: Column of the targets, or their key in ``translation``.
        config: Its configuration ("de-en", say); None where it has but one.
        revision: Commit, tag or branch on the hub; None takes the newest.
        train: Name of the training split there, by default "train".
        validation: Name of the validation split; "sacrebleu:wmt20" is a published test set, which sacrebleu downloads.
        test: Name of the test split, or of a published test set.
        source_only: Name of a split of sentences without references, of which the source's column is read; None: none.
        held_out: Size of the hold-out splits: sources of the training split that become the validation split, and as
            many the test split, of a data set that has none; 0 where it has.
        tokenizer: A folder with a tokenizer, or a pretrained model's folder or name on the hub; None trains one.
        source_language: Code of the source's language, where the pretrained model is told it: deu_Latn, de_DE, de.
        target_language: Code of the target's language, where the pretrained model is told it.
        source_prefix: Text before every source, where the pretrained model wants one.
        prompt: Text around every source of a decoder-only model, with {source} in it: an instruction, say.
        chat: Whether that is a user's message in the chat template of the model's tokenizer.
        vocab_size: Tokens of a trained tokenizer at most.
        max_tokens: Tokens of a source, and of a target, at most, end-of-sequence included.
        max_ratio: Length of a training pair's longer side to that of its shorter one, at most: in characters, those of
            a source counted as the corpus's median pair has them, so that it fits any two scripts.
        leaks: What is done with training pairs whose source is in another split: "refuse" or "drop" them.

    Raises:
        ImportError: If ``datasets`` is not installed.
        OSError: If the data set cannot be read or reached.
        ValueError: If it lacks a split or a column, has a split that ``held_out`` would leave unread, or for a reason
            of :class:`CorpusTask`.
    """

    name = "hub"

    def __init__(
        self,
        seed: int = 0,
        *,
        dataset: str,
        source: str | None = None,
        target: str | None = None,
        config: str | None = None,
        revision: str | None = None,
        train: str | None = None,
        validation: str | None = None,
        test: str | None = None,
        source_only: str | None = None,
        held_out: int = 0,
        tokenizer: str | Path | None = None,
        source_language: str | None = None,
        target_language: str | None = None,
        source_prefix: str = "",
        prompt: str = "",
        chat: bool = False,
        vocab_size: int = 8_000,
        max_tokens: int = 64,
        max_ratio: float = 4.0,
        leaks: Leaks = "refuse",
    ) -> None:
        if held_out and (named := [name for name in (validation, test) if name is not None]):
            raise ValueError(
                f"held_out {held_out} takes both splits out of the training split; leave out "
                f"{' and '.join(map(repr, named))}, or held_out"
            )
        known = resolve_dataset(
            dataset, source=source, target=target, config=config, revision=revision, train=train, validation=validation,
            test=test,
        )  # fmt: skip
        own = TokenizerChoice.of(tokenizer, source_language, target_language, source_prefix, prompt, chat)
        made_by = partial(
            HubTask, seed, **(known if not held_out else _without_held_out(known)), source_only=source_only,
            held_out=held_out, tokenizer=own.name, source_language=source_language,
            target_language=target_language, source_prefix=source_prefix, prompt=prompt, chat=chat,
            vocab_size=vocab_size, max_tokens=max_tokens, max_ratio=max_ratio, leaks=leaks,
        )  # fmt: skip
        there = _read(known["dataset"], known["config"], known["revision"])
        pairs, left_out = _splits(known, there, held_out)
        super().__init__(
            made_by,
            pairs,
            None if source_only is None else _sentences(known, there, source_only),
            tokenizer=own, vocab_size=vocab_size, max_tokens=max_tokens, max_ratio=max_ratio, leaks=leaks,
        )  # fmt: skip
        self.cleaning = with_left_out(self.cleaning, left_out)


def _without_held_out(known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in known.items() if name not in SPLITS[1:]}


def _splits(known: Mapping[str, Any], there: Mapping[str, Any], held_out: int) -> HeldOut:
    sides = known["source"], known["target"]
    if held_out and (unread := [known[name] for name in SPLITS[1:] if known[name] in there]):
        raise ValueError(
            f"held_out {held_out} takes both splits out of the training split, yet data set {known['dataset']!r} has "
            f"{' and '.join(map(repr, unread))}, which would be left unread; leave out held_out, or name a copy of the "
            "training split alone"
        )
    pairs = {}
    for name in SPLITS[:1] if held_out else SPLITS:
        wanted = known[name]
        if wanted.startswith(PUBLISHED):
            pairs[name] = _published(wanted.removeprefix(PUBLISHED), *sides)
        else:
            pairs[name] = _pairs(_named(known, there, wanted, name), *sides, _place(known, wanted))
    return hold_out(pairs["train"], held_out) if held_out else HeldOut(pairs, {})


def _sentences(known: Mapping[str, Any], there: Mapping[str, Any], wanted: str) -> list[str]:
    """The sources of a split without references; a row without text is an empty sentence, which cleaning counts."""
    columns, [texts] = _sides(_named(known, there, wanted, SOURCE_ONLY), known["source"])
    return _texts(texts, known["source"], columns, _place(known, wanted))


def _named(known: Mapping[str, Any], there: Mapping[str, Any], wanted: str, name: str) -> Any:
    if wanted not in there:
        raise ValueError(
            f"data set {known['dataset']!r} has no split {wanted!r} for {name}; its splits are {', '.join(there)}"
        )
    return there[wanted]


def _place(known: Mapping[str, Any], wanted: str) -> str:
    return f"split {wanted!r} of {known['dataset']!r}"


def _published(test_set: str, source: str, target: str) -> list[Pair]:
    """A test set as sacrebleu has it."""
    import sacrebleu

    try:
        files = (
            sacrebleu.get_source_file(test_set, f"{source}-{target}"),
            sacrebleu.get_reference_files(test_set, f"{source}-{target}")[0],
        )
        sides = [read_lines(Path(file)) for file in files]
    except Exception as error:  # plain ones, and those of the network
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise OSError(
            f"the test set {test_set!r} for {source}-{target} cannot be had from sacrebleu ({reason}); check its name "
            "and the network, or name a split of the data set"
        ) from error
    return list(zip(*sides, strict=True))


def _read(dataset: str, config: str | None, revision: str | None) -> Mapping[str, Any]:
    """All splits by name."""
    datasets = require("datasets", f"data set {dataset!r}")
    local = Path(dataset).is_dir()
    try:
        if (Path(dataset) / "dataset_dict.json").is_file():
            dataset_splits: Mapping[str, Any] = datasets.load_from_disk(dataset)
        else:
            dataset_splits = datasets.load_dataset(dataset, config, revision=revision)
    # The libraries raise errors of many kinds, their own and those of what they read with.
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        remedy = (
            "check the folder, config and splits"
            if local
            else (
                "check its name, config and revision, or name a folder that holds a copy, made with: "
                f"hf download {dataset} --repo-type dataset --local-dir FOLDER"
            )
        )
        raise OSError(f"data set {dataset!r} cannot be read ({reason}); {remedy}") from error
    return dataset_splits


def _pairs(split: Any, source: str, target: str, place: str) -> list[Pair]:
    columns, sides = _sides(split, source, target)
    names = source, target
    return list(
        zip(*(_texts(texts, name, columns, place) for name, texts in zip(names, sides, strict=True)), strict=True)
    )


def _texts(cells: list[Any], name: str, columns: list[str], place: str) -> list[str]:
    """The texts of a column; a row without one, which a reader of CSV makes of NA, too, is empty and so counted."""
    if name not in columns:
        raise ValueError(f"{place} has no text under {name!r}; its columns are {', '.join(columns)}")
    for row, cell in enumerate(cells):
        if not isinstance(cell, str | None):
            raise ValueError(f"row {row} of {place} has {cell!r} under {name!r}, which is no text; name another column")
    return [cell or "" for cell in cells]


def _sides(split: Any, *names: str) -> tuple[list[str], list[list[Any]]]:
    """The columns that a split has, and the cells of some of them; [None] for one that it has not."""
    columns = split.column_names
    records = split["translation"][:] if "translation" in columns else []
    if any(isinstance(record, dict) for record in records):
        known = sorted({name for record in records if record for name in record})
        return known, [[(record or {}).get(name) for record in records] for name in names]
    return columns, [split[name][:] if name in columns else [None] for name in names]
