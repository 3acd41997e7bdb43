"""Options that growing_batch.py and compare_agents.py have in common: task, Grow step, filter and budgets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import tyro

import agents
from agents import ComputeType, Engine, LoRA, PolicyConfig, TrainingConfig
from buffers import GrowFrom, Schedule, Slice, drawable_rows, make_schedule
from buffers.filters import FILTERS
from experiments.names import FilterName, TaskName
from experiments.runs.run_folder import bound
from experiments.runs.run_log import TrackerName, check_trackers
from experiments.scorer_training.estimator_config import EstimatorConfig
from seq2seq_env.extras import check_extra, is_installed
from seq2seq_env.ranges import above_zero, check_seed
from seq2seq_env.suggestions import check_name
from seq2seq_env.tasks import Task, TaskOptions, task_parameters
from seq2seq_env.tasks.loading import TASKS

DEFAULT_VALUES: dict[str, tuple[float, ...]] = {
    "threshold": (0.7, 0.8, 0.9, 0.95, 0.99),
    "percentile": (50, 70, 80, 90, 95),
    "interpolation": (0.5, 0.7, 0.9, 0.95, 0.98),
    "best": (16, 8, 4, 2, 1),
}
"""Values of each filter that I Improve steps choose from. The thresholds are the paper's (section 4)."""

LAST_VALUES = ("threshold", "best")
"""Filters of which I Improve steps take the last values, not the first."""


AgentOptions = Annotated[dict[str, dict[str, Any]], tyro.conf.Fixed, tyro.conf.Suppress]
"""Options of agents by the agent's name; on the command line each has its own."""

PresetName = Literal[
    "phrasebook-domain", "phrasebook-noisy", "phrasebook-clean", "arithmetic", "iwslt2014-de-en", "wmt2020-zh-en",
    "multi30k-de-en",
]  # fmt: skip
"""Keys of ``experiments.runs.presets.PRESETS``."""


@dataclass(frozen=True)
class Settings:
    """Options of a run on one task with one scorer."""

    PRESET_PARTS: ClassVar[tuple[str, ...]] = ("policy", "supervised", "improve")
    """Options with a dot that a preset has values for."""
    NOT_RECORDED: ClassVar[tuple[str, ...]] = (
        "out",
        "device",
        "preset",
        "log_with",
        "force_scorer",
        "estimator",
        "plan",
        "auto_sources",
    )
    """Options that may change when a run goes on; a scorer is known by its fingerprint."""

    preset: PresetName | None = None
    """Settings of a known data set, which other options override. There are the phrasebook's other regimes, a small
    decoder-only policy for the arithmetic task, the paper's sizes for IWSLT 2014 and WMT 2020, and a laptop's for
    Multi30k. With it, --help shows its values."""

    task: TaskName = "phrasebook-de-en"
    """Name of the task, which gives the texts."""
    task_options: TaskOptions = field(default_factory=dict)
    """Options of the task, names and values in turn: --task text-files --task-options folder data source de target
    en."""
    pretrained: str | None = None
    """Folder or name on the Hugging Face hub of an encoder-decoder to start from (Marian, M2M100, NLLB, mBART, BART,
    T5), or of a decoder-only model (Llama, Qwen, GPT-2): --pretrained Helsinki-NLP/opus-mt-de-en. The task takes its
    tokenizer; what else it must be told are task options: source_language deu_Latn target_language eng_Latn, or
    source_prefix "translate German to English: "; of a decoder-only model, prompt "Translate into English: {source}"
    chat yes. The trainings have other defaults then, which --help shows."""
    fine_tune: bool = True
    """Whether the pretrained policy is trained on the original data first; --no-fine-tune takes it as it is."""
    start: Path | None = None
    """Folder of a run of growing_batch.py, or of a seed of compare_agents.py, whose supervised policy is taken in place
    of training one."""
    lora: LoRA = field(default_factory=LoRA)
    """Low-rank adapters in place of all weights, in the Improve steps and where a pretrained policy is trained; they
    are merged after each. They want a higher learning rate, which a pretrained policy's trainings have then."""
    scorer: str | None = None
    """Name, folder or specification of the scorer. By default the task's own. A specification is "process:" and a
    program's command, "metricx:" and a checkpoint, or "ensemble:" and several scorers, see docs/scorers.md. Where the
    task has no scorer of its own, one is made of the task's pairs first, as train_scorer.py does, in a folder beside
    the run's, its name ending in -scorer."""
    force_scorer: bool = False
    """Whether a scorer is taken that its own report calls near chance: its within-source accuracy, or the share of
    corrupted translations whose score falls, is below 0.6. Or one that counts words, and rates less than 0.6 of the
    validation references above another source's."""
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)
    """Budgets of the scorer that is made where the task has none, as train_scorer.py takes them."""
    judge: str | None = None
    """Another scorer, by which nothing is filtered, and stopped only where a gate says so: measured beside the reward,
    it shows where a task has no oracle whether a policy got better or only learned what its scorer likes."""
    improve_steps: int = 3
    """Number I of Improve steps to each Grow step, at least 1. The paper's "I=0" is --agent bc --improve-steps 1."""
    sources: int | Literal["auto"] | None = "auto"
    """Number of sources drawn for each Grow step; None takes all. "auto" is --auto-sources, or all where there are
    fewer."""
    auto_sources: int = 8_000
    """Number of sources that --sources auto stands for, at least 1."""
    grow_from: Literal["auto", "train", "source-only", "both"] = "auto"
    """Sources that a Grow step draws from: those of the "train" split, the "source-only" sentences, which have no
    references, or "both". "auto" is "both" where the task has such sentences, and "train" elsewhere. The original data
    are the training pairs in any case."""
    candidates: int = 4
    """Samples of each source in a Grow step, at least 1."""
    temperature: float = 0.8
    """Sampling temperature, above 0."""
    beams: int = 1
    """Hypotheses that beam search holds at once for each test source, at least 1. From 2 on, every policy's test
    translations by beam search are measured beside its samples and its greedy ones."""
    engine: Engine = "auto"
    """Engine that samples in a Grow step: "transformers", "static" (for GPUs), "ctranslate2", "vllm" (decoder-only
    models on GPUs), or "auto" for the faster one, which is CTranslate2 where it converts the model, but for Marian
    models."""
    compute_type: ComputeType = "float32"
    """The engine's arithmetic; "int8" is faster, and its sampler KL is measured and printed."""
    filter: FilterName = "auto"
    """Filter of what an Improve step keeps. "threshold" is on the reward; "percentile" and "interpolation" are within a
    source, which leave hard sources some data, and nothing of a source with one candidate; "best" keeps the best few
    of each source. "auto" is "threshold" where
    filter values are given or the task has a scorer of its own, whose rewards mean what they say, and "percentile" for
    other scorers, whose rewards may all lie below the paper's thresholds."""
    filter_values: tuple[float, ...] | None = None
    """Rising values of the filter. I for every Grow step, or G * I; a reward or gamma in [0, 1), a percentile in
    [0, 100). Of "best", falling numbers of candidates. By default the last I thresholds of 0.7 0.8 0.9 0.95 0.99,
    because the first has to be above the data's mean reward; or the first I of 50 70 80 90 95, or of 0.5 0.7 0.9 0.95
    0.98; or the last I of 16 8 4 2 1."""
    distinct: bool = True
    """Whether equal targets of a source count once among those that the filter keeps. Samples of short sentences or at
    low temperatures are mostly copies, and a step of few tokens sees little else; the paper's objective counts each.
    Agents that weigh all data themselves take the copies in any case, and so does iw-sft, whose weights correct for
    how often each was sampled."""
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    """Architecture and size of the policy network, whose lengths are the task's; the paper's has 6 + 6 layers."""
    supervised: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            learning_rate=2e-3,
            schedule="linear",
            tokens_per_batch=320,
            max_tokens=2_000_000,
            warmup_tokens=20_000,
            evaluate_every=200_000,
            evaluate_first=False,
        )
    )
    """Training of the supervised policy."""
    improve: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            learning_rate=1e-3,
            schedule="linear",
            tokens_per_batch=512,
            max_tokens=250_000,
            warmup_tokens=5_000,
            evaluate_every=125_000,
        )
    )
    """Training of the first Improve step."""
    learning_rate_decay: float = 0.75
    """Factor on the learning rate from one Improve step to the next, across Grow steps, above 0 and at most 1."""
    seed: int = 0
    """Seed of weights, batches and samples, 0 or more. The task's sentences stay the same."""
    device: str = "auto"
    """Device that the networks compute on: "cpu", "cuda", or "auto" for a GPU where there is one."""

    plan: bool = False
    """Whether the run only says what it would do, with an estimate of each stage's time on this machine, and stops."""
    log_with: tuple[TrackerName, ...] | None = None
    """Trackers that curves, examples and options are logged with, each a package to install: --log-with tensorboard
    wandb. None takes TensorBoard where it is installed, and --log-with without a value none."""

    out: Path = Path("runs")
    """Folder that the run writes to, and goes on in."""
    agent_options: AgentOptions = field(default_factory=dict)
    """Options of agents by the agent's name, each under its own on the command line: --bvmpo.eta 0.05."""

    def options_of(self, agent: str) -> dict[str, Any]:
        """One agent's own options."""
        return self.agent_options.get(agent, {})

    def start_of(self, seed: int) -> Path | None:
        """Folder of the run whose supervised policy the run of a seed takes."""
        return self.start

    def buffer_of(self, run: Path) -> str | Path:
        """Where the buffer of a run's folder is."""
        return run / "buffer"

    def recorded(self) -> dict[str, Any]:
        """What determines the results, as JSON and the command line's ``--config`` can hold it."""
        options = {name: value for name, value in asdict(self).items() if name not in self.NOT_RECORDED}
        options |= options.pop("agent_options")
        return bound({name: str(value) if isinstance(value, Path) else value for name, value in options.items()})

    def check(self) -> None:
        """Refuse what cannot work before anything is done.

        Raises:
            ValueError: If a number is out of range.
            ImportError: If what an option needs is not installed.
        """
        check_trackers(self.log_with)
        check_name("task", self.task, sorted(TASKS))
        check_name("filter", self.filter, ["auto", *FILTERS])
        for name in self.agent_options:
            check_name("agent", name, sorted(agents.AGENTS))
        for name, low in (("improve_steps", 1), ("auto_sources", 1), ("candidates", 1), ("beams", 1)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} is {getattr(self, name)}; give {low} or more")
        check_seed(self.seed)
        for name in ("supervised", "improve"):
            if getattr(self, name).seed != TrainingConfig.seed:
                raise ValueError(
                    f"--{name}.seed is {getattr(self, name).seed}, and the order of batches follows from --seed; give "
                    "that one"
                )
        above_zero(self, "temperature")
        if not 0 < self.learning_rate_decay <= 1:
            raise ValueError(f"learning_rate_decay is {self.learning_rate_decay}; give a factor above 0 and at most 1")
        if self.pretrained is None and not self.fine_tune:
            raise ValueError("--no-fine-tune is for a pretrained policy; name one with --pretrained")
        if self.start is not None and self.pretrained is not None:
            raise ValueError("both --start and --pretrained name the policy to start from; give one of them")
        if self.lora.rank:
            check_extra("lora", "--lora.rank")
        if self.engine == "ctranslate2":
            check_extra("ct2", "--engine ctranslate2")
        if self.engine == "vllm" and not is_installed("vllm"):
            raise ImportError(
                "--engine vllm needs vllm, which is not installed; install it with this package in an environment of "
                "its own: pip install vllm"
            )

    def check_adapters(self, names: Iterable[str]) -> None:
        """Refuse agents that train no adapters, or read sources as they are, where there are to be adapters or noise.

        Raises:
            ValueError: If an agent trains networks of its own, or its loss has an importance ratio and there is noise.
        """
        from agents.training.source_noise import check_no_noise  # which imports PyTorch

        kinds = {name: agents.agent_class(name) for name in names}
        if self.lora.rank and (whole := [name for name, kind in kinds.items() if not kind.adapts]):
            raise ValueError(f"agent {whole[0]!r} trains whole networks, no adapters; leave --lora.rank at 0")
        of_library = [name for name, kind in kinds.items() if not issubclass(kind, agents.LossAgent)]
        if self.improve.has_source_noise and of_library:
            raise ValueError(
                f"agent {of_library[0]!r} trains on d3rlpy's transitions, without noise; leave --improve.source-drop, "
                "-blank and -shuffle at 0"
            )
        for name in kinds if self.improve.has_source_noise else ():
            if agents.check_options(name, self.options_of(name)).has_ratio:
                check_no_noise(name, self.improve)

    def options_of_task(self) -> TaskOptions:
        """The task's options, with the pretrained model's tokenizer where the task takes one."""
        if self.pretrained is None or "tokenizer" not in task_parameters(self.task):
            return self.task_options
        return {"tokenizer": self.pretrained, **self.task_options}

    def with_filter(self, task: Task) -> Self:
        """The same options with what the filter "auto" stands for."""
        if self.filter != "auto":
            return self
        calibrated = self.scorer is None and task.default_scorer is not None
        return replace(self, filter="threshold" if calibrated or self.filter_values is not None else "percentile")

    def drawn_from(self, task: Task) -> GrowFrom:
        """What the option ``grow_from`` stands for."""
        if self.grow_from == "auto":
            return "both" if task.has_source_only else "train"
        return self.grow_from

    def num_sources(self, task: Task) -> int | None:
        """What the option ``sources`` stands for; None: all that may be drawn.

        Raises:
            ValueError: If there are no source-only sentences to draw, or fewer sources than asked for.
        """
        grow_from = self.drawn_from(task)
        available = len(drawable_rows(task, grow_from))
        if self.sources == "auto":
            return self.auto_sources if available > self.auto_sources else None
        if self.sources is not None and not 1 <= self.sources <= available:
            raise ValueError(
                f"sources is {self.sources}, and there are {available} to draw from {grow_from!r}; give 1 to "
                f"{available}, or None for all"
            )
        return self.sources

    def with_sources(self, task: Task) -> Self:
        """The same options with what "auto" stands for as sources and as what they are drawn from.

        Raises:
            ValueError: As for :meth:`num_sources`, or if noise on them would fall on what stands around them, too.
        """
        from agents.training.source_noise import check_bare_sources

        for training in (self.supervised, self.improve):
            check_bare_sources(training, task.tokenizer)
        return replace(self, sources=self.num_sources(task), grow_from=self.drawn_from(task))

    def schedules(self, grow_steps: int) -> list[Schedule]:
        """The filters of each Grow step.

        Raises:
            ValueError: If the filter is unknown, its values' number fits neither I nor G * I, or they do not rise.
        """
        steps, values = self.improve_steps, self.filter_values
        kind = "threshold" if self.filter == "auto" else self.filter
        if values is None:
            check_name("filter", kind, FILTERS)
            known = DEFAULT_VALUES[kind]
            values = known[-steps:] if kind in LAST_VALUES else known[:steps]
        if len(values) == steps:
            values = values * grow_steps
        if len(values) != steps * grow_steps:
            raise ValueError(
                f"filter_values has {len(values)} values; give {steps}, one an Improve step, or "
                f"{steps * grow_steps}, one for each Improve step of each Grow step"
            )
        return [make_schedule(kind, values[start : start + steps]) for start in range(0, len(values), steps)]

    def counted(self, data: Slice) -> Slice:
        """What the filter kept, with equal targets of a source once or each."""
        return data.distinct() if self.distinct else data

    def improve_at(self, step: int, seed: int | None = None) -> TrainingConfig:
        """Training of Improve step ``step``, counted from 1 over all Grow steps, with its smaller learning rate."""
        rate = self.improve.learning_rate * self.learning_rate_decay ** (step - 1)
        seed = self.seed if seed is None else seed
        return replace(self.improve, learning_rate=rate, seed=seed * 1000 + step)
