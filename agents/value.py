"""The value network ``V(s_t)`` and how it learns the value of the behaviour policy.

Shape letters: B batch, S source length, T target length, L target tokens in all.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_model, save_model
from torch import Tensor, nn

from agents.losses import value_loss
from agents.policy.float32_heads import in_float32
from agents.policy.hidden_states import hidden_states
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.policy.teacher_forcing import padded
from agents.returns import lambda_returns
from agents.training.training_config import TrainingConfig
from buffers import Batches, Slice, TokenBatch
from seq2seq_env.atomic_files import read_json, write_json, written_folder
from seq2seq_env.mdp.definition import Observation
from seq2seq_env.models.decoder_start import decoder_inputs

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

# What the libraries' configurations call their dropout rates.
DROPOUTS = (
    "dropout", "attention_dropout", "activation_dropout", "dropout_rate", "encoder_layerdrop", "decoder_layerdrop",
    "attn_pdrop", "embd_pdrop", "resid_pdrop",
)  # fmt: skip

WARMUP_PART = 20
"""The warmup of behaviour value estimation is at most a k-th of its target tokens."""


class ValueNetwork(nn.Module):
    """``V(s_t)``, the return to be expected from source and prefix: a policy's network with one number a position.

    It shares no weight with the policy, though it may start from a copy of it; it has no dropout, which would be noise
    in a regression. Gulcehre et al. 2023, arXiv 2308.08998, A.8.1 ("separate networks") and A.8.4.

    Args:
        config: A Hugging Face encoder-decoder's, or a decoder-only model's.
        start: Decoder start.
        tokenizer_fingerprint: Of the tokens it reads.
    """

    def __init__(self, config: PreTrainedConfig, start: Sequence[int], tokenizer_fingerprint: str) -> None:
        super().__init__()
        from transformers import AutoModel

        self.body: Any = AutoModel.from_config(  # type: ignore[no-untyped-call]
            without_dropout(config), attn_implementation="eager", dtype=torch.float32
        )
        self.head = nn.Linear(int(config.hidden_size), 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.start = tuple(start)
        self.tokenizer_fingerprint = tokenizer_fingerprint

    @classmethod
    def from_policy(cls, policy: Seq2SeqPolicy) -> Self:
        """A network of the policy's architecture that starts from its weights, and says 0 everywhere."""
        with torch.random.fork_rng():
            network = cls(policy.model.config, policy.start, policy.tokenizer.fingerprint)
        network.body.load_state_dict(policy.model.base_model.state_dict(), strict=False)
        return network.to(policy.device)

    def forward(self, batch: TokenBatch) -> Tensor:
        """``V(s_t)`` of the state before each target token, float32 [B,T], 0 at padding."""
        everywhere = hidden_states(self.body, batch.source, batch.source_mask, decoder_inputs(batch.target, self.start))
        hidden = everywhere[:, len(self.start) - 1 :][batch.target_mask]  # [L,D]
        return padded(in_float32(self.head, hidden).squeeze(-1), batch.target_mask)

    def potential(self, observation: Observation) -> NDArray[np.float32]:
        """``V(s)`` of n observations of the environment, stacked, float32 [n]: its argument ``potential``."""
        device, pad_id = self.head.weight.device, int(self.body.config.pad_token_id)
        source = torch.from_numpy(observation["source"]).to(device)
        prefix = torch.from_numpy(observation["prefix"]).to(device)
        written = torch.from_numpy(observation["prefix_length"][:, 0]).to(device)
        longest, width = int(observation["source_length"].max()), int(written.max())
        with torch.inference_mode():
            read, inputs = source[:, :longest], decoder_inputs(F.pad(prefix[:, :width], (0, 1)), self.start)
            hidden = hidden_states(self.body, read, read != pad_id, inputs)[:, len(self.start) - 1 :]
            value = in_float32(self.head, hidden[torch.arange(len(source), device=device), written]).squeeze(-1)
        return value.cpu().numpy()

    def start_at(self, value: float) -> None:
        """Say ``value`` everywhere, so that training begins with what tells sequences apart."""
        with torch.no_grad():
            self.head.weight.zero_()
            self.head.bias.fill_(value)

    def save(self, folder: str | Path) -> None:
        """Write ``config.json``, ``value.json`` and ``model.safetensors``."""
        record = {"start": [*self.start], "tokenizer_fingerprint": self.tokenizer_fingerprint}
        with written_folder(Path(folder), last="model.safetensors") as part:
            self.body.config.save_pretrained(part)
            write_json(part / "value.json", record)
            save_model(self, str(part / "model.safetensors"))

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: If the folder holds no value network.
        """
        from transformers import AutoConfig

        folder = Path(folder)
        if not (folder / "value.json").is_file():
            raise FileNotFoundError(
                f"no value.json in {str(folder)!r}; name a folder that a value network was saved to"
            )
        record = read_json(folder / "value.json")
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        with torch.random.fork_rng():
            network = cls(config, record["start"], record["tokenizer_fingerprint"])
        load_model(network, str(folder / "model.safetensors"))
        return network.to(device)


def without_dropout(config: PreTrainedConfig) -> PreTrainedConfig:
    """A copy whose dropout rates are 0: dropout would be noise in a regression."""
    config = copy.deepcopy(config)
    for name in DROPOUTS:
        if hasattr(config, name):
            setattr(config, name, 0.0)
    return config


class BVELoss(NamedTuple):
    """What :meth:`BVE.loss` returns."""

    loss: Tensor
    """float32 [], mean squared error per target token."""


class BVE:
    """Behaviour value estimation: what the policy that wrote the data can expect.

    ``L(phi) = 1/M sum_(x,y) sum_t (G_t - V_phi(s_t))^2``, ``G_t = r_t + (1 - lambda) V(s_{t+1}) + lambda G_{t+1}``

    ``lambda = 1`` is the Monte Carlo return of Gulcehre et al. 2023, arXiv 2308.08998, A.8.4; ``lambda = 0`` the
    one-step error of Gulcehre et al. 2021, arXiv 2103.09575. No maximum over actions is taken, so nothing outside the
    data is valued. It is a :class:`agents.training.learner.Learner`.

    Args:
        value: Trained in place.
        td_lambda: From 0 to 1.
    """

    def __init__(self, value: ValueNetwork, td_lambda: float = 1.0) -> None:
        self.value = value
        self.td_lambda = td_lambda

    @property
    def identity(self) -> Mapping[str, object]:
        """Behaviour value estimation, and its lambda."""
        return {"learner": "behaviour value estimation", "td_lambda": self.td_lambda}

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The value network."""
        return {"value": self.value}

    @property
    def learning_rates(self) -> Mapping[str, float]:
        """One for all."""
        return {}

    @property
    def companions(self) -> Mapping[str, nn.Module]:
        """None."""
        return {}

    def batches(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """One epoch."""
        return data.batches(tokens_per_batch, seed=seed)

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> BVELoss:
        """The equation above."""
        value = self.value(batch)  # [B,T]
        target = lambda_returns(value, batch.reward, batch.target_mask, self.td_lambda)  # [B,T]
        return BVELoss(value_loss(value, target, batch.target_mask))

    def after_step(self) -> None:
        """Nothing follows a step: the target is the value network's own."""


def value_training(training: TrainingConfig, tokens: int, learning_rate: float) -> TrainingConfig:
    """The configuration of behaviour value estimation: its own budget, and a learning rate that falls linearly to 0.

    Args:
        training: Of the Improve steps, which gives all else.
        tokens: Target tokens.
        learning_rate: At its peak.
    """
    # The Improve steps' warmup may be longer than all of this training, which would then never reach its peak.
    warmup = min(training.warmup_tokens, tokens // WARMUP_PART)
    return replace(
        training, max_tokens=tokens, warmup_tokens=warmup, learning_rate=learning_rate, schedule="linear",
        schedule_tokens=None,
    )  # fmt: skip
