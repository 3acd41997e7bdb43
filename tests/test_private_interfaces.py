"""What of other libraries is used though it has no public name: where one goes, the test that fails says who needs it.

Each has an upper bound of its library's version in pyproject.toml.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from seq2seq_env.extras import require

ROOT = Path(__file__).parent.parent
ROOMS = ("experiments", "agents", "buffers", "seq2seq_env")


def test_ctranslate2_lists_its_loaders() -> None:
    """agents/sampling/ctranslate2_conversion.py: a model in memory is converted; the public door takes a folder."""
    loaders = require("ctranslate2.converters.transformers", "the test")._MODEL_LOADERS
    configs = {"BartConfig", "M2M100Config", "MarianConfig", "MBartConfig", "MT5Config", "T5Config"}
    configs |= {"GPT2Config", "LlamaConfig", "MistralConfig", "Qwen2Config"}
    assert configs <= set(loaders)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_transformers_remembers_its_attention(attention: str) -> None:
    """agents/policy/backends.py: a network that trains with another attention gets its own back."""
    from transformers import MarianConfig

    assert MarianConfig(attn_implementation=attention)._attn_implementation == attention  # type: ignore[call-arg]


def test_transformers_lists_weights_to_pass_over() -> None:
    """seq2seq_env/scorers/models/mt5_regression.py: MetricX's table of outputs is read by a row, not loaded."""
    from transformers import MT5Model

    assert isinstance(MT5Model._keys_to_ignore_on_load_unexpected, (list, set))


def test_transformers_ties_weights_by_a_table() -> None:
    """agents/policy/action_values.py: a model with a last layer of d3rlpy's has no weight there to tie."""
    from transformers import MarianMTModel

    assert "lm_head.weight" in MarianMTModel._tied_weights_keys


def private_names() -> set[str]:
    """Private names that the rooms read and do not define."""
    # Public all the same: what a NamedTuple has, and os._exit.
    own, read = {"_asdict", "_replace", "_fields", "_exit"}, set[str]()
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                own.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                own.add(node.id)
            elif isinstance(node, ast.Attribute):
                (own if isinstance(node.ctx, ast.Store) else read).add(node.attr)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] not in ROOMS:
                read.update(alias.name for alias in node.names)
    return {name for name in read - own if name.startswith("_") and not name.startswith("__")}


def test_no_other_private_interface_is_used() -> None:
    """The other two of the four tested above are set by a class of ours, and so count as its own."""
    assert private_names() == {"_MODEL_LOADERS", "_attn_implementation"}
