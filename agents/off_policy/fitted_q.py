"""Fitted Q evaluation: the action values of a policy, learned from trajectories of another.

d3rlpy's ``ope.DiscreteFQE`` evaluates the greedy policy of an algorithm of d3rlpy's own, and reads every prefix anew;
here the policy is any, with its whole distribution, and a target is read once.

Shape letters: B batch, T target length, L target tokens in all, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from agents.importance import known_ratios
from agents.losses import value_loss
from agents.policy.float32_heads import in_float32
from agents.policy.hidden_states import hidden_states
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.policy.teacher_forcing import padded
from agents.returns import retrace
from agents.value import without_dropout
from buffers import Batches, Slice, TokenBatch
from seq2seq_env.models.decoder_start import decoder_inputs

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


class QNetwork(nn.Module):
    """``Q(s_t, a)``, the return to be expected after each next token: an encoder-decoder with V numbers a position.

    Args:
        config: A Hugging Face encoder-decoder's.
        start: Decoder start.
    """

    def __init__(self, config: PreTrainedConfig, start: Sequence[int]) -> None:
        super().__init__()
        from transformers import AutoModel

        self.body: Any = AutoModel.from_config(  # type: ignore[no-untyped-call]
            without_dropout(config), attn_implementation="eager", dtype=torch.float32
        )
        self.head = nn.Linear(int(config.hidden_size), int(config.vocab_size))
        self.start = tuple(start)

    @classmethod
    def from_policy(cls, policy: Seq2SeqPolicy, value: float) -> Self:
        """A network of the policy's architecture that starts from its weights, and says ``value`` everywhere."""
        with torch.random.fork_rng():
            network = cls(policy.model.config, policy.start)
        network.body.load_state_dict(policy.model.base_model.state_dict(), strict=False)
        with torch.no_grad():
            network.head.weight.zero_()
            network.head.bias.fill_(value)
        return network.to(policy.device)

    def forward(self, batch: TokenBatch) -> Tensor:
        """``Q(s_t, .)`` of the state before each target token, float32 [L,V], row after row, padding left out."""
        everywhere = hidden_states(self.body, batch.source, batch.source_mask, decoder_inputs(batch.target, self.start))
        return in_float32(self.head, everywhere[:, len(self.start) - 1 :][batch.target_mask])


class StepValues(NamedTuple):
    """What a policy and a network say of given targets, each float32 [B,T], 0 at padding."""

    log_ratio: Tensor
    """``log pi(a_t|s_t) - log mu(a_t|s_t)``, without gradient."""
    action_value: Tensor
    """``Q(s_t, a_t)``, with gradient."""
    value: Tensor
    """``V(s_t) = sum_a pi(a|s_t) Q(s_t, a)``, without gradient."""


class FQELoss(NamedTuple):
    """What :meth:`FQE.loss` returns."""

    loss: Tensor
    """float32 [], mean squared error per target token."""


class FQE:
    """Fitted Q evaluation with Retrace's returns.

    ``L(phi) = 1/M sum_(x,y) sum_t (G_t - Q_phi(s_t, a_t))^2``,
    ``G_t = r_t + V(s_{t+1}) + min(1, pi/mu)_{t+1} (G_{t+1} - Q(s_{t+1}, a_{t+1}))``,
    ``V(s) = sum_a pi(a|s) Q(s, a)``

    Le et al. 2019, arXiv 1903.08738, learn from one step, ``r_t + V(s_{t+1})``, which takes as many updates of a target
    network as a target has tokens to carry the reward to its first; Retrace (Munos et al. 2016, arXiv 1606.02647) looks
    as far as the policy agrees with the data, and has the same fixed point, the policy's own ``Q``. It is a
    :class:`agents.training.learner.Learner`.

    Args:
        q: Trained in place.
        policy: Evaluated, at the temperature that each trajectory was sampled at.
    """

    def __init__(self, q: QNetwork, policy: Seq2SeqPolicy) -> None:
        self.q, self.policy = q, policy

    @property
    def identity(self) -> Mapping[str, object]:
        """Fitted Q evaluation."""
        return {"learner": "fitted Q evaluation"}

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The network."""
        return {"q": self.q}

    @property
    def learning_rates(self) -> Mapping[str, float]:
        """One for all."""
        return {}

    @property
    def companions(self) -> Mapping[str, nn.Module]:
        """None."""
        return {}

    def batches(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """One epoch; of data whose sampling is known."""
        return known_ratios("fitted Q evaluation", None, data.batches(tokens_per_batch, seed=seed))

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> FQELoss:
        """The equation above."""
        steps, mask = self.step_values(batch), batch.target_mask
        target = retrace(steps.action_value, steps.value, batch.reward, steps.log_ratio, mask)
        return FQELoss(value_loss(steps.action_value, target, mask))

    def after_step(self) -> None:
        """Nothing follows a step: the target is the network's own."""

    def step_values(self, batch: TokenBatch) -> StepValues:
        """Ratios and values of a batch's targets."""
        mask, chosen = batch.target_mask, batch.target[batch.target_mask]  # [B,T], [L]
        q = self.q(batch)  # [L,V]
        with torch.no_grad():
            # What a policy has beyond the network's vocabulary, tokens of the reward say, it never writes.
            log_pi = self.policy.evaluate(batch).log_distribution_at(batch.temperature)[:, : q.shape[1]]  # [L,V]
            value = (log_pi.exp() * q.detach()).sum(-1)
            log_prob = log_pi.gather(1, chosen[:, None])[:, 0]
        return StepValues(
            (padded(log_prob, mask) - batch.log_prob).masked_fill(~mask, 0.0),
            padded(q.gather(1, chosen[:, None])[:, 0], mask),
            padded(value, mask),
        )
