"""Teacher forcing: a model's logits for given targets.

Shape letters: B batch, S source length, T target length, I length of the decoder's input, V vocabulary, K tokens of the
decoder start.
"""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any

from torch import Tensor

from seq2seq_env.models.decoder_only import forward_arguments, is_decoder_only
from seq2seq_env.models.decoder_start import decoder_inputs


def teacher_forced_logits(
    model: Any, source: Tensor, source_mask: Tensor, target: Tensor, start: Sequence[int]
) -> Tensor:
    """Logits that predict each target token from the ones before it, by the model's own forward.

    Args:
        model: Any Hugging Face encoder-decoder or decoder-only model.
        source: int64 [B,S].
        source_mask: bool [B,S], true at tokens.
        target: int64 [B,T], without start token; what stands at padding does not matter.
        start: The K tokens of :func:`seq2seq_env.models.decoder_start.decoder_start`.

    Returns:
        float [B,T,V], meaningless at padding.
    """
    logits = decoder_logits(model, source, source_mask, decoder_inputs(target, start))
    # A forced language code is predicted, too, by the start token before it; nobody chose it.
    return logits[:, len(start) - 1 :]


def decoder_logits(model: Any, source: Tensor, source_mask: Tensor, inputs: Tensor) -> Tensor:
    """Logits of the token after each of ``inputs`` (int64 [B,I]), float [B,I,V]."""
    arguments: dict[str, Any] = {**forward_arguments(model.config, source, source_mask, inputs)}
    if is_decoder_only(model.config) and "logits_to_keep" in signature(model.forward).parameters:
        arguments["logits_to_keep"] = inputs.shape[1]  # no LM head over the source
    logits: Tensor = model(**arguments, use_cache=False).logits
    return logits[:, -inputs.shape[1] :]
