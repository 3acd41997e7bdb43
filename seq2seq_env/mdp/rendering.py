"""Rendering of an episode as text."""

from __future__ import annotations


def render_text(source: str, hypothesis: str, score: float | None) -> str:
    """What a person sees of an episode; the score only when there is one."""
    lines = [f"source      {source}", f"hypothesis  {hypothesis}"]
    if score is not None:
        lines.append(f"score       {score:.3f}")
    return "\n".join(lines) + "\n"
