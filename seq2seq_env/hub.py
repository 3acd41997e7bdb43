"""Files of models and data sets from a folder or from the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

_HUB_NAME = re.compile(r"\w[\w.-]*(/[\w.-]+)?")


def local_copy(
    name: str | Path,
    patterns: Sequence[str],
    revision: str | None = None,
    kind: Literal["model", "dataset"] = "model",
) -> Path:
    """The folder itself, or the folder that the hub's files of that name are downloaded to, once.

    Args:
        name: A folder, or a name on the hub such as "Helsinki-NLP/opus-mt-de-en"; a folder comes first.
        patterns: Files to download; ``*`` stands for anything.
        revision: Commit, tag or branch on the hub; None takes the newest.
        kind: Of the repository on the hub.

    Raises:
        FileNotFoundError: If it is no folder and cannot be a name on the hub.
        ConnectionError: If the hub does not have it or cannot be reached.
        ValueError: If a folder is given a revision.
    """
    folder = Path(name)
    if folder.is_dir():
        if revision is not None:
            raise ValueError(f"{str(name)!r} is a folder, which has no revision {revision!r}; leave it out")
        return folder.absolute()
    if not _HUB_NAME.fullmatch(str(name)):
        raise FileNotFoundError(f"there is no folder {str(name)!r}; name a {kind}'s folder, or its name on the hub")
    from huggingface_hub import snapshot_download

    try:
        copy = snapshot_download(str(name), repo_type=kind, revision=revision, allow_patterns=list(patterns))
        return Path(copy)
    except Exception as error:  # the library raises its own errors and those of what it connects with
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        chosen = "".join(f" --include '{pattern}'" for pattern in patterns)
        chosen += "" if kind == "model" else f" --repo-type {kind}"
        chosen += "" if revision is None else f" --revision {revision}"
        raise ConnectionError(
            f"{str(name)!r} is no folder here and cannot be had from the hub ({reason}); check the name, or where the "
            f"hub can be reached run `hf download {name}{chosen} --local-dir COPY`, and name that folder instead"
        ) from error
