"""Texts line by line: from files, pipes and command lines, to files and pipes. UTF-8; only a line feed ends a line."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from seq2seq_env.atomic_files import written_file


class Lines:
    """The lines of a stream, decoded one at a time, without their ends.

    Args:
        stream: Binary.
        name: For messages.

    Attributes:
        repeatable: Whether they can be read again; those of a pipe cannot.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.name = name
        self.repeatable = stream.seekable()
        self._stream = stream
        self._start = stream.tell() if self.repeatable else 0

    def __iter__(self) -> Iterator[str]:
        """The lines, from the first one on where they are repeatable.

        Raises:
            ValueError: If a line is not UTF-8, naming it.
        """
        if self.repeatable:
            self._stream.seek(self._start)
        for number, raw in enumerate(self._stream, start=1):
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"line {number} of {self.name} is not UTF-8 ({error.reason}); convert it, say with "
                    "iconv -f latin1 -t utf-8, or unpack it"
                ) from error
            yield text.removesuffix("\n").removesuffix("\r")


@contextmanager
def open_lines(texts: Sequence[str], file: Path | None) -> Iterator[Lines]:
    """The lines of some texts, else of a file, else of standard input.

    Raises:
        ValueError: If there are texts and a file, or neither and nobody pipes anything in.
        OSError: If the file cannot be read.
    """
    if texts and file is not None:
        raise ValueError(f"there are texts and the file {str(file)!r}; give either")
    if texts:
        # What a terminal sent in another encoding Python keeps as surrogates.
        joined = "".join(f"{text}\n" for text in texts).encode("utf-8", "surrogateescape")
        yield Lines(io.BytesIO(joined), "the command line")
    elif file is not None:
        with file.open("rb") as stream:
            yield Lines(stream, repr(str(file)))
    elif sys.stdin.isatty():
        raise ValueError("there is no text; write it in quotation marks, name a file with --input, or pipe it in")
    else:
        yield Lines(sys.stdin.buffer, "standard input")


@contextmanager
def open_output(file: Path | None) -> Iterator[BinaryIO]:
    """A stream to standard output, or to a file that is written atomically where the block ends without an error.

    Raises:
        FileNotFoundError: If the file's folder is not there.
        FileExistsError: If the name is that of a folder or a device.
        OSError: If it cannot be written; nothing is left behind.
    """
    if file is None:
        yield sys.stdout.buffer
        return
    file = file.resolve()
    if not file.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(file.parent)!r} for {file.name}; make it first")
    if file.exists() and not file.is_file():
        raise FileExistsError(f"{str(file)!r} is no ordinary file; choose another output, or pipe the standard one")
    with written_file(file) as stream:
        yield stream
