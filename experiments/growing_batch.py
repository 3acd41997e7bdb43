"""ReST, Algorithm 1 of Gulcehre et al. 2023 (arXiv 2308.08998): Grow a batch with the policy, Improve it offline.

A supervised policy is trained until its validation reward stops rising. Each Grow step samples translations of
training sources, and of sentences without references where the task has some, and scores them once; each Improve step
trains on an ever better slice of them and of the original data. Controls train beside it, for as many gradient tokens,
on data that would explain a gain more cheaply. Run again with the same --out to go on where it stopped.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import agents
from agents.unusable_data import UnusableDataError
from buffers import Filter, GrowingBatchBuffer, Slice, coverage
from experiments.names import AgentName
from experiments.reports.gate import Gate, GateAction, GateMeasure
from experiments.reports.report import write_report
from experiments.reports.scorer_monitor import monitor_warnings, monitored_grow_steps
from experiments.runs import scorer_refresh
from experiments.runs.agent_kinds import check_stored
from experiments.runs.arms import Arm, Select, arm_data, arm_pool, arm_stage, known_grow_step, leave_out
from experiments.runs.experiment import Experiment
from experiments.runs.finished_stages import final_stage
from experiments.runs.improve_data import DataConfig, as_spent, explain_nothing, on_pairs
from experiments.runs.last_weights import LastWeights, keep_last
from experiments.runs.recipes import RecipeName, check_recipe
from experiments.runs.rewriting import check_rewriting, check_thresholds, with_rewrites
from experiments.runs.scorer_checks import check_scorer
from experiments.runs.script import main
from experiments.runs.settings import Settings
from experiments.runs.side_by_side import side_by_side
from experiments.runs.stages import UNTRAINED, finish, grow_batch, train
from experiments.runs.supervised import supervised
from experiments.runs.untrained import equal_entropy, rerank
from seq2seq_env.tasks import Task

if TYPE_CHECKING:
    from agents import Agent, Seq2SeqPolicy

MOST_USED = (
    "preset", "recipe", "task", "task_options", "scorer", "agent", "grow_steps", "improve_steps", "sources",
    "candidates", "temperature", "filter", "filter_values", "arms", "seed", "device", "out",
)  # fmt: skip
"""Options that the short help shows."""


@dataclass(frozen=True)
class Config(Settings):
    """Options of the run."""

    NOT_RECORDED: ClassVar[tuple[str, ...]] = (*Settings.NOT_RECORDED, "recipe", "arms", "jobs")

    recipe: RecipeName | None = None
    """Another paper's method, by its options. They are at that paper's settings, which other options override as far
    as they leave it the same method: docs/recipes.md. It goes with --preset, whose values it overrides."""
    agent: AgentName = "filtered-bc"
    """Algorithm of the Improve steps. Its own options stand under its name, and --help explains
    them: --agent bvmpo --bvmpo.eta 0.05."""
    grow_steps: int = 2
    """Number G of Grow steps, 0 or more."""
    arms: tuple[Arm, ...] = ("unfiltered", "filtered")
    """Controls, trained as ReST is, for as many gradient tokens, on other data. "unfiltered" trains on all original
    data, "filtered" on what the filter keeps of them, "samples" on what it keeps of the samples, "one-grow" goes on
    after ReST's first Grow step on its batch, "random" on as many samples as ReST, of each source where the filter
    chooses within a source, whatever their rewards. Without a filter "filtered" would be "unfiltered", and is not
    trained. A gain counts above the best of them. --arms without a value trains none; more can be added
    when a run goes on."""
    restart: bool = False
    """Whether each Improve step starts from the supervised policy, and not from the one before."""
    data: DataConfig = field(default_factory=DataConfig)
    """What narrows the data of an Improve step beside the filter."""
    gate: GateAction = "off"
    """What a run does after an Improve step where the learned reward of validation translations rises and an unrelated
    measure of them falls, each by more than its interval: it goes on ("off"), ends there ("stop"), or ends with the
    policy of the best step before ("fall-back")."""
    gate_by: GateMeasure = "auto"
    """Measure that gates: a "judge" of another make than the scorer, "chrf" against the validation references, or the
    "oracle". "auto" is the judge, and chrF where there is no such judge; never the oracle, which real text has not."""
    refresh_scorer: str | None = None
    """Who rates samples of each Grow step, on which the scorer is trained further before its Improve steps: "oracle",
    or people, by a table for each Grow step, "ratings-{grow}.csv". Where a step's table is not there, the run stops
    after that Grow step, and goes on when it is. The filters then go by the new scorer's rewards, and all measures by
    the first's."""
    refresh_sources: int | None = None
    """Sources whose samples the oracle rates for a refresh, at least 20; None for 500."""
    jobs: int | None = None
    """Arms that train at a time on a CPU, each on its share of the threads, at least 1; None for as many as there are
    threads."""
    out: Path = Path("runs/growing_batch")
    """Folder that the run writes to, and goes on in."""
    buffer: str | None = None
    """Folder or URL (s3://bucket/run) of this run's buffer; None for the folder "buffer" in --out."""

    def buffer_of(self, run: Path) -> str | Path:
        """Where the buffer of a run's folder is."""
        return self.buffer or super().buffer_of(run)

    def check(self) -> None:
        """Refuse what cannot work before anything is done.

        Raises:
            ValueError: If a number is out of range, a name unknown, or the filter's values do not rise.
            TypeError: If an agent's option is no number where one is wanted.
        """
        super().check()
        if self.grow_steps < 0:
            raise ValueError(f"grow_steps is {self.grow_steps}; give 0 or more")
        if self.jobs is not None and self.jobs < 1:
            raise ValueError(f"jobs is {self.jobs}; give 1 or more")
        check_stored([self.agent])
        options = agents.check_options(self.agent, self.options_of(self.agent))
        self.check_adapters([self.agent])
        _ = self.step_filters
        check_recipe(self)
        scorer_refresh.check_options(
            self.refresh_scorer, self.refresh_sources, self.grow_steps, rewrites=self.data.rewrite
        )
        self.data.check(agents.agent_class(self.agent), self.arms, self.improve_steps, restart=self.restart)
        if self.data.rewrite:
            check_rewriting(self.filter, self.agent, options)
        if self.gate == "off" and self.gate_by != "auto":
            raise ValueError(f"--gate-by {self.gate_by} goes with --gate stop or --gate fall-back; give one of them")
        if self.gate_by == "judge" and self.judge is None:
            raise ValueError("--gate-by judge needs a judge; name one with --judge")

    def with_filter(self, task: Task) -> Self:
        """See :meth:`Settings.with_filter`.

        Raises:
            ValueError: If there are to be rewrites, and "auto" is no threshold.
        """
        config = super().with_filter(task)
        check_thresholds(config.filter, rewrites=self.data.rewrite)
        return config

    @property
    def step_filters(self) -> list[Sequence[Filter | None]]:
        """The filter of each Improve step of each Grow step; None where the agent asks for none, whatever a preset has.

        Raises:
            ValueError: As for :meth:`Settings.schedules`.
        """
        if not agents.agent_class(self.agent).filters:
            return [(None,) * self.improve_steps] * self.grow_steps
        return [schedule.filters for schedule in self.schedules(self.grow_steps)]

    @property
    def controls(self) -> tuple[Arm, ...]:
        """The arms that differ: without a filter what it keeps of the original data is all of it."""
        filters = agents.agent_class(self.agent).filters
        return tuple(arm for arm in self.arms if filters or arm != "filtered")

    def is_on_pairs(self, i: int) -> bool:
        """Whether Improve step ``i`` of a Grow step, from 1, trains on the original data alone."""
        return self.data.last_on_pairs and i == self.improve_steps


def growing_batch(run: Experiment[Config]) -> None:
    """Algorithm 1 and what its gain is measured against; stages that the run's folder holds are read from there."""
    config = run.config
    scorer_refresh.check(run, config.refresh_scorer, config.grow_steps)
    gate = Gate(run, config.gate, config.gate_by, config.grow_steps * config.improve_steps)
    policy = supervised(run)  # train pi on D
    rerank(run, policy)
    rest(run, policy, gate)
    if config.grow_steps:
        side_by_side(control, run, [arm for arm in config.controls if not run.folder.has(arm_stage(arm))], config.jobs)
        equal_entropy(run, final_stage(run.folder.path))
        check_scorer(run)


def rest(run: Experiment[Config], policy: Seq2SeqPolicy, gate: Gate) -> None:
    """The loop of Algorithm 1, which a gate may end."""
    config = run.config
    agent = agents.make_agent(config.agent, policy, **config.options_of(config.agent))
    for g, filters in enumerate(config.step_filters, start=1):  # G Grow steps
        batch = grow_step(run, agent.policy, g, filters[0])  # D_g, annotated with R
        for i, filter_i in enumerate(filters, start=1):  # I Improve steps, each with a larger threshold
            agent = next_agent(run, agent)
            improve_step(run, agent, batch, filter_i, g, i)  # train pi on F(D_g) while the reward rises
            if gate.closes(f"g{g}i{i}"):
                return


def next_agent(run: Experiment[Config], agent: Agent) -> Agent:
    """What an Improve step trains: the agent of the one before, or with restarts a new one of the supervised policy."""
    return new_agent(run) if run.config.restart else agent


def new_agent(run: Experiment[Config]) -> Agent:
    """An agent that has the supervised policy."""
    return agents.make_agent(run.config.agent, supervised(run), **run.config.options_of(run.config.agent))


def grow_step(run: Experiment[Config], policy: Seq2SeqPolicy, g: int, kept: Filter | None) -> Slice:
    """The batch of Grow step ``g``: samples of the policy, joined with the original data D, all with rewards.

    Where what the filter refuses is rewritten, the rewrites are there, too.
    """
    config = run.config
    if g == 1:
        grow_batch(run, policy, 0)  # every later batch holds D, whose rewards stay the same: they are computed once
    sources = config.num_sources(run.task)
    buffer = grow_batch(run, policy, g, sources=sources, candidates=config.candidates, references=False)
    watch_scorer(run, buffer, g)
    if config.refresh_scorer is not None:
        scorer_refresh.refresh_scorer(run, buffer, g, config.refresh_scorer, config.refresh_sources)
    batch, data = buffer.select(grow_step=(0, g), scorer=scorer_refresh.reward_column(run, g)), config.data
    return with_rewrites(run, policy, batch, kept, g, data.rewrite_value_tokens) if data.rewrite and kept else batch


def watch_scorer(run: Experiment[Config], buffer: GrowingBatchBuffer, g: int) -> None:
    """Say whether the scorer ranks samples of Grow step ``g`` as it did the first one's, where there is an oracle."""
    if not run.folder.is_writer:
        return
    rows = monitored_grow_steps({step: buffer.select(grow_step=step) for step in range(1, g + 1)}, run.task)
    for row in rows[-1:]:
        print("\n".join([f"Monitor: {row}", *([] if run.config.refresh_scorer else monitor_warnings([row]))]))


def improve_step(run: Experiment[Config], agent: Agent, batch: Slice, kept: Filter | None, g: int, i: int) -> None:
    """Train on what the filter keeps while the validation reward rises; the agent ends with the best weights.

    Where it keeps nothing, these are those of the step before.

    Raises:
        ValueError: If it is the first of a Grow step and the filter keeps nothing.
    """
    config, stage = run.config, f"g{g}i{i}"
    if run.folder.has(stage):
        agent.restore(run.folder.checkpoint(stage))
        return
    if i == 1 or config.restart:
        agent.prepare(batch, config.improve_at(1))
    training = config.improve_at((g - 1) * config.improve_steps + i)
    if config.is_on_pairs(i):
        kept, training = None, on_pairs(training)
        data = batch.where(batch.is_reference)
    else:
        data = narrowed(config, agent, config.data.select(batch, kept, run.task.tokenizer), training.seed)
    data = agent.usable(data)
    part = coverage(batch, data)
    print(f"Improve {i} of Grow {g}, {kept or 'all data'}: {part}")
    if not len(data):
        explain_nothing(batch, kept, stage, fatal=i == 1)  # the later steps would have nothing either
        if config.restart:  # a new agent would be the supervised policy again
            agent.restore(run.folder.checkpoint(f"g{g}i{i - 1}"))
    facts = {
        "threshold": kept.value if kept else None,
        "data_reward": part.mean_reward_before,
        "kept_fraction": part.kept_fraction,
        "sources_without_data": part.sources_without_data_fraction,
        "distinct_samples": part.distinct_samples,
    }
    last = LastWeights(scorer_refresh.refreshed(run, g).evaluator.validation_reward)
    facts |= train(run, agent, data, training, stage, config.lora, last)
    keep_last(run, stage, agent.policy, facts, last)
    finish(run, stage, agent, facts)


def narrowed(config: Config, agent: Agent, data: Slice, seed: int) -> Slice:
    """What an Improve step trains on of what passed: equal targets of a source once, and no more than wanted."""
    return config.data.limit(counting(config, agent)(data), seed)


def counting(config: Config, agent: Agent) -> Select:
    """What makes equal targets of a source one, but where the agent counts each."""
    return (lambda data: data) if agent.needs_copies or not agent.filters else config.counted


def control(run: Experiment[Config], arm: Arm) -> None:
    """ReST's Improve steps on an arm's data: as many tokens each, from the best weights of the one before.

    An arm whose data the agent cannot use, or whose loss stops being finite, is left out with a warning.
    """
    config, column = run.config, partial(scorer_refresh.reward_column, run)
    print(f"Control: {arm}")
    agent = new_agent(run)
    buffer = GrowingBatchBuffer(config.buffer_of(run.folder.path), task=run.task)
    steps = _steps(run)
    for g, i, kept in steps:
        stage = f"{arm_stage(arm)}-g{g}i{i}"
        if run.folder.has(stage):
            agent.restore(run.folder.checkpoint(stage))
            continue
        if arm == "one-grow" and g == 1:  # these steps are ReST's own
            agent.restore(run.folder.checkpoint(f"g1i{i}"))
            facts = run.folder.result(f"g1i{i}")[0]
            finish(run, stage, agent, {name: facts[name] for name in UNTRAINED}, measured=False)
            continue
        training, known = config.improve_at((g - 1) * config.improve_steps + i), known_grow_step(arm, g)
        if config.is_on_pairs(i):
            data, training = buffer.select(grow_step=0, scorer=column(known)), on_pairs(training)
        else:
            select = partial(config.data.select, kept=kept, tokenizer=run.task.tokenizer)
            narrow = partial(narrowed, config, agent, seed=training.seed)
            data = arm_data(
                arm, buffer, g, select, column, narrow, counting(config, agent),
                by_source=kept is None or kept.by_source, seed=training.seed,
            )  # fmt: skip
        own = run.folder.result(f"g{g}i{i}")[0]
        tokens = own["train_tokens"]
        if tokens and not len(data):
            print(f"{stage} has no data, and trains nothing")
        training = as_spent(training, own)
        trained = scorer_refresh.refreshed(run, known)
        try:
            if tokens and len(data):
                agent = next_agent(run, agent)
                if i == 1 or config.restart:
                    agent.prepare(arm_pool(arm, buffer, g, column), config.improve_at(1))
            facts = train(trained, agent, data, training, stage, config.lora) if tokens else dict(UNTRAINED)
        except (UnusableDataError, FloatingPointError) as error:  # such as one reference a source, for what compares
            leave_out(run.folder, arm, str(error))
            return
        finish(run, stage, agent, facts, measured=False)
    spent = [run.folder.result(f"{arm_stage(arm)}-g{g}i{i}")[0] for g, i, _ in steps]
    finish(
        run, arm_stage(arm), agent, {name: sum(step[name] for step in spent) for name in ("train_tokens", "seconds")}
    )


def _steps(run: Experiment[Config]) -> list[tuple[int, int, Filter | None]]:
    """Numbers g and i and the filter of all Improve steps that ReST has done, in order; a gate may have ended them."""
    config = run.config
    return [
        (g, i, filter_i)
        for g, filters in enumerate(config.step_filters, start=1)
        for i, filter_i in enumerate(filters, start=1)
        if run.folder.has(f"g{g}i{i}")
    ]


def report(run: Experiment[Config]) -> None:
    """Tables, plots and examples of all stages."""
    out = run.config.out
    write_report(run.folder, run.evaluator)
    print(f"wrote results, plots, checkpoints and buffer to {out}")
    curves = f"watch the curves with: tensorboard --logdir {shlex.quote(str(out))}"
    print(f"next: open {out / 'report.html'}, or read {out / 'results.md'}; {curves}")


if __name__ == "__main__":
    main(Config, __doc__, growing_batch, report)
