"""Choice among N samples in expectation: over the subsets of N of a source's M samples, by reward or by agreement.

Curves for every N come from the same samples, so that they are nested, and no sample is drawn for one N alone. Shape
letters: B sources, M samples of each, D distinct ones of a source.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from buffers.candidate_utility import agreement
from experiments.runs.stage_samples import Candidates
from seq2seq_env.chrf import pairwise_chrf


def best_chances(scores: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Chance of each distinct sample to be the best of a random subset of N of the M samples, for every N.

    A subset's best has at most the k-th smallest score with chance ``C(k, N) / C(M, N)``, k samples having at most that
    score. Samples of equal scores share the chance by their number, as if the best were drawn among them. So the
    expectation under these chances is the mean over all subsets, without bias for every N.

    Args:
        scores: [D].
        counts: [D], how often each was drawn; M in all.

    Returns:
        float64 [M,D], row N - 1 for subsets of N.
    """
    levels, place = np.unique(scores, return_inverse=True)
    at_level = np.bincount(place, weights=counts, minlength=len(levels)).astype(np.int64)
    upper = at_level.cumsum()
    within = _within(int(counts.sum()))
    chances = within[:, upper] - within[:, upper - at_level]  # [M, levels]
    return np.asarray(chances[:, place] * (counts / at_level[place]))


@cache
def _within(samples: int) -> NDArray[np.float64]:
    """``C(k, N) / C(M, N)``, the chance that a subset of N is among k of M samples; [M, M + 1] by N - 1 and k."""
    from scipy.special import gammaln

    n, k = np.arange(1, samples + 1)[:, None], np.arange(samples + 1)
    outside = np.maximum(k - n, 0)
    logarithm = gammaln(k + 1) - gammaln(outside + 1) - gammaln(samples + 1) + gammaln(samples - n + 1)
    return np.asarray(np.where(k >= n, np.exp(logarithm), 0.0))


def best_of_curves(candidates: Sequence[Candidates]) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Reward and true quality of the sample of the highest reward among N, for every N.

    Args:
        candidates: Of B sources, M of each.

    Returns:
        float64 [B,M] each, column N - 1; no true quality where it is not known.
    """
    reward, gold = [], []
    for each in candidates:
        chances = best_chances(each.reward, each.counts)
        reward.append(chances @ each.reward)
        gold.append(None if each.gold is None else chances @ each.gold)
    known = [each for each in gold if each is not None]
    return np.array(reward), np.array(known) if known else None


def agreement_chances(candidates: Candidates, numbers: Sequence[int], seed: int = 0) -> dict[int, NDArray[np.float64]]:
    """Chance of each distinct sample to be what minimum Bayes risk decoding takes of N samples.

    What it takes depends on the whole subset, so that there is no sum over all of them: the M samples are put into
    random order and cut into M / N parts, each of which is a set of N independent samples.

    Args:
        candidates: Of one source.
        numbers: Each N, from 2 to M.
        seed: Of the order.

    Returns:
        float64 [D] by N.
    """
    chrf = pairwise_chrf(candidates.texts)
    drawn = np.repeat(np.arange(len(candidates.texts)), candidates.counts)
    drawn = np.random.default_rng(seed).permutation(drawn)
    chances = {}
    for number in numbers:
        chances[number] = np.zeros(len(candidates.texts))
        parts = [drawn[start : start + number] for start in range(0, len(drawn) - number + 1, number)]
        for part in parts:
            times = np.bincount(part, minlength=len(candidates.texts))
            utility = np.where(times > 0, agreement(chrf, times), -np.inf)
            # Equal texts of other tokens agree alike up to rounding.
            best = (utility > utility.max() - 1e-9) * times
            chances[number] += best / best.sum() / len(parts)
    return chances


def best_kl(candidates: Candidates, numbers: Sequence[int]) -> NDArray[np.float64]:
    """KL divergence of the best of N from one sample, nats, by the shares that the M samples have of each reward.

    With the share ``p`` of a reward and the share ``F`` of those up to it, the best of N has it with
    ``F^N - (F - p)^N``. Where rewards are continuous this is ``log N - (N - 1) / N``, which it never exceeds; a policy
    that writes few distinct translations of a source has less. What the M samples lack is not counted, so that for N
    near M it is an estimate from below.

    Args:
        candidates: Of one source.
        numbers: Each N.

    Returns:
        float64, one a number.
    """
    _, place = np.unique(candidates.reward, return_inverse=True)
    share = np.bincount(place, weights=candidates.counts) / candidates.counts.sum()
    upper = np.append(share.cumsum()[:-1], 1.0)
    power = np.array(numbers)[:, None]
    best = upper**power - np.maximum(upper - share, 0) ** power
    # What is never the best adds nothing.
    return np.asarray((best * np.log(np.where(best > 0, best, share) / share)).sum(1))
