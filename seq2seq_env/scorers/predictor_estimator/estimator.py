"""Predictor-estimator scorer: how each token of source and hypothesis follows from the other text."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.atomic_files import naming, write_json
from seq2seq_env.scorers.models.checkpoints import WEIGHTS, CheckpointScorer, files_fingerprint, readable
from seq2seq_env.tokenization.pretrained_tokenizer import FILES, LANGUAGES

if TYPE_CHECKING:
    from seq2seq_env.scorers.predictor_estimator.estimator_head import EstimatorHead
    from seq2seq_env.scorers.predictor_estimator.predictor import Predictor
    from seq2seq_env.scorers.predictor_estimator.pseudo_references import PseudoReferences

RECORD, HEAD = "estimator.json", "head.safetensors"
FORWARD, BACKWARD = "forward", "backward"
PAIRS = 256
"""Pairs of which the head computes scores at once."""


class _Networks(NamedTuple):
    forward: Predictor
    backward: Predictor
    own: PseudoReferences
    head: EstimatorHead


class EstimatorScorer(CheckpointScorer[_Networks]):
    """A predictor-estimator (Kim, Lee and Na 2017): two translation models read, a small network judges.

    The predictors translate the source into the hypothesis's language and back; they stay as they are. The estimator is
    an :class:`EstimatorHead` on what they say of each token, and on how far the hypothesis agrees with the translations
    that the forward one writes itself, with a sigmoid. ``experiments/train_scorer.py`` makes one.

    A score depends on its pair alone, up to float rounding that changes with the batch: 1e-5, or more where the beam
    search of a source's own translations meets two that are equally likely to that rounding. Those are written once
    for each source, which takes most of the time. Equal pairs are computed once. Nothing is loaded before the first
    score, and a pickle leaves the networks out.

    Args:
        folder: What :meth:`save` wrote.
        device: Where the networks compute.
        tokens_per_batch: Tokens of one forward pass at most, padding counted; on a CPU fewer, for the blocks of logits
            (:data:`seq2seq_env.scorers.predictor_estimator.predictor.LOGITS`). None is 2,048 on a CPU, 16,384 on a GPU.

    Raises:
        FileNotFoundError: If the folder lacks a file.
        ValueError: If a file is corrupt, or the batch size is below 1.
    """

    def __init__(self, folder: str | Path, *, device: str = "cpu", tokens_per_batch: int | None = None) -> None:
        super().__init__(device, tokens_per_batch)
        self.folder = Path(folder).absolute()  # what is loaded later may be loaded from another working directory
        wanted = [RECORD, HEAD, *(f"{side}/model.safetensors" for side in (FORWARD, BACKWARD))]
        missing = [name for name in wanted if not (self.folder / name).is_file()]
        if missing:
            raise FileNotFoundError(f"{str(folder)!r} is not a predictor-estimator: it has no {', '.join(missing)}")

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 over the files that determine the scores."""
        names = {RECORD, HEAD, "config.json", "generation_config.json", LANGUAGES, *FILES}
        files = [path for path in self.folder.rglob("*") if path.name in names or path.match(WEIGHTS)]
        return files_fingerprint(sorted(files))

    @staticmethod
    def save(folder: str | Path, head: EstimatorHead) -> None:
        """Write the head beside the predictors, which lie in ``forward`` and ``backward`` of the folder."""
        from safetensors.torch import save_file

        folder = Path(folder)
        with naming(folder / HEAD):
            save_file({name: values.contiguous() for name, values in head.state_dict().items()}, folder / HEAD)
        write_json(folder / RECORD, {"width": head.width})

    def load_head(self) -> EstimatorHead:
        """The head, read from its file.

        Raises:
            ValueError: If the file is corrupt.
        """
        from safetensors.torch import load_file

        from seq2seq_env.scorers.predictor_estimator.estimator_head import EstimatorHead

        with readable(f"the estimator in {str(self.folder)!r}"):
            record = dict(json.loads((self.folder / RECORD).read_text("utf-8")))
            head = EstimatorHead(int(record["width"]))
            head.load_state_dict(load_file(self.folder / HEAD))
        return head.eval()

    def _load(self) -> _Networks:
        from seq2seq_env.scorers.predictor_estimator.predictor import Predictor
        from seq2seq_env.scorers.predictor_estimator.pseudo_references import PseudoReferences

        forward, backward = (Predictor(self.folder / side, self.device) for side in (FORWARD, BACKWARD))
        return _Networks(forward, backward, PseudoReferences(forward, backward), self.load_head())

    def _rate(self, sources: list[str], hypotheses: list[str]) -> NDArray[np.float32]:
        import torch

        from seq2seq_env.scorers.predictor_estimator.estimator_head import features

        forward, backward, own, head = self._network
        pairs = features(forward, backward, own, sources, hypotheses, self.tokens_per_batch)
        with torch.inference_mode():
            scores = torch.cat([head(pairs[at : at + PAIRS]) for at in range(0, len(pairs), PAIRS)]).sigmoid()
        return np.asarray(scores.numpy(), dtype=np.float32)
