"""JoeyNMT's training as its users run it: a configuration, text files and its command, in its own environment.

Its package wants other versions than ours, so it is never imported here.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from agents import PolicyConfig

# Of an epoch in the log, loading and validation not counted.
_EPOCH = re.compile(r"num\. of tokens: (\d+), ([\d.]+)\[sec\]")

Row = dict[str, list[int]]
"""Token ids of ``input_ids`` and ``labels``, end-of-sequence last."""


def joeynmt_epoch(
    python: Path, sizes: PolicyConfig, vocab_size: int, rows: Sequence[Row], tokens_per_batch: int
) -> Callable[[], float]:
    """A timing of one epoch.

    Args:
        python: Of an environment with JoeyNMT.
        sizes: Of the network; it gets the same.
        vocab_size: Tokens of the joint vocabulary.
        rows: What is trained on.
        tokens_per_batch: Of a batch, padding counted.

    Returns:
        Trains two epochs, and gives the second's seconds by JoeyNMT's log.

    Raises:
        RuntimeError: From the timing, if JoeyNMT is not there or its training fails.
    """

    def train() -> float:
        with TemporaryDirectory() as folder:
            config = _prepare(Path(folder), sizes, vocab_size, rows, tokens_per_batch)
            done = subprocess.run(
                [str(python), "-m", "joeynmt", "train", str(config), "--skip-test"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        epochs = [float(seconds) for _, seconds in _EPOCH.findall(done.stdout + done.stderr)]
        if len(epochs) < 2:
            raise RuntimeError(
                f"JoeyNMT of {str(python)!r} did not train; its last words were: {(done.stderr or done.stdout)[-600:]}"
            )
        return epochs[1]

    return train


def _prepare(folder: Path, sizes: PolicyConfig, vocab_size: int, rows: Sequence[Row], tokens_per_batch: int) -> Path:
    """Write the data, the vocabulary and the configuration; JSON is YAML too."""
    for split, chosen in (("train", rows), ("dev", rows[:2])):
        for side, name in (("src", "input_ids"), ("trg", "labels")):
            lines = (" ".join(f"w{token}" for token in row[name][:-1]) for row in chosen)
            (folder / f"{split}.{side}").write_text("\n".join(lines) + "\n", "utf-8")
    vocabulary = folder / "vocabulary.txt"
    vocabulary.write_text("".join(f"w{token}\n" for token in range(vocab_size)), "utf-8")
    texts = {"level": "word", "voc_file": str(vocabulary), "max_length": 1000}

    def half(layers: int) -> dict[str, object]:
        return {
            "type": "transformer", "num_layers": layers, "num_heads": sizes.num_heads, "hidden_size": sizes.d_model,
            "ff_size": sizes.ffn_dim, "dropout": sizes.dropout,
            "embeddings": {"embedding_dim": sizes.d_model, "scale": True, "dropout": sizes.dropout},
        }  # fmt: skip

    config = {
        "name": "speed", "model_dir": str(folder / "model"), "use_cuda": False, "random_seed": 1,
        "data": {
            "train": str(folder / "train"), "dev": str(folder / "dev"), "dataset_type": "plain",
            "src": {"lang": "src", **texts}, "trg": {"lang": "trg", **texts},
        },
        "testing": {"eval_metrics": ["bleu"], "beam_size": 1, "batch_size": 2},
        "training": {
            "optimizer": "adamw", "adam_betas": [0.9, 0.98], "learning_rate": 1e-4, "clip_grad_norm": 1.0,
            "batch_type": "token", "batch_size": tokens_per_batch, "normalization": "tokens", "epochs": 2,
            "scheduling": "noam", "validation_freq": 10**9, "logging_freq": 10**9, "print_valid_sents": [],
        },
        "model": {
            "tied_embeddings": True, "tied_softmax": True, "encoder": half(sizes.encoder_layers),
            "decoder": half(sizes.decoder_layers),
        },
    }  # fmt: skip
    path = folder / "config.yaml"
    path.write_text(json.dumps(config, indent=2), "utf-8")
    return path
