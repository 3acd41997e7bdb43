"""Learned scorer: any Hugging Face sequence-regression checkpoint."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.atomic_files import write_json, written_folder
from seq2seq_env.models.length_bucketing import length_buckets
from seq2seq_env.models.low_precision_names import Arithmetic
from seq2seq_env.models.quiet_loading import quiet
from seq2seq_env.publishing import ModelCard, Publication, Publishable
from seq2seq_env.scorers.models.checkpoints import WEIGHTS, CheckpointScorer, files_fingerprint, readable
from seq2seq_env.scorers.models.pairs import CONFIG_NAME, EncodedPair, PairEncoder
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.scorers.spec import ScorerKind, ScorerSpec
from seq2seq_env.suggestions import check_name
from seq2seq_env.tokenization.tokenizer import FILE_NAME

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from seq2seq_env.scorers.models.packed_bert import PackedBert

Activation = Literal["sigmoid", "identity"]
"""What makes a score of the network's one output."""

_ACTIVATION_KEY = "score_activation"
_WHAT = (
    "A reference-free scorer of seq2seq-env: rates a source and a translation of it; `score_activation` in config.json "
    "says how the network's one output becomes a score in [0, 1]."
)
_USAGE = """from huggingface_hub import snapshot_download
from seq2seq_env import load_scorer  # pip install seq2seq-env

scorer = load_scorer(snapshot_download("{repo}"))
print(scorer.score(["a source"], ["its translation"]))"""


class _Network(NamedTuple):
    """What is loaded at the first score."""

    model: PreTrainedModel
    pairs: PairEncoder
    reads_segments: bool
    packed: PackedBert | None


class LearnedScorer(CheckpointScorer[_Network], ScorerKind, Publishable):
    """Rates (source, hypothesis) with a network of one output, read through ``AutoModelForSequenceClassification``.

    The folder holds ``config.json``, ``model.safetensors`` and ``tokenizer.json``, as transformers saves them. The key
    ``score_activation`` in ``config.json`` says how the output becomes a score: "sigmoid", or "identity" (when absent)
    for networks trained to put out [0, 1]. Weights are read from safetensors only, code from the checkpoint is never
    run, and weights stored in half precision compute in float32.

    Scores are batch-invariant: pairs are never padded, so there is no padding that could matter, and each score is the
    same to 1e-6 in any order, beside any others and with any ``tokens_per_batch`` (on a CPU in float32; the last bits
    may differ because matrix products of other shapes add in another order). A BERT reads pairs of all lengths laid
    end to end (:mod:`seq2seq_env.scorers.models.packed_bert`), other networks pairs of equal length at a time. Equal
    pairs are computed once. A pair longer than the network reads loses the end of its hypothesis.

    Nothing is loaded before the first score, and a pickle leaves the network out: it is read again from the folder.

    Args:
        folder: The checkpoint.
        device: Where the network computes, "cpu" or "cuda:0" and the like.
        tokens_per_batch: Tokens of one forward pass at most, unless a single pair is longer. None is 2,048 on a CPU,
            whose caches hold them, and 16,384 on a GPU.
        compute_type: Arithmetic of a BERT's linear layers, "float32", "bfloat16" or "int8". Others than float32 are
            faster where the device has them, move the scores, and are another scorer, with a fingerprint of its own;
            where the device has no such instructions, float32 is taken, and it is the same scorer.

    Raises:
        FileNotFoundError: If the folder lacks a file.
        ValueError: If its configuration is corrupt, it has not exactly one output, or an unknown activation or compute
            type.

    Warns:
        RuntimeWarning: If the device has no instructions of the compute type.
    """

    def __init__(
        self, folder: str | Path, *, device: str = "cpu", tokens_per_batch: int | None = None,
        compute_type: Arithmetic = "float32",
    ) -> None:  # fmt: skip
        self.folder = Path(folder).absolute()  # what is loaded later may be loaded from another working directory
        super().__init__(device, tokens_per_batch)
        missing = [name for name in ("config.json", FILE_NAME) if not (self.folder / name).is_file()]
        if not list(self.folder.glob(WEIGHTS)):
            missing.append("model.safetensors")
        if missing:
            raise FileNotFoundError(f"{str(folder)!r} is not a scorer's checkpoint: it has no {', '.join(missing)}")
        try:
            config = dict(json.loads((self.folder / "config.json").read_text("utf-8")))
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"config.json in {str(folder)!r} is corrupt ({error}); save or download it again"
            ) from error
        # A config that names no labels has the two of transformers' default.
        outputs = config.get("num_labels", len(config.get("id2label") or ("no", "yes")))
        if outputs != 1:
            raise ValueError(f"the checkpoint in {str(folder)!r} has {outputs} outputs; a scorer has num_labels=1")
        self.activation: Activation = config.get(_ACTIVATION_KEY, "identity")
        check_name(_ACTIVATION_KEY, self.activation, get_args(Activation))
        check_name("compute_type", compute_type, get_args(Arithmetic))
        self.compute_type: Arithmetic = compute_type
        if compute_type != "float32":
            import torch

            from seq2seq_env.models.low_precision import available

            self.compute_type = available(compute_type, torch.device(device))

    @classmethod
    def from_spec(cls, spec: ScorerSpec, *, device: str, load: Callable[[str], Scorer]) -> LearnedScorer:
        """See :class:`seq2seq_env.scorers.ScorerKind`; the word is a checkpoint's name or folder."""
        [name] = spec.scorer_names(1, "the one checkpoint that computes so")
        checkpoint = load(name)
        if not isinstance(checkpoint, LearnedScorer):
            raise ValueError(f"{spec.kind}: is followed by {name!r}, which is no checkpoint of one network; name one")
        return cls(checkpoint.folder, device=device, **spec.keyword_arguments(cls))

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 over the files that determine the scores, and the compute type that is not float32."""
        return files_fingerprint(self._files(), *([] if self.compute_type == "float32" else [self.compute_type]))

    @staticmethod
    def save(
        folder: str | Path,
        model: PreTrainedModel,
        pairs: PairEncoder,
        *,
        activation: Activation = "sigmoid",
        dtype: Literal["float32", "float16"] = "float32",
    ) -> None:
        """Write a checkpoint that :class:`LearnedScorer` and transformers' Auto classes read; ``model`` is not changed.

        Args:
            folder: Made if it is not there.
            model: A sequence-classification model with one output.
            pairs: Turns pairs into the model's tokens; must be what it was trained with.
            activation: What makes a score of the model's output.
            dtype: Of the stored weights; "float16" halves the file.

        Raises:
            ValueError: If the model has not one output, or its vocabulary is smaller than the tokenizer's.
            OSError: If the folder cannot be written; a scorer that was there before stays.
        """
        check_name(_ACTIVATION_KEY, activation, get_args(Activation))
        config = model.config
        if config.num_labels != 1:
            raise ValueError(f"the model has {config.num_labels} outputs; a scorer has num_labels=1")
        if config.vocab_size < pairs.vocab_size:
            raise ValueError(f"the model knows {config.vocab_size} tokens but the tokenizer has {pairs.vocab_size}")
        half = dtype == "float16"
        weights = {k: v.half() if half and v.is_floating_point() else v for k, v in model.state_dict().items()}
        with written_folder(Path(folder), last="config.json") as part:
            model.save_pretrained(part, state_dict=weights)
            stored = json.loads((part / "config.json").read_text("utf-8"))
            write_json(part / "config.json", stored | {_ACTIVATION_KEY: activation})
            pairs.save(part)

    def trainable(self) -> tuple[PreTrainedModel, PairEncoder, bool]:
        """The network in float32, read anew; what turns pairs into its tokens; whether it reads segments.

        Raises:
            ValueError: If the checkpoint is corrupt, lacks weights or does not fit its tokenizer.
        """
        with quiet():
            return self._load()[:3]

    def publication(self, licence: str) -> Publication:
        """The checkpoint, for :meth:`push_to_hub`."""
        tags = ("translation", "quality-estimation", "seq2seq-env")
        return Publication(self._copy, ModelCard(_WHAT, _USAGE, "text-classification", tags, licence), [WEIGHTS])

    def _files(self) -> list[Path]:
        """What determines the scores."""
        names = {"config.json", FILE_NAME, CONFIG_NAME}
        return sorted(path for path in self.folder.iterdir() if path.name in names or path.match(WEIGHTS))

    def _copy(self, folder: Path) -> None:
        for path in self._files():
            shutil.copyfile(path, folder / path.name)

    def _load(self) -> _Network:
        from transformers import AutoModelForSequenceClassification

        from seq2seq_env.scorers.models.packed_bert import PackedBert, is_plain_bert

        with readable(f"the checkpoint in {str(self.folder)!r}"):
            model, loading = AutoModelForSequenceClassification.from_pretrained(
                self.folder, use_safetensors=True, trust_remote_code=False, local_files_only=True,
                output_loading_info=True,
            )  # fmt: skip
        if loading["missing_keys"]:
            names = ", ".join(sorted(loading["missing_keys"]))
            raise ValueError(f"the checkpoint in {str(self.folder)!r} lacks weights ({names}); train its head first")
        parameters = inspect.signature(model.forward).parameters
        pairs = PairEncoder.load(self.folder, _positions(model))
        # RoBERTa's forward takes segments too, but its table has one row.
        reads_segments = "token_type_ids" in parameters and getattr(model.config, "type_vocab_size", 0) > 1
        network = model.float().eval().to(self.device)
        packed = PackedBert(network, self.compute_type) if is_plain_bert(network) else None
        if packed is None and self.compute_type != "float32":
            raise ValueError(
                f"compute_type is {self.compute_type!r}, and the checkpoint in {str(self.folder)!r} is no plain BERT; "
                "leave it out"
            )
        return _Network(network, pairs, reads_segments, packed)

    def _rate(self, sources: list[str], hypotheses: list[str]) -> NDArray[np.float32]:
        encoded = self._network.pairs.encode(sources, hypotheses)
        scores = np.empty(len(encoded), dtype=np.float32)
        lengths = [len(pair.tokens) for pair in encoded]
        for rows in length_buckets(lengths, self.tokens_per_batch, mixed=self._network.packed is not None):
            scores[rows] = self._forward([encoded[row] for row in rows])
        return scores

    def _forward(self, pairs: Sequence[EncodedPair]) -> NDArray[np.float32]:
        import torch

        packed = self._network.packed
        with torch.inference_mode():
            logits = self._equal_lengths(pairs) if packed is None else packed.logits(pairs)
            scores = logits.sigmoid() if self.activation == "sigmoid" else logits  # [B]
        return np.asarray(scores.cpu().numpy(), dtype=np.float32)

    def _equal_lengths(self, pairs: Sequence[EncodedPair]) -> Tensor:
        import torch

        model, _, reads_segments, _ = self._network
        tokens = torch.tensor([pair.tokens for pair in pairs], device=self.device)  # [B, L], without padding
        inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
        if reads_segments:
            inputs["token_type_ids"] = torch.tensor([pair.segments for pair in pairs], device=self.device)
        logits: Tensor = model(**inputs).logits.squeeze(-1)
        return logits


def _positions(model: PreTrainedModel) -> int | None:
    """Tokens that a network has positions for; None where it has no table of them."""
    size: int | None = getattr(model.config, "max_position_embeddings", None)
    table = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    # RoBERTa's positions begin after its padding's id.
    before = getattr(table, "padding_idx", None)
    return size if size is None or before is None else size - before - 1
