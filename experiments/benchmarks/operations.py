"""What a computation on tensors does: its arithmetic, the bytes its operators touch, and where its time goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

KINDS: dict[str, tuple[str, ...]] = {
    "matrix products": ("mm", "addmm", "addmm_", "linear"),
    "attention": ("bmm", "baddbmm", "_softmax", "_softmax_backward_data", "_scaled_dot_product"),
    "norms, activations": ("native_layer_norm", "gelu", "silu", "relu", "threshold", "sigmoid", "tanh"),
    "dropout": ("native_dropout", "bernoulli", "random_", "ge", "dropout"),
    "loss, choice of tokens": ("_log_softmax", "nll", "logsumexp", "gather", "multinomial", "exponential", "argmax"),
    "optimiser": ("_fused_adamw", "_foreach", "linalg_vector_norm"),
    "copies": ("copy_", "cat", "index", "clone", "fill_", "zero_", "slice_backward", "embedding", "masked_fill"),
}
"""Kind of operators to how their names begin; those of one word must match whole where another kind's begin so, too."""

OTHERS, OUTSIDE = "other operators", "outside of operators"


class OperationCount(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts within its ``with`` block, forward and backward.

    Attributes:
        flop: Multiplications and additions of matrix products and attention; elementwise work is not counted.
        touched: Bytes of all operators' inputs and outputs, views left out: what memory or caches had to move.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flop, self.touched = 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count one operator, or those that it is made of."""
        kwargs = kwargs or {}
        with self:
            decomposed = func.decompose(*args, **kwargs)
        if decomposed is not NotImplemented:
            return decomposed
        result = func(*args, **kwargs)
        name = func.overloadpacket.__name__
        self.flop += _flop(name, args, result)
        # A view moves nothing; an operator in place writes what it read.
        if not func.is_view:
            tensors = [*_tensors(args), *_tensors([result])]
            self.touched += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return result


def time_shares(run: Callable[[], object]) -> dict[str, float]:
    """Share of each of ``KINDS``, of other operators and of all outside of them (Python, tokenizers) in a run's time.

    The profiler itself takes time, most of it outside of the operators.
    """
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        started = time.perf_counter()
        run()
        seconds = time.perf_counter() - started
    shares = dict.fromkeys((*KINDS, OTHERS), 0.0)
    for event in profiled.key_averages():
        if event.key.startswith("aten::"):
            shares[_kind(event.key.removeprefix("aten::"))] += event.self_cpu_time_total / 1e6 / seconds
    return shares | {OUTSIDE: max(0.0, 1 - sum(shares.values()))}


def _kind(name: str) -> str:
    for kind, beginnings in KINDS.items():
        if name in beginnings:
            return kind
    longest = {kind: max((len(each) for each in beginnings if len(each) > 3 and name.startswith(each)), default=0)
               for kind, beginnings in KINDS.items()}  # fmt: skip
    best = max(longest, key=lambda kind: longest[kind])
    return best if longest[best] else OTHERS


def _flop(name: str, args: Any, result: Any) -> int:
    if name in ("mm", "bmm"):
        return 2 * int(result.numel()) * int(args[0].shape[-1])
    if name in ("addmm", "addmm_", "baddbmm"):
        return 2 * int(result.numel()) * int(args[1].shape[-1])
    if name.startswith("_scaled_dot_product") and not name.endswith("backward"):
        query, key = args[:2]
        return 4 * int(query.numel()) * int(key.shape[-2])
    return 0


def _tensors(values: Any) -> list[Tensor]:
    if isinstance(values, Tensor):
        return [values]
    return [tensor for value in values for tensor in _tensors(value)] if isinstance(values, list | tuple) else []
