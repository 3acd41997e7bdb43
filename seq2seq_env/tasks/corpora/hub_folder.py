"""A model's files, from a folder or from the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def model_folder(name: str | Path, patterns: Sequence[str]) -> Path:
    """The folder with the files of a model: ``name`` itself, or the cached copy of what the hub has under that name.

    Args:
        name: A folder, or a name on the hub such as "Helsinki-NLP/opus-mt-de-en".
        patterns: Names of the files that are wanted; ``*`` stands for anything.

    Raises:
        FileNotFoundError: If ``name`` is the path of a folder that is not there.
        OSError: If the hub does not have it or cannot be reached.
    """
    place = Path(name)
    if place.is_dir():
        return place
    owner, _, model = str(name).partition("/")
    if not owner.strip(".~") or "/" in model:  # the hub's names are "model" and "owner/model"
        raise FileNotFoundError(
            f"there is no folder {str(name)!r}; name a model's folder, or its name on the Hugging Face hub"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(name), allow_patterns=list(patterns)))
    except Exception as error:  # the library raises those of its network libraries, too
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise OSError(
            f"there is no folder {str(name)!r}, and the hub has no such model or cannot be reached ({reason}); check "
            f"the name, or name a folder that holds a copy, made with: hf download {name} --local-dir FOLDER"
        ) from error
