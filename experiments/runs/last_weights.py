"""Last weights of a training, where the best ones are kept: what an Improve step did, without the choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.runs.experiment import Experiment
from experiments.runs.run_folder import STAGES
from experiments.runs.settings import Settings
from experiments.runs.stages import Facts, keep_translations, translations_file
from seq2seq_env.atomic_files import read_json

if TYPE_CHECKING:
    from torch import Tensor

    from agents import Seq2SeqPolicy


class LastWeights:
    """An evaluation that remembers the weights it saw last: a training ends with one, and then restores the best.

    Args:
        evaluate: Gives a policy's reward.
    """

    def __init__(self, evaluate: Callable[[Seq2SeqPolicy], float]) -> None:
        self._evaluate = evaluate
        self._seen: tuple[Any, dict[str, Tensor]] | None = None

    def __call__(self, policy: Seq2SeqPolicy) -> float:
        """Its reward."""
        self._seen = policy.model, _copied(policy)
        return self._evaluate(policy)

    @property
    def seen(self) -> bool:
        """Whether there was an evaluation: a training that was killed at its very end has none when it goes on."""
        return self._seen is not None

    def read(self, policy: Seq2SeqPolicy, state: Path) -> None:
        """Take the weights that a training's state holds, those of its last evaluation, as the ones seen last."""
        from agents.training.training_state import saved_weights

        self._seen = policy.model, saved_weights(state, "policy")

    @contextmanager
    def of(self, policy: Seq2SeqPolicy) -> Iterator[None]:
        """Within the block, the policy has the weights that were seen last; as it is where none were."""
        restored, last = policy.model, (policy.model, _copied(policy)) if self._seen is None else self._seen
        # d3rlpy's agents train another network than the one that is back in place where they made nothing better.
        policy.model, weights = last
        before = _copied(policy)
        policy.model.load_state_dict(weights)
        yield
        policy.model.load_state_dict(before)
        policy.model = restored


def keep_last(run: Experiment[Settings], stage: str, policy: Seq2SeqPolicy, facts: Facts, last: LastWeights) -> None:
    """Keep sampled test translations of the last weights, where a training has others as its best.

    Adapters are merged by then, and their last weights gone.
    """
    if facts["best_tokens"] == facts["train_tokens"] or run.config.lora.rank:
        return
    if run.folder.is_writer:
        if not last.seen:  # killed after its last evaluation, whose state is there until the stage is finished
            last.read(policy, run.folder.training_state(stage))
        with last.of(policy):
            keep_translations(run, last_stage(stage), {"sample": run.evaluator.translations(policy, "test", "sample")})


def last_stage(stage: str) -> str:
    """Under which translations of an Improve step's last weights are kept, where others are its best."""
    return f"last.{stage}"


def last_translations(run: Path, stage: str) -> str:
    """Name in the run's folder of the test translations of an Improve step's last weights."""
    facts = read_json(run / STAGES / f"{stage}.json")[0]
    return translations_file(stage if facts["best_tokens"] == facts["train_tokens"] else last_stage(stage))


def _copied(policy: Seq2SeqPolicy) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in policy.model.state_dict().items()}
