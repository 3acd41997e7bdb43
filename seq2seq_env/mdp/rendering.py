"""Rendering of episodes as text."""

from __future__ import annotations

from collections.abc import Iterable

from gymnasium import logger


def render_texts(
    mode: str | None, sources: Iterable[str], hypotheses: Iterable[str], scores: Iterable[float | None]
) -> tuple[str, ...] | None:
    """What a person sees of n episodes, a score only when there is one: returned in mode "ansi", printed in "human"."""
    if mode is None:
        logger.warn("render() shows nothing without a render mode; make it with render_mode='ansi'")
        return None
    texts = tuple(map(_text, sources, hypotheses, scores))
    if mode == "ansi":
        return texts
    print(*texts, sep="\n", flush=True)
    return None


def _text(source: str, hypothesis: str, score: float | None) -> str:
    last = "" if score is None else f"score       {score:.3f}\n"
    return f"source      {source}\nhypothesis  {hypothesis}\n{last}"
