"""Copies of frozen data sets from a folder or from the Hugging Face hub, compared with what was published."""

from __future__ import annotations

import shutil
from pathlib import Path

from experiments.datasets import manifest as manifests
from experiments.datasets.making import PLACE, Dataset, opened
from experiments.datasets.manifest import CARD, FILE
from experiments.datasets.recipes import full_name
from seq2seq_env.atomic_files import written_folder
from seq2seq_env.hub import local_copy


def download(name: str, source: str, folder: Path | None = None) -> Dataset:
    """A copy of a data set, each file compared with its manifest, and that with the published one.

    Args:
        name: A key of ``DATASETS``, with or without its namespace.
        source: Folder of the data set or of several by their names, or a repository of data sets on the hub that holds
            either.
        folder: Where the copy goes; None takes the one of its name within ``runs/datasets``.

    Raises:
        ValueError: If there is no such data set, it is another one or another version, a file was changed, or its
            texts are not the published ones; also of what the folder holds already.
        FileNotFoundError: If the source does not hold it.
        ConnectionError: If the hub does not have it or cannot be reached.
        OSError: If it cannot be written.
    """
    name = full_name(name)
    folder = PLACE / name if folder is None else folder
    if (folder / FILE).is_file():
        there = opened(folder, name)
        if not there.verdict.is_published:
            raise ValueError(
                f"{str(folder)!r} holds {there.manifest.name!r} already, which is not the published data set "
                f"({there.verdict.text}); name another folder, or delete this one"
            )
        return there
    short = name.rpartition("/")[2]
    root = local_copy(
        source, ["manifest.json", "g[0-9]*.h5", "tokenizer*/*", "README.md", f"*{short}/*"], kind="dataset"
    )
    place = next((root / part for part in (name, short, ".") if (root / part / FILE).is_file()), None)
    if place is None:
        raise FileNotFoundError(f"{source!r} holds no data set {name!r}; name the folder that has its {FILE}")
    manifest = manifests.checked(place, name)
    verdict = manifests.compare(manifest, manifests.published(name))
    if manifests.published(name) is not None and not verdict.is_published:
        raise ValueError(
            f"{str(place)!r} calls itself {name!r} and is {verdict.text}; make the data set here, or take another copy"
        )
    with written_folder(folder, last=FILE) as part:
        for file in [*manifest.files, *([CARD] if (place / CARD).is_file() else []), FILE]:
            (part / file).parent.mkdir(exist_ok=True)
            shutil.copyfile(place / file, part / file)
    return Dataset(folder, manifest, verdict)
