"""A worker of a scorer pool: loads a scorer by its name, then answers batches as :class:`ProcessScorer` asks them.

Run by its path, ``python -P pool_worker.py OPTIONS``, a JSON object, so that it finds packages where its parent does
and nowhere else.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Answer until the standard input ends; whatever the scorer raises ends the process, and its last line says it."""
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    options = json.loads(sys.argv[1])
    os.environ["OMP_NUM_THREADS"] = "1"  # workers take the other cores
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    gpus = visible.split(",") if visible else [str(gpu) for gpu in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[options["rank"] % len(gpus)]
    sys.path[:] = options["path"]

    from seq2seq_env.scorers.loading import load_scorer
    from seq2seq_env.scorers.scorer import checked_scores

    scorer = load_scorer(options["name"], device=options["device"])
    if scorer.fingerprint != options["fingerprint"]:
        sys.exit(
            f"the scorer {options['name']!r} is another one in a process of its own: it goes by a task, as guards do, "
            "or has changed; pool what is inside of it, and write the rest around the pool"
        )
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
