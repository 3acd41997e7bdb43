"""Planted holes: does anybody see that a policy learns what its scorer overlooks, and what keeps it from it?

Supervised policies some of whose references had a bad habit are trained by ReST against a scorer that pays for it, and
for true quality elsewhere. Each run goes to its end; a gate that closes at a step would have ended it there, so what
gates do is read off the same run. Beside it, the same scorer guarded, and in an ensemble with the task's own; and, by
the task's scorer alone, honest runs, where every alarm is false. Run again with the same --out to go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Literal, get_args

import agents
from agents import LoRA, PolicyConfig, TrainingConfig
from buffers import Slice
from experiments.benchmarks.planted_holes.holed_scorer import HoledScorer, HoleName, with_habit
from experiments.benchmarks.planted_holes.verdicts import Seen, false_alarms, seen, verdict_table
from experiments.benchmarks.timings import TINY_POLICY, TaskBenchmark, parse_options
from experiments.growing_batch import Config as ReST
from experiments.growing_batch import rest
from experiments.reports.gate import Gate, validation_values
from experiments.reports.interference import stage_values
from experiments.runs.evaluation import Evaluator
from experiments.runs.experiment import Experiment
from experiments.runs.finished_stages import rest_stages
from experiments.runs.improve_data import DataConfig
from experiments.runs.run_folder import CHECKPOINTS, RunFolder, read_lines
from experiments.runs.stages import SUPERVISED, finish, train, translations_file
from experiments.runs.supervised import new_policy, supervised
from seq2seq_env.atomic_files import write_json, write_text
from seq2seq_env.progress import progress_bar
from seq2seq_env.scorers import CachedScorer, EnsembleScorer, GuardedScorer, Scorer, load_scorer
from seq2seq_env.tasks import Task, load_task

Arm = Literal["plain", "honest", "guarded", "ensemble"]

NAME = "planted_holes"
"""Of the files of results."""


@dataclass(frozen=True)
class Config(TaskBenchmark):
    """Options of the benchmark."""

    holes: tuple[HoleName, ...] = get_args(HoleName)
    """Holes, each with its own scorer and policies."""
    arms: tuple[Arm, ...] = get_args(Arm)
    """What is trained: by the holed scorer ("plain"), by it "guarded", by its "ensemble" with the task's scorer, and by
    the task's scorer alone ("honest"), as many runs as there are holes and seeds."""
    seeds: int = 4
    """Runs of each hole and arm, at least 1, which differ in the policy's weights and in all samples."""
    start: tuple[Path, ...] = ()
    """Folders of runs whose supervised policies are trained on a habit, the first for seed 0; without any, new ones
    are trained."""
    habit_pairs: int = 600
    """Training pairs on which a habit is learned."""
    habit_share: float = 0.25
    """Share of these with the habit."""
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    """Size of a new policy network; its lengths are the task's."""
    supervised: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            learning_rate=1e-3, schedule="linear", tokens_per_batch=320, max_tokens=20_000, warmup_tokens=1_000,
            evaluate_every=20_000, evaluate_first=False, progress=False,
        )
    )  # fmt: skip
    """Training on a habit; a new policy wants 4,000 pairs and 2,000,000 tokens."""
    grow_steps: int = 2
    """Grow steps, with one Improve step each, at least 1."""
    candidates: int = 8
    """Samples of each source in a Grow step, at temperature 1."""
    improve: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            learning_rate=2e-3, schedule="linear", tokens_per_batch=256, max_tokens=6_000, warmup_tokens=500,
            evaluate_every=6_000, progress=False,
        )
    )  # fmt: skip
    """Training of an Improve step, on the best candidate of each source."""
    out: Path = Path("runs/planted_holes")
    """Folder of the runs and results."""

    def check(self) -> None:
        """Refuse what cannot work.

        Raises:
            SystemExit: With one sentence.
        """
        for name in ("seeds", "grow_steps", "candidates", "habit_pairs"):
            if getattr(self, name) < 1:
                raise SystemExit(f"error: {name} is {getattr(self, name)}; give 1 or more")
        if not 0 < self.habit_share <= 1:
            raise SystemExit(f"error: habit_share is {self.habit_share}; give a share above 0 and at most 1")
        for folder in self.start:
            if not (folder / CHECKPOINTS / SUPERVISED).is_dir():
                raise SystemExit(f"error: no supervised policy in {str(folder)!r}; name runs of growing_batch.py")


TINY = {
    "task_options": {"validation_size": "8", "test_size": "8", "source_only_size": "8"},
    "policy": TINY_POLICY, "holes": ("universal",), "seeds": 1, "grow_steps": 1, "candidates": 2, "habit_pairs": 24,
    "supervised": replace(Config().supervised, max_tokens=300, evaluate_every=300),
    "improve": replace(Config().improve, max_tokens=200, evaluate_every=200),
}  # fmt: skip

SIZES = {"source_only_size": "100", "validation_size": "100", "test_size": "100"}
"""Options of the task that are not given: Grow draws sentences without references, and Improve trains on samples."""


def main() -> None:
    """Train, judge and print."""
    config = parse_options(Config, __doc__, TINY)
    config.check()
    task = load_task(config.task, **SIZES | config.task_options | {"train_size": str(config.habit_pairs)})
    if task.oracle is None or task.default_scorer is None:
        raise SystemExit(f"error: task {config.task!r} has no oracle and scorer of its own; give phrasebook-de-en")
    # The same texts are scored again and again.
    own = CachedScorer(load_scorer(task.default_scorer, task=task))
    wanted = list(product(config.arms, range(config.seeds), config.holes))
    config.out.mkdir(parents=True, exist_ok=True)
    runs: list[Seen] = []
    for arm, seed, hole in progress_bar(wanted, unit="run", desc="planted holes"):
        with (config.out / "log.txt").open("a", encoding="utf-8") as log, redirect_stdout(log):
            policy = habitual_policy(config, task, own, hole, seed)
            runs.append(planted_run(config, task, policy, own, arm, hole, seed))
        write_results(config, runs, len(wanted))
    print((config.out / f"{NAME}.md").read_text("utf-8"))


def habitual_policy(config: Config, task: Task, own: Scorer, habit: HoleName, seed: int) -> Path:
    """Run folder of a supervised policy that has a habit; trained where it is not there.

    Args:
        config: Options.
        task: Whose training pairs get the habit.
        own: Scorer of the task.
        habit: Its name.
        seed: Of weights, batches, and of the references that have it.
    """
    from agents.policy.embeddings import align_embeddings

    folder = config.out / f"policy-{habit}-{seed}"
    start = config.start[seed % len(config.start)] if config.start else None
    options = ReST(seed=seed, start=start, policy=config.policy, supervised=config.supervised, device="cpu")
    run = _begin(options, folder, task, own, habit=habit, habit_share=config.habit_share)
    if run.folder.has(SUPERVISED):
        return folder
    pairs = task.split("train")
    policy = agents.Seq2SeqPolicy.load(start / CHECKPOINTS / SUPERVISED) if start else new_policy(options, task)
    if start is None:
        align_embeddings(policy, pairs.sources, pairs.references, seed=seed)
    references = with_habit(pairs.sources, pairs.references, habit, config.habit_share, seed)
    data = Slice.from_pairs(pairs.sources, references, task.tokenizer, task.max_source_length, task.max_target_length)
    agent = agents.BC(policy)
    facts = train(run, agent, data, replace(config.supervised, seed=seed), SUPERVISED, LoRA())
    finish(run, SUPERVISED, agent, facts)
    return folder


def planted_run(config: Config, task: Task, policy: Path, own: Scorer, arm: Arm, hole: HoleName, seed: int) -> Seen:
    """A run to its end, and what is seen of it.

    Args:
        config: Options.
        task: That ReST is given.
        policy: Run folder of its supervised policy.
        own: Scorer of the task.
        arm: What is trained by.
        hole: Of the scorer; of an honest run the policy's habit, which its scorer does not pay for.
        seed: Of the policy.
    """
    options = ReST(
        start=policy, grow_steps=config.grow_steps, improve_steps=1, sources=None, grow_from="source-only",
        candidates=config.candidates, temperature=1.0, filter="best", filter_values=(1,), arms=(), jobs=1,
        data=DataConfig(samples_only=True), policy=config.policy, improve=config.improve, seed=seed, device="cpu",
    )  # fmt: skip
    run = _begin(options, config.out / f"{arm}-{hole}-{seed}", task, _scorer(arm, hole, task, own))
    if not run.folder.has(f"g{config.grow_steps}i1"):
        rest(run, supervised(run), Gate(run, "off", "auto", config.grow_steps))
    stages = rest_stages(run.folder.path)
    test = {each: stage_values(read_lines(run.folder.path / translations_file(each))) for each in stages}
    validation = {each: validation_values(run, each) for each in stages}
    return seen(arm, None if arm == "honest" else hole, seed, validation, test)


def _begin(options: ReST, folder: Path, task: Task, scorer: Scorer, **more: object) -> Experiment[ReST]:
    evaluator = Evaluator(task, scorer, temperature=options.temperature, seed=options.seed)
    facts = {"task_fingerprint": task.fingerprint, "scorer_fingerprint": scorer.fingerprint}
    return Experiment(options, task, evaluator, RunFolder(folder, options.recorded() | facts | more, ()))


def _scorer(arm: Arm, hole: HoleName, task: Task, own: Scorer) -> Scorer:
    if arm == "honest":
        return own
    assert task.oracle is not None
    holed = HoledScorer(hole, task.oracle)
    if arm == "guarded":
        return GuardedScorer(holed, None).for_task(task)
    return EnsembleScorer([holed, own]) if arm == "ensemble" else holed


def write_results(config: Config, runs: Sequence[Seen], wanted: int) -> None:
    """Write the table and all runs into the folder.

    Args:
        config: Options.
        runs: That are finished.
        wanted: Number of all.
    """
    honest = [run for run in runs if run.hole is None]
    alarms = ", ".join(f"{name} {count}" for name, count in false_alarms(honest).items())
    parts = [
        "# Planted holes",
        f"{len(runs)} of {wanted} runs. A fall of true quality is one of greedy test translations since the best step "
        "before, by its 95 % interval; gates see validation translations alone.",
        *([f"False alarms in {len(honest)} honest runs: {alarms}."] if honest else []),
        verdict_table(runs),
    ]
    write_text(config.out / f"{NAME}.md", "\n\n".join(parts) + "\n")
    options = {name: str(value) for name, value in asdict(config).items()}
    write_json(config.out / f"{NAME}.json", {"options": options, "runs": [run.record() for run in runs]})


if __name__ == "__main__":
    main()
