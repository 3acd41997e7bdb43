"""Ready settings for known data sets and regimes of the phrasebook: each says only what differs from the defaults.

Of the paper's data sets, sizes, candidates and thresholds are the paper's (Gulcehre et al. 2023, section 4, A.3 and
table 2). It states no optimiser, batch size, learning rate or dropout; those are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from experiments.runs.settings import PresetName, Settings
from seq2seq_env.suggestions import suggestion

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Preset:
    """What a data set's runs have of their own.

    Attributes:
        task_options: Of the task.
        nested: Of ``policy``, ``supervised`` and ``improve``, the fields that differ; online.py has an ``improve`` of
            its own.
        growing: Options of growing_batch.py alone, but for the scorer and the judge; compare_agents.py and online.py
            have Grow and Improve steps of their own.
        task: Name of the task.
    """

    task_options: Mapping[str, str] = field(default_factory=dict)
    nested: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    growing: Mapping[str, Any] = field(default_factory=dict)
    task: str = "hub"

    def for_pretrained(self) -> Preset:
        """The same for a pretrained policy, which has a size and learning rates of its own, and may need few tokens."""
        trainings = {name: values for name, values in self.nested.items() if name != "policy"}
        return replace(
            self,
            nested={
                name: {key: value for key, value in values.items() if key not in ("learning_rate", "patience")}
                for name, values in trainings.items()
            },
        )


_LARGE = {"encoder_layers": 6, "decoder_layers": 6, "d_model": 512}
_LONG = {"vocab_size": "32000", "max_tokens": "128", "leaks": "drop"}

# The Improve steps of the phrasebook's other regimes are as long as those of the task's first version.
_SHORT_STEPS = {"max_tokens": 100_000, "evaluate_every": 50_000}

# Faulty references are learned without dropout, too: what a policy of that regime lacks is the filter.
_MANY_PAIRS: dict[str, Any] = {
    "nested": {
        "policy": {"dropout": 0.0},
        "supervised": {"max_tokens": 1_050_000, "evaluate_every": 210_000},
        "improve": _SHORT_STEPS,
    },
    "growing": {"sources": 4_000, "candidates": 2},
    "task": "phrasebook-de-en",
}

PRESETS: dict[PresetName, Preset] = {
    "phrasebook-domain": Preset(
        task_options={"regime": "domain-v1"}, nested={"improve": _SHORT_STEPS}, task="phrasebook-de-en"
    ),
    "phrasebook-noisy": Preset(task_options={"regime": "noisy-v1"}, **_MANY_PAIRS),
    "phrasebook-clean": Preset(task_options={"regime": "clean-v1"}, **_MANY_PAIRS),
    # Solutions are right, and a network this small does not learn them by heart: no dropout.
    "arithmetic": Preset(
        nested={
            "policy": {"architecture": "decoder-only", "dropout": 0.0},
            "supervised": {"tokens_per_batch": 512, "max_tokens": 1_000_000, "evaluate_every": 100_000},
            "improve": {"max_tokens": 200_000, "evaluate_every": 50_000},
        },
        growing={"candidates": 8},
        task="arithmetic",
    ),
    # The paper's best row of table 1 is G = 2, I = 3, which are the defaults.
    "iwslt2014-de-en": Preset(
        task_options={"dataset": "iwslt2014-de-en", **_LONG},
        nested={
            "policy": {**_LARGE, "ffn_dim": 1024, "dropout": 0.3},
            "supervised": {
                "learning_rate": 5e-4, "schedule": "inverse-sqrt", "tokens_per_batch": 4_096, "max_tokens": 160_000_000,
                "warmup_tokens": 16_000_000, "evaluate_every": 4_000_000,
            },
            "improve": {
                "learning_rate": 2e-4, "tokens_per_batch": 4_096, "max_tokens": 80_000_000, "warmup_tokens": 2_000_000,
                "evaluate_every": 4_000_000,
            },
        },
        growing={"sources": None, "candidates": 100},
    ),
    "wmt2020-zh-en": Preset(
        task_options={"dataset": "wmt2020-zh-en", **_LONG},
        nested={
            "policy": {**_LARGE, "ffn_dim": 2048, "num_heads": 8},
            "supervised": {
                "learning_rate": 7e-4, "schedule": "inverse-sqrt", "tokens_per_batch": 32_768,
                "max_tokens": 3_000_000_000, "warmup_tokens": 130_000_000, "evaluate_every": 60_000_000,
            },
            "improve": {
                "learning_rate": 2e-4, "tokens_per_batch": 32_768, "max_tokens": 600_000_000,
                "warmup_tokens": 16_000_000, "evaluate_every": 60_000_000,
            },
        },
        growing={"sources": None, "candidates": 25, "improve_steps": 4},
    ),
    "multi30k-de-en": Preset(
        task_options={"dataset": "multi30k-de-en", "leaks": "drop"},
        nested={
            "policy": {"encoder_layers": 3, "decoder_layers": 3, "d_model": 256, "ffn_dim": 1024},
            "supervised": {
                "learning_rate": 1e-3, "tokens_per_batch": 2_048, "max_tokens": 4_000_000, "warmup_tokens": 100_000,
                "evaluate_every": 1_000_000,
            },
            "improve": {"learning_rate": 3e-4, "tokens_per_batch": 2_048, "max_tokens": 500_000,
                        "warmup_tokens": 20_000, "evaluate_every": 250_000},
        },
        growing={"sources": 12_000, "candidates": 8, "filter": "percentile", "filter_values": (50, 75, 90)},
    ),
}  # fmt: skip

PRETRAINED: Mapping[str, Mapping[str, Any]] = {
    "supervised": {
        "learning_rate": 3e-5, "tokens_per_batch": 2_048, "max_tokens": 2_000_000, "warmup_tokens": 100_000,
        "evaluate_every": 500_000, "evaluate_first": True,
    },
    "improve": {"learning_rate": 1e-5, "tokens_per_batch": 2_048, "max_tokens": 400_000, "warmup_tokens": 20_000,
                "evaluate_every": 100_000},
}  # fmt: skip
"""Trainings of a policy that can translate already: rates for new ones would make it forget."""

ADAPTER_RATE = 10.0
"""Factor on these learning rates where adapters are trained, which begin as nothing."""


def preset_settings(defaults: S, name: str | None, pretrained: str | None, *, adapters: bool = False) -> S:
    """The defaults of a script with a preset's values, and the budgets of a pretrained policy, in their place.

    The preset's task options are not among them, see :func:`with_task_options`.

    Args:
        defaults: Of the script.
        name: A key of :data:`PRESETS`; None leaves the defaults.
        pretrained: Which model the policy starts from; None: none.
        adapters: Whether it trains adapters.

    Raises:
        ValueError: If there is no such preset, listing the good names.
    """
    chosen = defaults
    if name is not None:
        if name not in PRESETS:
            raise ValueError(
                f"there is no preset {name!r}; choose one of {', '.join(PRESETS)}{suggestion(name, PRESETS)}"
            )
        chosen = replace(with_preset(chosen, PRESETS[name]), preset=name)
    if pretrained is not None:
        factor = ADAPTER_RATE if adapters else 1.0
        trainings = {
            part: {**values, "learning_rate": values["learning_rate"] * factor} for part, values in PRETRAINED.items()
        }
        chosen = replace(_nested(chosen, trainings), pretrained=pretrained)
    return chosen


def with_preset(settings: S, preset: Preset) -> S:
    """A script's settings with the values of a preset in their place, but for its task options."""
    nested = {name: values for name, values in preset.nested.items() if name in settings.PRESET_PARTS}
    growing = preset.growing
    if not has_grow_steps(settings):
        growing = {name: value for name, value in growing.items() if name in ("scorer", "judge")}
    return replace(_nested(settings, nested), task=preset.task, **growing)


def has_grow_steps(settings: Settings) -> bool:
    """Whether a script has Grow and Improve steps of Algorithm 1."""
    return "grow_steps" in {each.name for each in fields(settings)}


def with_task_options(settings: S) -> S:
    """Settings whose task options are the preset's where none are given; another task has none of them.

    They come last, because a command line gives a dictionary whole.
    """
    if settings.preset is None or settings.task != PRESETS[settings.preset].task:
        return settings
    return replace(settings, task_options={**PRESETS[settings.preset].task_options, **settings.task_options})


def _nested(settings: S, changes: Mapping[str, Mapping[str, Any]]) -> S:
    return replace(settings, **{name: replace(getattr(settings, name), **values) for name, values in changes.items()})


def check_sizes(settings: Settings) -> None:
    """Refuse sizes of a new network where the policy is a pretrained one, which has its own.

    Raises:
        ValueError: If there are both.
    """
    expected = preset_settings(type(settings)(), settings.preset, None).policy
    if settings.pretrained is not None and settings.policy != expected:
        raise ValueError(
            "--policy options are sizes of a new network, and --pretrained names one that has its own; leave out "
            "one of the two"
        )
