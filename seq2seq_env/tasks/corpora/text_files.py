"""Text-files task: aligned text of a user's own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from seq2seq_env.tasks.corpora.aligned_text import files_of, read_pairs, read_sources
from seq2seq_env.tasks.corpora.corpus import CorpusTask, Leaks
from seq2seq_env.tasks.corpora.hold_out import hold_out, with_left_out
from seq2seq_env.tasks.task import SOURCE_ONLY, SPLITS
from seq2seq_env.tokenization.tokenizer_choice import TokenizerChoice


class TextFilesTask(CorpusTask):
    """Sentences from files that lie in one folder.

    Each split is two files of aligned lines (``train.de``, ``train.en``) or one table (``train.tsv`` with a header, or
    ``train.jsonl``) with a column for each language; all may be packed as ``.gz``. Sentences without references are one
    file of lines beside them (``source-only.de``), or a table with the source's column.

    Args:
        seed: Unused; the sentences are what they are.
        folder: Where the files are.
        source: Ending of the source files, or name of the source column.
        target: Ending of the target files, or name of the target column.
        train: Name of the training files before their ending.
        validation: Name of the validation files before their ending.
        test: Name of the test files before their ending.
        source_only: Name of the file of sentences without references before its ending; None takes "source-only" where
            there is such a file.
        held_out: Size of the hold-out splits: sources of the training files that become the validation split, and as
            many the test split, which then have no files; 0 where they have.
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
        FileNotFoundError: If files are missing.
        ValueError: If files do not fit together, or for a reason of :class:`CorpusTask`.
    """

    name = "text-files"

    def __init__(
        self,
        seed: int = 0,
        *,
        folder: str | Path,
        source: str,
        target: str,
        train: str = "train",
        validation: str = "validation",
        test: str = "test",
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
        if source == target:
            raise ValueError(f"source and target are both {source!r}; name two endings or two columns")
        place = Path(folder).absolute()
        own = TokenizerChoice.of(tokenizer, source_language, target_language, source_prefix, prompt, chat)
        made_by = partial(
            TextFilesTask, seed, folder=place, source=source, target=target, train=train, validation=validation,
            test=test, source_only=source_only, held_out=held_out, tokenizer=own.name, source_language=source_language,
            target_language=target_language, source_prefix=source_prefix, prompt=prompt, chat=chat,
            vocab_size=vocab_size, max_tokens=max_tokens, max_ratio=max_ratio, leaks=leaks,
        )  # fmt: skip
        if held_out:
            if (validation, test) != ("validation", "test"):
                raise ValueError(
                    f"held_out {held_out} takes both splits out of the training files; leave out validation "
                    f"{validation!r} and test {test!r}, or held_out"
                )
            if there := [name for split in SPLITS[1:] for name in files_of(place, split, source, target)]:
                raise ValueError(
                    f"held_out {held_out} takes both splits out of the training files, yet {', '.join(there)} would be "
                    f"left unread in {str(folder)!r}; leave out held_out, or move them elsewhere"
                )
            pairs, left_out = hold_out(read_pairs(place, train, source, target), held_out)
        else:
            pairs, left_out = {"train": read_pairs(place, train, source, target)}, {}
            try:
                for name, stem in zip(SPLITS[1:], (validation, test), strict=True):
                    pairs[name] = read_pairs(place, stem, source, target)
            except FileNotFoundError as error:
                raise FileNotFoundError(
                    f"{error}; give them, or take both splits out of the training files by the task option held_out N"
                ) from error
        stem = source_only or SOURCE_ONLY
        wanted = source_only is not None or files_of(place, stem, source)
        super().__init__(
            made_by,
            pairs,
            read_sources(place, stem, source) if wanted else None,
            tokenizer=own, vocab_size=vocab_size, max_tokens=max_tokens, max_ratio=max_ratio, leaks=leaks,
        )  # fmt: skip
        self.cleaning = with_left_out(self.cleaning, left_out)
