"""Claims of the paper and its future work, with what each needs and how finished runs decide it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.paper.measurements import (
    GREEDY_ORACLE,
    SAMPLE_ORACLE,
    SAMPLE_REWARD,
    accuracy_changes,
    bleu_changes,
    curve_gains,
    has_stage,
    last_improve,
    measured_on_test,
    samples_drawn,
    step_gains,
    trained,
    value_correlations,
    values,
)
from experiments.paper.parts import KINDS, LOSSES, Plan, Spent
from experiments.paper.verdicts import (
    FEW,
    Correlations,
    OnlineRuns,
    Verdict,
    beats_online,
    every_loss_beats_supervised,
    every_step_raises,
    few_are_worth_many,
    filters_do_as_well,
    is_worse,
    no_loss_beats_bc,
    not_run,
    order_differs,
    refresh_helps,
    second_grow_raises,
    value_ranks,
    varies_where_bad,
)
from experiments.reports.claims import CONTROL
from experiments.reports.statistics import Interval, interval
from experiments.runs.stages import SUPERVISED
from experiments.runs.trials import Trial
from seq2seq_env.atomic_files import read_json

ONE_GROW = "control-one-grow"

ALIKE = 0.01
"""Share by which two trainings of one budget may differ in tokens: each ends with the batch that reaches it."""


@dataclass(frozen=True)
class Claim:
    """A claim, a negative result, or future work.

    Attributes:
        says: The paper's statement, in our words, and where it stands.
        needs: Kinds of parts without which there is no verdict.
        decide: The verdict, where these are done.
        picture: A figure that one of its parts draws, within the regime's folder; None where the verdict's own
            estimates are all there is to see.
    """

    says: str
    needs: tuple[str, ...]
    decide: Callable[[Plan], Verdict]
    picture: str | None = None

    def verdict(self, plan: Plan) -> Verdict:
        """What the runs of a regime say."""
        missing = [KINDS[kind] for kind in self.needs if not plan.is_done(kind)]
        if missing:
            return not_run(missing)
        try:
            return self.decide(plan)
        except FileNotFoundError as error:  # a comparison goes on without an agent whose training failed
            return Verdict("not shown", str(error))

    def spent(self, plan: Plan) -> Spent:
        """What its runs took, whatever other claims they serve, too."""
        every = [plan.spent(kind) for kind in self.needs]
        return Spent(sum(each.samples for each in every), sum(each.tokens for each in every))


def _steps(plan: Plan) -> Verdict:
    return every_step_raises(*step_gains(plan.runs))


def _second_grow(plan: Plan) -> Verdict:
    runs = plan.runs
    first, second = (values(runs, last_improve(runs[0], grow), SAMPLE_REWARD) for grow in (1, 2))
    one_grow = values(runs, ONE_GROW, SAMPLE_REWARD) if has_stage(runs, ONE_GROW) else None
    return second_grow_raises(first, second, one_grow)


def _losses(plan: Plan) -> Verdict:
    seeds = plan.compared("losses")
    base = values(seeds, SUPERVISED, SAMPLE_REWARD)
    gains = {name: interval(_trained(seeds, name) - base) for name in LOSSES}
    return every_loss_beats_supervised(gains, interval(_trained(seeds, CONTROL) - base))


def _best_loss(plan: Plan) -> Verdict:
    seeds = plan.compared("losses")
    filtered, *others = LOSSES
    bc = _trained(seeds, filtered)
    return no_loss_beats_bc({name: interval(_trained(seeds, name) - bc) for name in others})


def _trained(seeds: Sequence[Path], agent: str, column: str = SAMPLE_REWARD) -> NDArray[np.float64]:
    """Of an agent of a comparison on the data that it asks for: of those that filter, the same slice."""
    return values(seeds, Trial(agent, "own").stage, column)


def _online(plan: Plan) -> Verdict:
    runs, stage = plan.runs, last_improve(plan.runs[0], 1)
    online = {}
    for agent in plan.online:
        folders = plan.online_runs(agent)
        rewards = values(folders, "g1i1", SAMPLE_REWARD)
        online[agent] = OnlineRuns(rewards, bleu_changes(folders, "g1i1"), samples_drawn(folders, "g1i1"))
    return beats_online(
        values(runs, stage, SAMPLE_REWARD),
        bleu_changes(runs, stage),
        _trained(plan.compared("batch"), CONTROL),
        online,
        plan.online_samples,
        judged=plan.online[0],
    )


def _best_of_n(plan: Plan) -> Verdict:
    record = read_json(plan.folder / "best-of-n" / "best-of-n.json")
    last = record["curves"][-1]["name"]
    worth = next(row for row in record["equal"]["reward"] if (row["name"], row["few"]) == (last, FEW))
    gains = {
        curve["name"]: interval(np.subtract(by_run[str(record["samples"])], by_run["1"])[:, None])
        for curve in record["curves"]
        if (by_run := curve["reward_by_run"])
    }
    return few_are_worth_many(worth["number"], worth["low"], worth["high"], record["samples"], gains)


def _quality_order(plan: Plan) -> Verdict:
    runs, seeds = plan.runs, plan.compared("losses")
    variants = {f"G={grow}": (runs, last_improve(runs[0], grow)) for grow in (1, 2)}
    variants |= {agent: (seeds, Trial(agent, "own").stage) for agent in LOSSES}
    reward, quality = (
        {name: values(folders, stage, column) for name, (folders, stage) in variants.items()}
        for column in (SAMPLE_REWARD, SAMPLE_ORACLE)
    )
    base = {name: values(folders, SUPERVISED, SAMPLE_ORACLE) for name, (folders, _) in variants.items()}
    return order_differs(base, reward, quality, ("G=1", "G=2"))


def _spread(plan: Plan) -> Verdict:
    spread = read_json(plan.folder / "best-of-n" / "best-of-n.json")["spread"]
    if spread is None:
        return Verdict("not shown", "all sources, or none, have a true quality of at most 0.5")
    bands = {
        f"{band['low']:g} to {band['high']:g}": Interval(band["deviation"], low, high, np.nan)
        for band in spread["bands"]
        if band["deviation"] is not None  # no source is in it
        for low, high in [band["ends"]]
    }
    difference = spread["difference"]
    return varies_where_bad(Interval(difference["mean"], difference["low"], difference["high"], np.nan), bands)


def _filters(plan: Plan) -> Verdict:
    seeds = plan.compared("filters")
    rewards = {
        name: values(seeds, Trial("filtered-bc", "own", filter=kind).stage, SAMPLE_REWARD)
        for name, kind in {"interpolation": None, "percentile": "percentile", "threshold": "threshold"}.items()
    }
    threshold = rewards.pop("threshold")
    return filters_do_as_well({name: each - threshold for name, each in rewards.items()})


def _value(plan: Plan) -> Verdict:
    stage = Trial("oac", "own").stage
    long = value_correlations(plan.compared("value"), stage)
    if np.isnan(long).any():
        return Verdict("not shown", "values of a run are all equal, and have no ranks")
    return value_ranks(long, _default_values(plan, stage))


def _default_values(plan: Plan, stage: str) -> Correlations | None:
    """Of the comparison of losses, which decide nothing; None where they are missing, or a run's have no ranks."""
    if not plan.is_done("losses"):
        return None
    try:
        known = value_correlations(plan.compared("losses"), stage)
    except FileNotFoundError:  # its training failed, and the comparison went on without it
        return None
    return None if np.isnan(known).any() else known


def _q_values(plan: Plan) -> Verdict:
    gains = curve_gains(plan.compared("losses"), "q-bve.own")
    return is_worse(gains, "validation reward, last weights less supervised BC")


def _conditioned(plan: Plan) -> Verdict:
    seeds = plan.compared("losses")
    conditioned, filtered = (_trained(seeds, agent) for agent in ("reward-conditioned", "filtered-bc"))
    return is_worse(conditioned - filtered, "reward of samples, less filtered BC")


def _refreshed(plan: Plan) -> Verdict:
    runs, plain = plan.refreshed_runs, plan.runs
    accuracy, greedy, samples, nats = {}, {}, {}, {}
    for grow in (1, 2):
        step, stage = f"G={grow}", last_improve(runs[0], grow)
        spent, known = ([trained(run, stage).tokens for run in each] for each in (runs, plain))
        if not np.allclose(spent, known, rtol=ALIKE):
            return Verdict("not shown", f"tokens trained on by {step} with a refresh are {spent}, without one {known}")
        accuracy[step] = accuracy_changes(runs, grow)
        greedy[step], samples[step] = (
            values(runs, stage, column) - values(plain, stage, column) for column in (GREEDY_ORACLE, SAMPLE_ORACLE)
        )
        nats[step] = np.array([
            measured_on_test(run, stage, "sample", "nats") - measured_on_test(other, stage, "sample", "nats")
            for run, other in zip(runs, plain, strict=True)
        ])  # fmt: skip
    if any(np.isnan(changes).any() for changes in accuracy.values()):
        return Verdict("not shown", "a run has too few sources that its refreshed scorer did not learn from")
    return refresh_helps(accuracy, greedy, samples, nats)


CLAIMS: Mapping[str, Claim] = {
    "1": Claim("every Improve step raises the mean reward (figure 3)", ("rest",), _steps,
               "rest/seed{seed}/learning.png"),
    "2": Claim("a second Grow step raises it further: +5.3 of 100 on IWSLT, +0.8 on Web Domain (figure 4)", ("rest",),
               _second_grow, "rest/seed{seed}/steps.png"),
    "3": Claim("every loss with G=1 beats supervised BC (figure 5)", ("rest", "losses"), _losses),
    "4": Claim("BC is the best loss (figures 5, 13, 14)", ("rest", "losses"), _best_loss),
    "5": Claim("G=1 beats online PPO at comparable samples, which is no better than BC on all of the batch, and loses "
               "8 BLEU while ReST loses none (table 1)",
               ("rest", "batch", "online"), _online),
    "6": Claim("the best of fewer than 10 samples of ReST matches the best of 200 of BC (figure 6)",
               ("rest", "best-of-n"), _best_of_n, "best-of-n/best-of-n.png"),
    "7": Claim("for humans (here: the oracle) all variants beat BC, one Grow step is best, and the order is another "
               "than by reward (figure 7)", ("rest", "losses"), _quality_order),
    "8": Claim("rewards vary most where human scores (here: true quality) are low (figures 9, 10)",
               ("rest", "best-of-n"), _spread),
    "9": Claim("percentile and interpolation filters do as well as one threshold (figures 15, 16)", ("rest", "filters"),
               _filters),
    "10": Claim("the value function ranks its training data: Kendall 0.92, Spearman above 0.99 (A.8.4)",
                ("rest", "value"), _value),
    "q-bve": Claim("negative: one-step Q-learning is worse than the supervised policy that it starts from (A.2)",
                   ("rest", "negative"), _q_values),
    "reward-conditioned": Claim("negative: decision transformers (A.2); here: worse than filtered BC",
                                ("rest", "negative"), _conditioned),
    "refresh": Claim("future work: a reward model that learns from fresh ratings after each Grow step; here: by the "
                     "second it ranks the new policy's samples better than the first one does, and greedy "
                     "translations are better for it",
                     ("rest", "refresh"), _refreshed),
}  # fmt: skip
"""By what ``--claims`` calls them."""


def check_claims(names: Sequence[str]) -> None:
    """Refuse claims that the paper does not make.

    Raises:
        ValueError: Naming the one.
    """
    for name in names:
        if name not in CLAIMS:
            raise ValueError(
                f"there is no claim {name!r}; the paper's are 1 to 10, its negative results q-bve and "
                "reward-conditioned, and its future work refresh; give some of these, or all"
            )
