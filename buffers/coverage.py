"""What a filter left of a Grow step: the report of an Improve step's data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from buffers.slices import Slice


@dataclass(frozen=True)
class Coverage:
    """A slice before and after a filter.

    Attributes:
        trajectories: Before the filter.
        kept_trajectories: After it.
        kept_fraction: Their share, in [0, 1].
        sources: Distinct sources before the filter.
        sources_without_data: Of those, how many kept nothing.
        sources_without_data_fraction: Their share, in [0, 1].
        tokens: Target tokens before the filter.
        kept_tokens: Target tokens after it.
        mean_reward_before: Over all trajectories.
        mean_reward_after: Over those kept, NaN where nothing was.
        distinct_samples: Distinct pairs of source and sampled target kept, references left out.
    """

    trajectories: int
    kept_trajectories: int
    kept_fraction: float
    sources: int
    sources_without_data: int
    sources_without_data_fraction: float
    tokens: int
    kept_tokens: int
    mean_reward_before: float
    mean_reward_after: float
    distinct_samples: int

    def __str__(self) -> str:
        if not self.kept_trajectories:
            return f"the filter keeps nothing of {self.trajectories} trajectories; lower its value or skip this step"
        return (
            f"keeps {self.kept_trajectories} of {self.trajectories} trajectories ({self.kept_fraction:.1%}), "
            f"{self.kept_tokens} tokens, {self.distinct_samples} distinct samples; mean reward "
            f"{self.mean_reward_before:.3f} -> {self.mean_reward_after:.3f}; "
            f"{self.sources_without_data} of {self.sources} sources keep nothing"
        )


def coverage(before: Slice, after: Slice) -> Coverage:
    """What a filter did to a slice.

    Args:
        before: The slice that was filtered, not empty.
        after: What the filter kept of it.

    Raises:
        ValueError: If ``before`` is empty, or ``after`` is not a part of it.
    """
    sources, kept_sources = np.unique(before.source_index), np.unique(after.source_index)
    if not len(before) or len(after) > len(before) or len(np.setdiff1d(kept_sources, sources)):
        raise ValueError(f"{after!r} is not what a filter keeps of {before!r}; give the slice it was selected from")
    without = len(sources) - len(kept_sources)
    return Coverage(
        trajectories=len(before),
        kept_trajectories=len(after),
        kept_fraction=len(after) / len(before),
        sources=len(sources),
        sources_without_data=without,
        sources_without_data_fraction=without / len(sources),
        tokens=before.num_tokens,
        kept_tokens=after.num_tokens,
        mean_reward_before=before.mean_reward(),
        mean_reward_after=after.mean_reward(),
        distinct_samples=after.distinct_samples(),
    )
