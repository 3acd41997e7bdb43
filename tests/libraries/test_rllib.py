"""RLlib: PPO takes either id, in the driver and in workers, which import the package by the id.

RLlib pins Gymnasium and needs packages that Ray alone does not, so that `.ci/libraries rllib` installs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tree", reason="ray[rllib] is not installed, see .ci/libraries")
ray = pytest.importorskip("ray")
ppo = pytest.importorskip("ray.rllib.algorithms.ppo")
connectors = pytest.importorskip("ray.rllib.connectors.env_to_module")

pytestmark = pytest.mark.filterwarnings("ignore")  # its own, and those of sockets that it leaves open


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    import tests

    root = str(Path(next(iter(tests.__path__))).parent)
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
        runtime_env={"env_vars": {"PYTHONPATH": root}},
    )  # fmt: skip
    yield
    ray.shutdown()


def trained(name: str, workers: int, **options: Any) -> dict[str, Any]:
    """What RLlib tells of one iteration, with the new API stack, its default."""
    configured = ppo.PPOConfig().environment(name, env_config={"max_target_length": 3, **options})
    configured.env_runners(num_env_runners=workers, num_envs_per_env_runner=2)
    configured.training(train_batch_size_per_learner=64, minibatch_size=32, num_epochs=1, gamma=1.0)
    if "Flat" not in name:
        configured.env_runners(
            env_to_module_connector=lambda env=None, spaces=None, device=None: connectors.FlattenObservations()
        )
    algorithm = configured.build_algo()
    told: dict[str, Any] = algorithm.train()["env_runners"]
    algorithm.stop()
    return told


@pytest.mark.usefixtures("by_id")
def test_ppo_takes_the_flat_id() -> None:
    told = trained("Seq2SeqTranslateFlat-v0", workers=0)
    assert told["num_episodes"] >= 20
    assert -1 <= told["episode_return_mean"] <= 1


@pytest.mark.usefixtures("by_id")
def test_ppo_takes_the_dictionary_through_its_connector() -> None:
    told = trained("Seq2SeqTranslate-v0", workers=0, masked_action_penalty=1.0, limit_terminates=True)
    assert told["num_episodes"] >= 20


def test_workers_import_the_package_by_the_id() -> None:
    """They know no id that the driver has registered; their scorer is the task's own."""
    assert trained("seq2seq_env:Seq2SeqTranslateFlat-v0", workers=1)["num_episodes"] >= 20
