"""The contract of every agent that :data:`agents.AGENTS` names."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from agents import (
    AGENTS,
    BC,
    Agent,
    AgentConfig,
    FilteredBC,
    LossAgent,
    Seq2SeqPolicy,
    TrainingConfig,
    agent_class,
    make_agent,
)
from buffers import GrowingBatchBuffer, Slice, TokenBatch, grow
from seq2seq_env import Constraint
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task
from tests.tiny_models import tiny_policy_config

NAMES = sorted(AGENTS)
WITH_A_LOSS = [name for name in NAMES if issubclass(agent_class(name), LossAgent)]
PAD = 18

STEEPER: dict[str, dict[str, object]] = {"kto": {"beta": 1.0}, "mrt": {"alpha": 1.0}, "q-bve": {"q_temperature": 1.0}}
"""Options under which ten steps show in the loss's value: by default a sigmoid, a softmax and a scale hide it."""


def scored_batch(extra: int = 0) -> TokenBatch:
    """Targets of 3, 2, 4 and 2 tokens with rewards, best and worst of two sources, and columns of padding."""
    target = torch.full((4, 4 + extra), PAD)
    source = torch.full((4, 3 + extra), PAD)
    rows = [([2, 3, 0], [9, 10, 0]), ([2, 3, 0], [11, 0]), ([5, 6, 0], [12, 13, 14, 0]), ([5, 6, 0], [12, 0])]
    for row, (read, written) in enumerate(rows):
        source[row, : len(read)] = torch.tensor(read)
        target[row, : len(written)] = torch.tensor(written)
    mask = target != PAD
    return TokenBatch(
        source=source,
        source_mask=source != PAD,
        target=target,
        target_mask=mask,
        log_prob=torch.where(mask, -1.5, 0.0),
        temperature=torch.full((4,), 0.8),
        reward=torch.tensor([0.9, 0.2, 0.6, 0.5]),
        terminated=torch.ones(4, dtype=torch.bool),
        is_reference=torch.tensor([False, False, True, False]),
        row=torch.arange(4),
        group=torch.tensor([0, 0, 1, 1]),
    )


def make(name: str, policy: Seq2SeqPolicy, **options: object) -> Agent:
    """An agent whose value network, if it has one, is trained for a moment."""
    known = {field.name for field in fields(agent_class(name).Config)}
    return make_agent(name, policy, **options | ({"value_tokens": 200} if "value_tokens" in known else {}))


@pytest.fixture(params=NAMES)
def agent(request: pytest.FixtureRequest, policy: Seq2SeqPolicy) -> Agent:
    return make(request.param, policy)


@pytest.fixture(params=WITH_A_LOSS)
def loss_agent(request: pytest.FixtureRequest, policy: Seq2SeqPolicy) -> LossAgent:
    agent = make(request.param, policy)
    assert isinstance(agent, LossAgent)
    return agent


def test_the_loss_is_a_named_scalar_with_gradient(loss_agent: LossAgent) -> None:
    values = loss_agent.loss(scored_batch())._asdict()
    assert next(iter(values)) == "loss"
    assert all(value.shape == () and torch.isfinite(value) for value in values.values())
    assert [name for name, value in values.items() if value.requires_grad] == ["loss"]


def test_every_metric_is_on_the_policys_device(loss_agent: LossAgent) -> None:
    batch = scored_batch()
    with torch.device("meta"):  # where lies what is made without a device, as on a GPU it would lie on the CPU
        values = loss_agent.loss(batch)._asdict()
    assert {name: value.device for name, value in values.items() if value.device != loss_agent.policy.device} == {}


@pytest.mark.parametrize("name", WITH_A_LOSS)
def test_updates_lower_the_loss_on_a_fixed_batch(name: str, policy: Seq2SeqPolicy) -> None:
    agent = make(name, policy, **STEEPER.get(name, {}))
    assert isinstance(agent, LossAgent)
    parameters = [p for network in agent.networks.values() for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    # A weight pi / mu without gradient would rise with the policy, and the loss with it; here it is at its bound.
    batch = replace(scored_batch(), log_prob=torch.full((4, 4), -30.0))
    losses = []
    for _ in range(10):
        loss: torch.Tensor = agent.loss(batch)[0]
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.05


def test_padding_does_not_matter(loss_agent: LossAgent) -> None:
    gradients = []
    for extra in (0, 3):
        loss_agent.policy.model.zero_grad()
        loss: torch.Tensor = loss_agent.loss(scored_batch(extra))[0]
        loss.backward()  # type: ignore[no-untyped-call]
        gradient = loss_agent.policy.model.get_parameter("model.shared.weight").grad
        assert gradient is not None
        gradients.append((loss.item(), gradient.clone()))
    assert gradients[0][0] == pytest.approx(gradients[1][0], rel=1e-6, abs=1e-6)
    # An advantage weight of 20 makes a gradient, and its rounding error, 20 times as large as that of BC.
    atol = 1e-6 * max(1.0, float(gradients[0][1].abs().max()))
    torch.testing.assert_close(gradients[0][1], gradients[1][1], rtol=0, atol=atol)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_repeats(name: str, policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig) -> None:
    prints = []
    for seed in (0, 0, 1):
        agent = make(name, policy.clone())
        agent.improve(grown, replace(quick, max_tokens=80, seed=seed))
        prints.append(agent.policy.fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_padding_stays_zero_and_saves_are_exact(
    agent: Agent, grown: Slice, quick: TrainingConfig, tmp_path: Path
) -> None:
    agent.improve(grown, replace(quick, max_tokens=100))
    padding = agent.policy.model.get_parameter("model.shared.weight")[PAD]
    assert not padding.any()  # CTranslate2 starts a Marian decoder from a zero embedding
    agent.save(tmp_path / "agent")
    loaded = Agent.load(tmp_path / "agent")
    assert type(loaded) is type(agent)
    assert loaded.config == agent.config
    assert loaded.policy.fingerprint == agent.policy.fingerprint == Seq2SeqPolicy.load(tmp_path / "agent").fingerprint
    if isinstance(agent, LossAgent) and isinstance(loaded, LossAgent):
        assert loaded.loss(scored_batch())[0].item() == agent.loss(scored_batch())[0].item()


@pytest.fixture(scope="module")
def constrained(tiny_task: Task) -> Seq2SeqPolicy:
    """An untrained policy that begins with "two" and goes on without numbers."""
    constraint = Constraint.from_text(tiny_task.tokenizer, ["red blue house car dog"], prefix="two")
    return Seq2SeqPolicy.from_config(tiny_task.tokenizer, tiny_policy_config(), seed=3).constrained(constraint)


@pytest.fixture(scope="module")
def within(
    constrained: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer, tmp_path_factory: pytest.TempPathFactory
) -> Slice:
    """Samples of the policy with a constraint."""
    buffer = GrowingBatchBuffer(tmp_path_factory.mktemp("within"), task=tiny_task)
    grow(
        constrained, fake_scorer, tiny_task, buffer, grow_step=1, candidates=4, references=False, temperature=1.0,
        seed=0, progress=False,
    )  # fmt: skip
    return buffer.select()


@pytest.mark.parametrize("name", WITH_A_LOSS)
def test_every_agent_trains_a_policy_with_a_constraint(
    name: str, constrained: Seq2SeqPolicy, within: Slice, quick: TrainingConfig
) -> None:
    agent, training = make(name, constrained.clone()), replace(quick, max_tokens=100)
    agent.prepare(within, training)
    agent.improve(within, training)
    assert agent.policy.fingerprint != constrained.fingerprint
    assert all(text.startswith("two") for text in agent.translate(["rot haus", "blau auto"]))


def test_behaviour_cloning_is_the_mean_of_the_token_losses(policy: Seq2SeqPolicy) -> None:
    batch = scored_batch()
    values = BC(policy).loss(batch)
    targets = [[9, 10, 0], [11, 0], [12, 13, 14, 0], [12, 0]]
    rows = policy.log_probs([[2, 3, 0], [2, 3, 0], [5, 6, 0], [5, 6, 0]], targets)
    assert values.loss.item() == pytest.approx(-sum(row.sum() for row in rows) / 11, abs=1e-5)
    assert values.sequence_log_prob.item() == pytest.approx(sum(row.sum() for row in rows) / 4, abs=1e-5)


def test_only_the_filtered_agent_asks_for_a_filter(pairs: Slice, policy: Seq2SeqPolicy) -> None:
    assert (BC.filters, FilteredBC.filters) == (False, True)
    assert FilteredBC(policy).loss(scored_batch()) == BC(policy).loss(scored_batch())


def test_an_unknown_agent_is_refused_with_the_good_names() -> None:
    with pytest.raises(ValueError, match=f"there is no agent 'dqn'; choose one of {', '.join(NAMES)}"):
        agent_class("dqn")


def test_an_unknown_option_is_refused(policy: Seq2SeqPolicy) -> None:
    for name in NAMES:
        with pytest.raises(ValueError, match=f"agent '{name}' has no option 'zeta'; it takes"):
            make_agent(name, policy, zeta=0.5)


def test_another_agents_config_is_refused(policy: Seq2SeqPolicy) -> None:
    class Narrow(BC):
        Config = type("NarrowConfig", (AgentConfig,), {})

    with pytest.raises(TypeError, match="agent 'bc' got a AgentConfig; give a NarrowConfig"):
        Narrow(policy, AgentConfig())


def test_another_agent_or_none_in_a_folder_is_refused(policy: Seq2SeqPolicy, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no agent\.json in"):
        Agent.load(tmp_path)
    BC(policy).save(tmp_path)
    with pytest.raises(ValueError, match=r"holds agent 'bc', not a FilteredBC; use Agent\.load"):
        FilteredBC.load(tmp_path)


def test_rewards_that_are_all_equal_leave_finite_gradients(loss_agent: LossAgent) -> None:
    loss: torch.Tensor = loss_agent.loss(replace(scored_batch(), reward=torch.ones(4)))[0]
    loss.backward()  # type: ignore[no-untyped-call]
    assert bool(torch.isfinite(loss))
    gradients = [weight.grad for network in loss_agent.networks.values() for weight in network.parameters()]
    assert all(bool(torch.isfinite(each).all()) for each in gradients if each is not None)


@pytest.mark.parametrize("name", [name for name in WITH_A_LOSS if not agent_class(name).online])
def test_what_is_usable_is_what_batches_hold(name: str, policy: Seq2SeqPolicy, grown: Slice) -> None:
    agent = make_agent(name, policy)
    assert isinstance(agent, LossAgent)
    lone = grown.source_index == grown.source_index[0]
    data = grown.where(~lone | grown.is_reference)  # of one source the reference alone
    usable = agent.usable(data)
    rows = {row for batch in agent.batches(data, 64, 0) for row in batch.row.tolist()}
    assert rows == {*usable.rows.tolist()}
    assert rows == {row for batch in agent.batches(usable, 64, 0) for row in batch.row.tolist()}
    assert not len(agent.usable(data.where(data.source_index < 0)))
