"""Predictor: a translation model's features of translations that others wrote.

Shape letters: B pairs, S tokens that are given, T tokens that were written, V vocabulary, F = 3 features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seq2seq_env.models.decoder_start import decoder_start
from seq2seq_env.models.length_bucketing import length_buckets
from seq2seq_env.models.padding import pad
from seq2seq_env.models.teacher_forcing import teacher_forced_logits
from seq2seq_env.scorers.models.checkpoints import readable
from seq2seq_env.tokenization.loading import load_tokenizer

Encode = Callable[[Sequence[str]], list[list[int]]]

TOKEN_FEATURES = 3
"""Features per token: see :meth:`Predictor.features`."""

BEAM_TOKENS = 2_048
"""Source tokens of one beam search at most, those of all beams together."""

LOGITS = 2**20
"""Logits of one forward pass on a CPU at most, 4 MiB: larger blocks come from the system anew each time, which took a
third of the time of reading. Forward passes of :data:`FEWEST_TOKENS` or fewer have no such limit."""

FEWEST_TOKENS = 256

LONGEST = 256
"""Tokens that a model without a limit of its own writes at most."""


class Predictor:
    """An encoder-decoder that says of each token of a text how it follows from another text.

    Args:
        folder: An ordinary Hugging Face folder with a ``tokenizer.json`` of ours, as ``Seq2SeqPolicy.save`` writes it.
        device: Where it computes.

    Raises:
        FileNotFoundError: If the folder lacks a file.
        ValueError: If the checkpoint is corrupt.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        from transformers import AutoModelForSeq2SeqLM

        self.tokenizer = load_tokenizer(folder)
        with readable(f"the translation model in {str(folder)!r}"):
            model: Any = AutoModelForSeq2SeqLM.from_pretrained(
                folder, use_safetensors=True, trust_remote_code=False, local_files_only=True, dtype=torch.float32,
                attn_implementation="eager",
            )  # fmt: skip
        self._model = model.eval().to(device)
        # T5 has relative positions and no limit.
        self._longest: int | None = getattr(model.config, "max_position_embeddings", None)
        self._start = decoder_start(model.config, self.tokenizer)

    def features(self, given: Sequence[str], written: Sequence[str], tokens_per_batch: int) -> list[Tensor]:
        """How each token of ``written[i]`` follows from ``given[i]`` and the tokens before it.

        The features are what the model thinks of the token (Fomicheva et al. 2020, arXiv 2005.10608): ``log p(y_t)``,
        by how much the likeliest token is likelier, and the distribution's entropy in nats. Texts longer than the model
        reads lose their end.

        Args:
            given: N texts.
            written: N texts.
            tokens_per_batch: Of one forward pass at most, padding counted, unless a single pair is longer; see also
                :data:`LOGITS`.

        Returns:
            N tensors, float32 [T,F] on the CPU, end-of-sequence included.
        """
        read = self._cut(given, self.tokenizer.encode, 0)
        answers = self._cut(written, self.tokenizer.encode_targets, len(self._start) - 1)
        features_of: list[Tensor] = [torch.empty(0)] * len(read)
        lengths = [max(len(one), len(other)) for one, other in zip(read, answers, strict=True)]
        pad_id, device = self.tokenizer.pad_id, self._model.device
        if device.type == "cpu":
            limit = max(FEWEST_TOKENS, LOGITS // self._model.config.vocab_size)
            tokens_per_batch = min(tokens_per_batch, limit)
        for rows in length_buckets(lengths, tokens_per_batch, mixed=True):
            source, source_mask = pad([read[row] for row in rows], pad_id, device)
            target, target_mask = pad([answers[row] for row in rows], pad_id, device)
            features = self._forward(source, source_mask, target).cpu()  # [B,T,F]
            for row, each, length in zip(rows, features, target_mask.sum(1).tolist(), strict=True):
                features_of[row] = each[:length].clone()
        return features_of

    def translations(self, given: Sequence[str], count: int) -> list[list[str]]:
        """The model's own ``count`` likeliest translations of each text by beam search, the likeliest first.

        Args:
            given: N texts; long ones lose their end.
            count: Of each, and the width of the beam.
        """
        read = self._cut(given, self.tokenizer.encode, 0)
        translations: list[list[str]] = [[]] * len(read)
        most = LONGEST if self._longest is None else self._longest - len(self._start)
        for rows in length_buckets([len(row) for row in read], BEAM_TOKENS // count, mixed=True):
            source, mask = pad([read[row] for row in rows], self.tokenizer.pad_id, self._model.device)
            with torch.inference_mode():
                start = torch.tensor(self._start, device=source.device).expand(len(rows), -1)
                written = self._model.generate(
                    input_ids=source, attention_mask=mask.long(), decoder_input_ids=start,
                    num_beams=count, num_return_sequences=count, do_sample=False, max_new_tokens=most,
                )  # fmt: skip
            texts = self.tokenizer.decode(written[:, len(self._start) :].tolist())
            for place, row in enumerate(rows):
                translations[row] = texts[place * count : (place + 1) * count]
        return translations

    def _forward(self, source: Tensor, source_mask: Tensor, target: Tensor) -> Tensor:
        with torch.inference_mode():
            logits = teacher_forced_logits(self._model, source, source_mask, target, self._start)
            log_probs = logits.log_softmax(-1)  # [B,T,V]
            chosen = log_probs.gather(2, target[..., None])[..., 0]
            # A token of probability 0 has the product 0 times -inf, which adds nothing to the entropy.
            entropy = -log_probs.exp().mul_(log_probs).nan_to_num_(0.0).sum(-1)
            return torch.stack([chosen, log_probs.amax(-1) - chosen, entropy], dim=-1)

    def _cut(self, texts: Sequence[str], encode: Encode, before: int) -> list[list[int]]:
        """Token ids of each text, the end of long ones left out, with ``before`` places taken by other tokens."""
        distinct = list(dict.fromkeys(texts))
        tokens = dict(zip(distinct, encode(distinct), strict=True))
        if self._longest is not None:
            cut = self._longest - before - 1
            tokens = {text: row if len(row) <= cut + 1 else [*row[:cut], row[-1]] for text, row in tokens.items()}
        return [tokens[text] for text in texts]
