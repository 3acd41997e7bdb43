"""Teacher forcing: an encoder-decoder's logits for given targets.

Shape letters: B batch, S source length, T target length, K tokens before a target, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from seq2seq_env.models.decoder_start import decoder_inputs


def teacher_forced_logits(
    model: Any, source: Tensor, source_mask: Tensor, target: Tensor, start: Sequence[int]
) -> Tensor:
    """Logits that predict each target token from the ones before it, by the model's own forward.

    Args:
        model: Any Hugging Face encoder-decoder.
        source: int64 [B,S].
        source_mask: bool [B,S], true at tokens.
        target: int64 [B,T], without start token; what stands at padding does not matter.
        start: The K tokens of :func:`seq2seq_env.models.decoder_start.decoder_start`.

    Returns:
        float [B,T,V], meaningless at padding.
    """
    logits: Tensor = model(
        input_ids=source, attention_mask=source_mask.long(), decoder_input_ids=decoder_inputs(target, start),
        use_cache=False,
    ).logits  # fmt: skip
    # A forced language code is predicted, too, by the start token before it; nobody chose it.
    return logits[:, len(start) - 1 :]
