"""The refusal by which an agent says that it cannot learn from some trajectories."""

from __future__ import annotations


class UnusableDataError(ValueError):
    """Trajectories lack what an algorithm needs of them: others would do, and so would another agent on these."""
