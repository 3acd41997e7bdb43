from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seq2seq_env.models import low_precision
from seq2seq_env.models.low_precision import available, linear_product
from seq2seq_env.models.low_precision_names import Arithmetic

CPU = torch.device("cpu")


@pytest.mark.parametrize(("name", "error"), [("float32", 1e-6), ("bfloat16", 0.02), ("int8", 0.03)])
def test_a_product_is_the_linear_layer_within_its_rounding(name: Arithmetic, error: float) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer, values = torch.nn.Linear(64, 48), torch.randn(5, 64)
    layer.weight.data[3] = 0  # a row without a scale
    with torch.inference_mode():
        result, expected = linear_product(layer.weight, layer.bias, name)(values), layer(values)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, expected, rtol=0, atol=error)


def test_what_a_device_lacks_is_float32() -> None:
    with pytest.warns(RuntimeWarning, match="meta has no int8 instructions; computing in float32"):
        assert available("int8", torch.device("meta")) == "float32"


@pytest.mark.parametrize(("flags", "expected"), [("avx512_bf16 amx_tile amx_bf16", True), ("avx512_bf16", False)])
def test_a_cpu_has_bf16_where_linux_says_amx(
    flags: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(low_precision, "CPU_FLAGS", tmp_path / "cpuinfo")
    assert not low_precision.has_bf16(CPU)  # another system than Linux
    (tmp_path / "cpuinfo").write_text(f"flags\t\t: fpu {flags} sse2\n")
    assert low_precision.has_bf16(CPU) == expected
    assert not low_precision.has_bf16(torch.device("mps"))
