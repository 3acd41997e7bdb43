"""Fully sharded training (FSDP2): each process holds its part of the weights, gradients and AdamW's moments."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from agents.policy.backends import layers
from agents.training.tensor_parts import whole_tensor
from buffers import TokenBatch

if TYPE_CHECKING:
    from agents.training.learner import Learner

_Parts = dict[str, nn.Module | nn.Parameter]
"""What a network holds itself, by name."""

LAYER_DROPS = ("encoder_layerdrop", "decoder_layerdrop", "layerdrop")
"""What the libraries' configurations call the share of layers that a training step leaves out."""


class ShardedNetworks:
    """A learner's networks, cut into one part for each process, by PyTorch's ``fully_shard``.

    Every layer is a group whose weights are gathered for its forward and its backward pass and dropped after each. All
    else (embeddings, LM head, norms, value heads) is the root's group, in which tied embeddings are one weight. The
    root is the learner's loss, so that a loss may use several networks, and any part of each.

    ``fully_shard`` changes modules for good. So it is given copies of what the networks hold. The networks get their
    own modules back, with the weights as they have become, for an evaluation and at the end; in between these have no
    memory.

    accelerate's own FSDP2 wraps one model that is called as a whole, and no model on a CPU.

    Args:
        learner: Gives the networks and the loss.
        device: Of the networks.
        processes: Of the launcher.
        bf16: Whether layers are gathered in bfloat16, for a forward pass under bfloat16 autocast.

    Raises:
        ValueError: If there is one process, or PyTorch, the learner or a network does not allow it.
    """

    def __init__(self, learner: Learner, device: torch.device, processes: int, *, bf16: bool) -> None:
        check_shardable(learner, processes)
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

        self._networks = [*learner.networks.values()]
        self._root: Any = _Root(learner)
        self._own: list[_Parts] = [{**dict(each.named_children()), **_direct(each)} for each in self._networks]
        self._whole = dict(self._root.named_parameters())
        weights = {name: parameter.data for name, parameter in self._whole.items()}
        self._empty()
        configs = [getattr(module, "config", None) for each in self._networks for module in each.modules()]
        # Attention backends are switched by a configuration that a network's modules have in common.
        memo = {id(config): config for config in configs if config is not None}
        self._sharded = copy.deepcopy(self._own, memo)
        self._put(self._sharded)
        for name, parameter in self._root.named_parameters():
            parameter.data = weights[name]
        mesh = init_device_mesh(device.type, (processes,))
        # Inputs stay as they are: under autocast every product casts its own, as with whole networks.
        low = MixedPrecisionPolicy(torch.bfloat16 if bf16 else None, torch.float32, cast_forward_inputs=False)
        for layer in chain.from_iterable(layers(each) for each in self._networks):
            fully_shard(layer, mesh=mesh, mp_policy=low)
        fully_shard(self._root, mesh=mesh)
        self._sharded = [{**names, **_direct(each)} for names, each in zip(self._sharded, self._networks, strict=True)]

    def loss(self, batch: TokenBatch, progress: float) -> NamedTuple:
        """The learner's."""
        values: NamedTuple = self._root(batch, progress)
        return values

    def reshard(self) -> None:
        """Drop gathered weights, which a forward pass without its backward pass leaves."""
        from torch.distributed.fsdp import FSDPModule

        for module in self._root.modules():
            if isinstance(module, FSDPModule):
                module.reshard()

    @contextmanager
    def whole(self, *, here: bool) -> Iterator[None]:
        """Inside, the networks are whole and as they were made, in processes that say ``here``; all must call it."""
        self._gather(keep=here)
        if not here:
            yield
            return
        self._put(self._own)
        try:
            yield
        finally:
            self._empty()
            self._put(self._sharded)

    def finish(self) -> None:
        """Make the networks whole everywhere, for good; all processes must call it."""
        self._gather(keep=True)
        self._put(self._own)

    def abandon(self) -> None:
        """Leave the networks without weights, so that whoever uses them fails at once and waits for nobody."""
        self._put(self._own)

    def _gather(self, *, keep: bool) -> None:
        with torch.no_grad():
            for name, parameter in self._root.named_parameters():
                value = whole_tensor(parameter)
                if keep:
                    # What is gathered may lie in a larger memory, with the padding that makes parts equal.
                    self._whole[name].data = value.clone()

    def _empty(self) -> None:
        for parameter in self._whole.values():
            parameter.data = parameter.new_empty(0)

    def _put(self, parts: list[_Parts]) -> None:
        for network, named in zip(self._networks, parts, strict=True):
            for name, part in named.items():
                setattr(network, name, part)


class _Root(nn.Module):
    """What FSDP sees as the model: a learner's networks, and its loss as their forward pass."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(learner.networks)
        self._loss = learner.loss

    def forward(self, batch: TokenBatch, progress: float) -> NamedTuple:
        return self._loss(batch, progress)


def check_shardable(learner: Learner, processes: int) -> None:
    """Refuse what cannot be trained in parts.

    Raises:
        ValueError: As :class:`ShardedNetworks` says.
    """
    if processes == 1:
        raise ValueError(
            "fsdp parts networks among the processes of a launcher, and there is one; start it by torchrun, or leave "
            "fsdp out"
        )
    try:
        from torch.distributed.fsdp import fully_shard  # noqa: F401
    except ImportError as error:
        raise ValueError(f"fsdp needs PyTorch 2.6 or newer, this is {torch.__version__}; update it") from error
    if learner.companions:
        raise ValueError(
            f"fsdp cannot train what {' and '.join(learner.companions)!r} follows, a copy that takes whole weights "
            "after a step; choose another agent, or leave fsdp out"
        )
    for network in learner.networks.values():
        _check_layers(network)


def _check_layers(network: nn.Module) -> None:
    for module in network.modules():
        config = getattr(module, "config", None)
        for name in LAYER_DROPS:
            if getattr(config, name, 0.0):
                raise ValueError(
                    f"{name} is {getattr(config, name)}, so that processes would leave out different layers; set it "
                    "to 0, or leave fsdp out"
                )
    held = [{id(parameter) for parameter in layer.parameters()} for layer in layers(network)]
    if sum(map(len, held)) > len(set().union(*held)):
        raise ValueError(f"layers of {type(network).__name__} share weights, which fsdp cannot part; leave fsdp out")


def _direct(network: nn.Module) -> Mapping[str, nn.Parameter]:
    """Parameters that a network holds itself and not in a module."""
    return dict(network.named_parameters(recurse=False))
