"""Decoding options: a strategy by name and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from agents.policy.inputs import check_seed, check_temperature
from agents.sampling.translation import Translation, best_of_n, likeliest, minimum_bayes_risk, one_sample
from seq2seq_env.scorers import load_scorer
from seq2seq_env.suggestions import check_name

if TYPE_CHECKING:
    from agents.policy.seq2seq_policy import Seq2SeqPolicy
    from seq2seq_env.tasks import Task

Method = Literal["greedy", "beam", "sample", "best-of-n", "mbr"]
"""Decoding strategy, which chooses one translation among all."""

Rule = Callable[[Sequence[str], int], list[Translation]]
"""Translates some sources; the number distinguishes calls, and with it their random numbers."""

_SAMPLING = ("temperature", "seed")
_OPTIONS: dict[Method, tuple[str, ...]] = {
    "greedy": (),
    "beam": ("beams",),
    "sample": _SAMPLING,
    "best-of-n": ("candidates", "scorer", *_SAMPLING),
    "mbr": ("candidates", *_SAMPLING),
}


@dataclass(frozen=True)
class Decoding:
    """A decoding strategy and its options."""

    method: Method = "greedy"
    """Decoding strategy: "greedy" and "beam" seek the likeliest translation, "sample" draws one, "best-of-n" takes the
    candidate that a scorer likes best, "mbr" the one that the other candidates agree with most (minimum Bayes risk with
    chrF)."""
    beams: int | None = None
    """Hypotheses that beam search holds at once for each source, at least 1; 5 by default."""
    candidates: int | None = None
    """Samples of each source for best-of-n and mbr, at least 1, for mbr 2; 16 by default."""
    temperature: float | None = None
    """Sampling temperature of sample, best-of-n and mbr, above 0; 1 by default."""
    seed: int | None = None
    """Random seed of the samples of sample, best-of-n and mbr, from 0; 0 by default."""
    scorer: str | None = None
    """Scorer that best-of-n chooses by: its name or folder, or "process:" and the command of a program."""

    def check(self) -> None:
        """Refuse what cannot work, and options that the method has no use for.

        Raises:
            ValueError: If the method is unknown, an option is not the method's, missing or out of range.
        """
        check_name("method", self.method, _OPTIONS)
        for name in ("beams", "candidates", "temperature", "seed", "scorer"):
            value = getattr(self, name)
            if value is not None and name not in _OPTIONS[self.method]:
                users = " or ".join(method for method, options in _OPTIONS.items() if name in options)
                raise ValueError(f"{name} is {value}, but {self.method} has none; leave it out, or choose {users}")
        for name in ("beams", "candidates"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; give at least 1")
        if self.method == "mbr" and self.candidates == 1:
            raise ValueError("candidates is 1; mbr compares them, give at least 2")
        if self.method == "best-of-n" and self.scorer is None:
            raise ValueError("best-of-n needs a scorer to choose by; name one")
        check_temperature(self._temperature)
        check_seed(self._seed)

    @property
    def _temperature(self) -> float:
        return 1.0 if self.temperature is None else self.temperature

    @property
    def _seed(self) -> int:
        return self.seed or 0

    def rule(self, policy: Seq2SeqPolicy, device: str = "cpu", task: Task | None = None) -> Rule:
        """What translates by this method; the scorer is loaded here.

        Args:
            policy: Translates.
            device: Where the scorer computes.
            task: Whose sentences the scorer is to rate, where it goes by them.

        Raises:
            ValueError: If the options cannot work, or there is no such scorer.
            OSError: If the scorer's folder is none.
        """
        self.check()
        if self.method in ("greedy", "beam"):
            beams = 1 if self.method == "greedy" else self.beams or 5
            return lambda sources, number: likeliest(policy, sources, beams)
        from agents.sampling.engines import make_sampler

        sampler, candidates, temperature = make_sampler(policy), self.candidates or 16, self._temperature
        if self.method == "sample":
            return lambda sources, number: one_sample(sampler, sources, temperature, self._seed_of(number))
        if self.scorer is None:
            return lambda sources, number: minimum_bayes_risk(
                sampler, sources, candidates, temperature, self._seed_of(number)
            )
        scorer = load_scorer(self.scorer, device=device, task=task)
        return lambda sources, number: best_of_n(
            sampler, sources, scorer, candidates, temperature, self._seed_of(number)
        )

    def _seed_of(self, number: int) -> int:
        """A call's own seed, as a call counts its sources from 0."""
        return int(np.random.SeedSequence((self._seed, number)).generate_state(1, np.uint64)[0])
