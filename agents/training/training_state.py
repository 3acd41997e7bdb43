"""State of a training on disk: what it goes on from after it was killed, as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState  # type: ignore[import-untyped]
from accelerate.utils import gather_object  # type: ignore[import-untyped]
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from agents.training.history import History
from agents.training.tensor_parts import part_like, whole_tensor
from agents.training.training_config import FREE_FIELDS, TrainingConfig
from buffers import Slice

FORMAT = "seq2seq-env training 1"

MOMENTS = "optimizer"


@dataclass
class Position:
    """How far a training is."""

    tokens: int = 0
    """Target tokens trained on."""
    steps: int = 0
    """Steps of the optimiser."""
    epoch: int = 0
    """Number of the epoch, from 0."""
    batches: int = 0
    """Batches of that epoch that were trained on."""
    learning_rate: float = 0.0
    """Of the last step."""


class TrainingState:
    """The file that holds a training as it was at its last evaluation: safetensors, with the numbers as JSON beside.

    It has the networks, their best weights, AdamW's moments, every process's random generators, the position and the
    history. On one thread, a training that goes on from it ends with the weights, bit by bit, of one that was never
    interrupted; but for those of GOLD, of OAC and of an online agent on a stored slice: what these keep of a frozen
    network, from the batch that had a trajectory first, differs by rounding.

    Args:
        path: The file; its folder is made where missing.
        learner: Name and options of what trains.
        networks: All that changes in the training, by name.
        optimizer: Of what is trained.
        config: Of the training.
        data: What is trained on.
    """

    def __init__(
        self,
        path: Path,
        learner: Mapping[str, object],
        networks: Mapping[str, nn.Module],
        optimizer: torch.optim.Optimizer,
        config: TrainingConfig,
        data: Slice,
    ) -> None:
        self.path, self._networks, self._optimizer = path, networks, optimizer
        self._processes = PartialState()
        self._device = next(iter(next(iter(networks.values())).parameters())).device
        self._training = {
            **learner,
            **{name: value for name, value in asdict(config).items() if name not in FREE_FIELDS},
            "data": _digest(data),
            "processes": self._processes.num_processes,
        }

    def save(self, position: Position, history: History) -> None:
        """Write it atomically; every process calls it, and the first writes."""
        generators = gather_object([_generators(self._device)])
        numbers, kept = history.state()
        tensors: dict[str, Tensor] = {}
        for name, value in self._tensors(kept):
            whole = whole_tensor(value)
            if self._processes.is_main_process:
                tensors[name] = _stored(whole)
        if not self._processes.is_main_process:
            return
        for rank, states in enumerate(generators):
            tensors |= {f"generator.{rank}.{name}": value for name, value in states.items()}
        record = {"training": self._training, "position": asdict(position), "history": numbers}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f".{self.path.name}.part")
        save_file(tensors, partial, {"format": FORMAT, "state": json.dumps(record)})
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(self.path)

    def load(self, history: History) -> Position | None:
        """Put networks, optimiser, generators and history back; None where there is no file, and nothing is changed.

        Raises:
            ValueError: If the file is corrupt, or of a training with another learner, options, data or networks.
        """
        if not self.path.is_file():
            return None
        record, tensors = self._read()
        for name, mine in self._training.items():
            if (saved := record["training"].get(name)) != mine:
                raise self._refusal(f"is the state of another training: {name} was {saved!r} and is now {mine!r}")
        parts: dict[str, dict[str, Tensor]] = {"kept": {}, "network": {}, MOMENTS: {}, "generator": {}}
        for name, value in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = value
        own = dict(self._weights())
        if {name: value.shape for name, value in own.items()} != {n: v.shape for n, v in parts["network"].items()}:
            raise self._refusal("is the state of other networks")
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(part_like(value, parts["network"][name]))
        self._optimizer.load_state_dict(
            {"state": self._moments(parts[MOMENTS]), "param_groups": self._optimizer.state_dict()["param_groups"]}
        )
        _set_generators(parts["generator"], self._processes.process_index, self._device)
        history.resume(record["history"], parts["kept"])
        return Position(**record["position"])

    def _tensors(self, kept: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
        """Best weights, weights and moments, by their names in the file."""
        yield from ((f"kept.{name}", value) for name, value in kept.items())
        yield from ((f"network.{name}", value) for name, value in self._weights())
        for index, moments in self._optimizer.state_dict()["state"].items():
            yield from ((f"{MOMENTS}.{index}.{name}", value) for name, value in moments.items())

    def _weights(self) -> Iterator[tuple[str, Tensor]]:
        """Parameters and buffers of all networks, by the networks' names and theirs."""
        for name, network in self._networks.items():
            for key, value in network.state_dict().items():
                yield f"{name}.{key}", value

    def _moments(self, tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
        """The optimiser's state by the number of the parameter."""
        parameters = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            index, _, key = name.partition(".")
            # All but the count of steps have their parameter's shape, and are parted as it is.
            moment = part_like(parameters[int(index)], value) if value.dim() else value
            moments.setdefault(int(index), {})[key] = moment
        return moments

    def _read(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        try:
            with safe_open(self.path, "pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise self._refusal("is no state of a training")
                return json.loads(metadata["state"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise self._refusal(f"is corrupt ({error})") from error

    def _refusal(self, why: str) -> ValueError:
        return ValueError(f"{str(self.path)!r} {why}; delete it to train from the start")


def saved_weights(path: Path, network: str) -> dict[str, Tensor]:
    """A network's weights as they were when a :class:`TrainingState` was saved, not the best ones, by their names.

    Args:
        path: Of the state's file.
        network: Its name among the networks.
    """
    prefix = f"network.{network}."
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
        return {name.removeprefix(prefix): file.get_tensor(name) for name in names}


def _stored(value: Tensor) -> Tensor:
    """A copy as safetensors takes it: contiguous, and of no memory that another tensor has, as tied weights do."""
    return torch.clone(value.detach().cpu(), memory_format=torch.contiguous_format)


def _digest(data: Slice) -> str:
    """Hexadecimal sha256 of which trajectories are trained on, and of their rewards."""
    digest = hashlib.sha256()
    for column in (data.source_index, data.source_lengths, data.target_lengths, data.rewards):
        digest.update(column.tobytes())
    return digest.hexdigest()


def _generators(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def _set_generators(states: Mapping[str, Tensor], rank: int, device: torch.device) -> None:
    torch.set_rng_state(states[f"{rank}.cpu"])
    # A training that moved to a GPU has no state of one, and goes on with that of its seed.
    if device.type == "cuda" and f"{rank}.cuda" in states:
        torch.cuda.set_rng_state(states[f"{rank}.cuda"], device)
