"""A scorer whose process dies at some texts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.digest_scorer import Digest


class Fragile(Digest):
    """A pair's digest; the process ends at the source "fall once" the first time, and at "fall" each time.

    Args:
        marks: Folder where each process leaves a file of its id with the pairs that it was asked for.
    """

    def __init__(self, marks: Path) -> None:
        super().__init__()
        self.marks = marks

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        with (self.marks / str(os.getpid())).open("a") as file:
            file.writelines(f"{source}\t{hypothesis}\n" for source, hypothesis in zip(sources, hypotheses, strict=True))
        fallen = self.marks / "fallen"
        if "fall" in sources or ("fall once" in sources and not fallen.exists()):
            fallen.touch()
            raise RuntimeError("this scorer has fallen")
        print("a library's talk")  # must not be taken for an answer
        return super().score(sources, hypotheses)
