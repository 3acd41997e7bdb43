"""Which texts the data sets of a run folder have: those of a name never change."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.runs.run_folder import RunFolder


def keep_contents(folder: RunFolder, datasets: Mapping[str, Mapping[str, str]]) -> None:
    """Record which texts each data set has, and refuse others under a name that is known.

    Args:
        folder: Of the benchmark or the comparison.
        datasets: By name, the digest of the texts, ``contents``, how it stands to the published one, ``status``, and
            the task's ``regime``.

    Raises:
        ValueError: If there are others.
    """
    known = folder.result("datasets") if folder.has("datasets") else {}
    for name, facts in datasets.items():
        if known.setdefault(name, dict(facts))["contents"] != facts["contents"]:
            raise ValueError(
                f"data set {name!r} has other texts than the one that {str(folder.path)!r} was trained on; give that "
                "one, or choose another --out"
            )
    folder.finish("datasets", known)
