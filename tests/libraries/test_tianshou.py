"""Tianshou: its builders take the flat id, and its DQN keeps to the mask beside the flat row.

Tianshou's dependencies keep some of ours old, so that `.ci/libraries tianshou` installs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from seq2seq_env.wrappers import FlatObservation

pytest.importorskip("tianshou", reason="Tianshou is not installed, see .ci/libraries")
algorithm = pytest.importorskip("tianshou.algorithm")
builders = pytest.importorskip("tianshou.highlevel.experiment")
config = pytest.importorskip("tianshou.highlevel.config")
data = pytest.importorskip("tianshou.data")
dqn = pytest.importorskip("tianshou.algorithm.modelfree.dqn")
environments = pytest.importorskip("tianshou.highlevel.env")
networks = pytest.importorskip("tianshou.utils.net.common")
optim = pytest.importorskip("tianshou.algorithm.optim")
params = pytest.importorskip("tianshou.highlevel.params.algorithm_params")
trainer = pytest.importorskip("tianshou.trainer")
vectorized = pytest.importorskip("tianshou.env")

pytestmark = pytest.mark.filterwarnings("ignore")  # its own, of what it calls


@pytest.fixture
def factory(by_id: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """By the id, as its tutorials make CartPole; its logs go where the program is started."""
    monkeypatch.chdir(tmp_path)
    return environments.EnvFactoryRegistered(
        task="Seq2SeqTranslateFlat-v0", venv_type=environments.VectorEnvType.DUMMY, max_target_length=4
    )


SIZES = {"max_epochs": 1, "epoch_num_steps": 40, "batch_size": 16, "num_training_envs": 2, "num_test_envs": 2}
ONCE = builders.ExperimentConfig(persistence_enabled=False, watch=False)


def test_dqn_takes_the_flat_id(factory: Any) -> None:
    sampling = {"collection_step_num_env_steps": 10, "update_step_num_gradient_steps_per_sample": 0.1}
    training = config.OffPolicyTrainingConfig(**SIZES, **sampling, buffer_size=100)
    builder = builders.DQNExperimentBuilder(factory, ONCE, training)
    builder.with_dqn_params(params.DQNParams(gamma=1.0, eps_training=0.3)).with_model_factory_default(hidden_sizes=(8,))
    result = builder.build().run().trainer_result
    assert result.train_step == 40
    assert result.train_episode >= 10
    assert -1 <= result.best_reward <= 1


def test_ppo_takes_the_flat_id(factory: Any) -> None:
    training = config.OnPolicyTrainingConfig(**SIZES, collection_step_num_env_steps=20, buffer_size=40)
    builder = builders.PPOExperimentBuilder(factory, ONCE, training).with_ppo_params(params.PPOParams(gamma=1.0))
    builder.with_actor_factory_default(hidden_sizes=(8,)).with_critic_factory_default(hidden_sizes=(8,))
    result = builder.build().run().trainer_result
    assert (result.train_step, result.update_step) == (40, 2)
    assert -1 <= result.best_reward <= 1


class WithMask(gym.ObservationWrapper[Any, Any, Any]):
    """Row and mask under the names that Tianshou looks for; the documentation's."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        actions: Any = env.action_space
        self.observation_space = spaces.Dict(obs=env.observation_space, mask=spaces.MultiBinary(int(actions.n)))

    def observation(self, observation: Any) -> dict[str, Any]:
        return {"obs": observation, "mask": self.env.get_wrapper_attr("action_masks")()}


def test_dqn_keeps_to_the_mask(arguments: dict[str, Any]) -> None:
    """A masked token would raise InvalidAction: the environment has no penalty."""

    def make() -> gym.Env[Any, Any]:
        return WithMask(FlatObservation(gym.make("Seq2SeqTranslate-v0", **arguments), np.float32))

    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  # which Tianshou explores with
    space: Any = make().observation_space
    actions: Any = make().action_space
    network = networks.Net(state_shape=space["obs"].shape, action_shape=int(actions.n), hidden_sizes=[8])
    policy = dqn.DiscreteQLearningPolicy(model=network, action_space=actions, observation_space=space, eps_training=0.5)
    learner = algorithm.DQN(policy=policy, optim=optim.AdamOptimizerFactory(lr=1e-3), gamma=1.0, target_update_freq=10)
    memory = data.VectorReplayBuffer(400, 2)
    training = data.Collector(learner, vectorized.DummyVectorEnv([make] * 2), memory, exploration_noise=True)
    test = data.Collector(learner, vectorized.DummyVectorEnv([make] * 2))
    result = learner.run_training(
        trainer.OffPolicyTrainerParams(
            training_collector=training, test_collector=test, max_epochs=1, epoch_num_steps=300, batch_size=16,
            collection_step_num_env_steps=20, update_step_num_gradient_steps_per_sample=0.1, test_step_num_episodes=4,
        )
    )  # fmt: skip
    assert result.train_step == 300
    assert 0 <= result.best_reward <= 1
    rows = memory.sample_indices(0)  # all that are filled
    assert len(rows) == 300
    assert memory.obs.mask[rows, memory.act[rows]].all()
