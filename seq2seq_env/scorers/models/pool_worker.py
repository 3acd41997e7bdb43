"""A worker of a scorer pool: reads a pickled scorer once, then answers batches as :class:`ProcessScorer` asks them.

Run by its path, ``python -P pool_worker.py FILE RANK``, so that it finds packages where its parent does and nowhere
else.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from pathlib import Path


def main() -> None:
    """Answer until the standard input ends; whatever the scorer raises ends the process, and its last line says it."""
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    place, rank = Path(sys.argv[1]), int(sys.argv[2])
    os.environ["OMP_NUM_THREADS"] = "1"  # workers take the other cores
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    gpus = visible.split(",") if visible else [str(gpu) for gpu in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[rank % len(gpus)]
    with place.open("rb") as file:
        sys.path[:] = pickle.load(file)
        scorer = pickle.load(file)

    from seq2seq_env.scorers.scorer import checked_scores

    for line in sys.stdin:
        batch = json.loads(line)
        try:
            scores = checked_scores(scorer, batch["sources"], batch["hypotheses"])
        except Exception as error:
            sys.exit(f"{type(error).__name__}: {error}")
        # As Python's numbers, which JSON writes so that the float32 comes back bit by bit.
        print(json.dumps({"scores": scores.tolist()}), file=answers, flush=True)


if __name__ == "__main__":
    main()
