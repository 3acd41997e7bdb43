"""Small networks in the place of trained ones."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from transformers import PreTrainedConfig, PreTrainedModel

SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "num_labels": 1,
    "initializer_range": 0.5,  # scores far enough apart that a mix-up shows
}


def classifier(config: PreTrainedConfig) -> PreTrainedModel:
    torch.manual_seed(0)
    model: PreTrainedModel = transformers.AutoModelForSequenceClassification.from_config(config)  # type: ignore[no-untyped-call]
    model.train(False)
    return model
