"""A scorer's program that ends at some texts."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.digest_scorer import Digest


def main(folder: str) -> None:
    """Answer with a pair's digest; end at the source "fall once" the first time, and at "fall" each time.

    Args:
        folder: Folder where each process leaves a file of its id with the pairs that it was asked for.
    """
    scorer, marks = Digest(), Path(folder)
    fallen = marks / "fallen"
    for line in sys.stdin:
        batch = json.loads(line)
        sources, hypotheses = batch["sources"], batch["hypotheses"]
        with (marks / str(os.getpid())).open("a") as file:
            file.writelines(f"{source}\t{text}\n" for source, text in zip(sources, hypotheses, strict=True))
        if "fall" in sources or ("fall once" in sources and not fallen.exists()):
            fallen.touch()
            sys.exit("this scorer has fallen")
        print(json.dumps({"scores": scorer.score(sources, hypotheses).tolist()}), flush=True)
