"""What of other libraries is used though it has no public name: where one goes, the test that fails says who needs it.

Each has an upper bound of its library's version in pyproject.toml.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seq2seq_env.extras import require


def test_accelerate_resets_its_state() -> None:
    """agents/training/loop.py: each training brings its precision, which accelerate keeps for a whole process."""
    from accelerate.state import AcceleratorState  # type: ignore[import-untyped]

    assert callable(AcceleratorState._reset_state)


def test_ctranslate2_lists_its_loaders() -> None:
    """agents/sampling/ctranslate2_conversion.py: a model in memory is converted; the public door takes a folder."""
    loaders = require("ctranslate2.converters.transformers", "the test")._MODEL_LOADERS
    configs = {"BartConfig", "M2M100Config", "MarianConfig", "MBartConfig", "MT5Config", "T5Config"}
    assert configs <= set(loaders)


def test_d3rlpy_names_its_networks() -> None:
    """agents/d3rlpy_adapter/algorithms.py: what d3rlpy has learned is taken from its encoder and its last layer."""
    library = require("d3rlpy", "the test")
    algorithm: Any = library.algos.DiscreteBCConfig().create()
    algorithm.create_impl((4,), 3)
    assert algorithm.impl.modules.imitator._encoder is not None
    assert algorithm.impl.modules.imitator._fc.out_features == 3
    algorithm = library.algos.DiscreteCQLConfig().create()
    algorithm.create_impl((4,), 3)
    assert algorithm.impl.modules.q_funcs[0]._fc.out_features == 3


def test_pytorch_tells_of_bf16_instructions() -> None:
    """agents/training/precision.py: whether a CPU computes in bfloat16 or emulates it."""
    assert isinstance(torch.ops.mkldnn._is_mkldnn_bf16_supported(), bool)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_transformers_remembers_its_attention(attention: str) -> None:
    """agents/policy/backends.py: a network that trains with another attention gets its own back."""
    from transformers import MarianConfig

    assert MarianConfig(attn_implementation=attention)._attn_implementation == attention  # type: ignore[call-arg]


def test_transformers_lists_weights_to_pass_over() -> None:
    """seq2seq_env/scorers/models/mt5_regression.py: MetricX's table of outputs is read by a row, not loaded."""
    from transformers import MT5Model

    assert isinstance(MT5Model._keys_to_ignore_on_load_unexpected, (list, set))
