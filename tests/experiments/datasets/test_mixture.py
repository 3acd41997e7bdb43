from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from agents import Seq2SeqPolicy
from experiments.datasets.mixture import Mixture
from seq2seq_env.tasks import Task


class Fixed:
    """Log-probabilities of one target, given."""

    fingerprint, engine = "fixed", "none"

    def __init__(self, *probabilities: float) -> None:
        self.values = np.log(np.array(probabilities, dtype=np.float32))

    def sample(self, *_: object) -> object:
        raise AssertionError

    def log_probs(self, *_: object) -> list[NDArray[np.float32]]:
        return [self.values]


def test_a_given_target_has_the_mixtures_probability() -> None:
    # Prefixes have (0.5 + 0.1) / 2 = 0.3 and (0.5 * 0.8 + 0.1 * 0.4) / 2 = 0.22.
    (mixed,) = Mixture([Fixed(0.5, 0.8), Fixed(0.1, 0.4)]).log_probs([[1]], [[1, 2]])  # type: ignore[list-item]
    assert np.exp(mixed) == pytest.approx([0.3, 0.22 / 0.3])
    assert mixed.dtype == np.float32


def test_candidates_are_the_policies_in_turn_with_their_own_log_probabilities(
    policies: Sequence[Seq2SeqPolicy], monolingual_task: Task
) -> None:
    sources = policies[0].encode(monolingual_task.split("test").sources[:3])
    mixture = Mixture(policies)
    samples = mixture.sample(sources, 4, 0.8, seed=5)
    assert samples.source_index.tolist() == [0, 0, 1, 1, 2, 2] * 2
    for number, policy in enumerate(policies):
        mine = range(6 * number, 6 * number + 6)
        targets = [samples.tokens[samples.offsets[i] : samples.offsets[i + 1]].tolist() for i in mine]
        expected = policy.log_probs([sources[samples.source_index[i]] for i in mine], targets, 0.8)
        low, high = samples.offsets[6 * number], samples.offsets[6 * number + 6]
        assert samples.log_prob[low:high] == pytest.approx(np.concatenate(expected), abs=1e-4)
    assert mixture.fingerprint not in {policy.fingerprint for policy in policies}
    with pytest.raises(ValueError, match="num_candidates is 3; give a multiple of the 2 policies"):
        mixture.sample(sources, 3, 0.8, seed=5)


def test_policies_do_not_share_random_numbers(policies: Sequence[Seq2SeqPolicy], monolingual_task: Task) -> None:
    sources = policies[0].encode(monolingual_task.split("test").sources)
    samples = Mixture([policies[0], policies[0]]).sample(sources, 2, 0.8, seed=5)
    half = len(sources)
    assert samples.texts[:half] != samples.texts[half:]
