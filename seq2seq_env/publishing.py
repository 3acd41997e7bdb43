"""Publication of policies and scorers on the Hugging Face hub, with a model card."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

CARD = "README.md"

TO_COMPLETE = "To be completed: data, scorer, measures, known faults."
"""What a card says of training and evaluation where nothing is known of them."""


@dataclass(frozen=True)
class ModelCard:
    """What a repository says of itself; a person completes it there.

    Attributes:
        what: A sentence.
        usage: Python that loads and uses it; ``{repo}`` stands for the repository.
        pipeline_tag: The hub's name of what it does.
        tags: The hub's.
        licence: The hub's name of the licence, such as "apache-2.0".
        evaluation: Markdown on data, training, measures and controls; None leaves it to the person.
    """

    what: str
    usage: str
    pipeline_tag: str
    tags: tuple[str, ...]
    licence: str
    evaluation: str | None = None

    def text(self, repo: str) -> str:
        """Markdown with the hub's metadata before it."""
        from huggingface_hub import ModelCardData

        data = ModelCardData(
            license=self.licence, library_name="transformers", pipeline_tag=self.pipeline_tag, tags=list(self.tags)
        )
        return (
            f"---\n{data.to_yaml()}\n---\n\n# {repo.rpartition('/')[2]}\n\n{self.what}\n\n"
            f"## Use\n\n```python\n{self.usage.format(repo=repo)}\n```\n\n"
            f"## Licence\n\n`{self.licence}`. To be completed: under which terms it may be used. The licences of the "
            "texts that it was trained on, and of the model that it began with, may decide that.\n\n"
            f"## Training and evaluation\n\n{self.evaluation or TO_COMPLETE}\n"
        )


class Publication(NamedTuple):
    """What goes into a repository."""

    save: Callable[[Path], None]
    """Writes all files into a folder."""
    card: ModelCard
    """Added where the repository has none; one that is there stays as it is."""
    replaces: Sequence[str]
    """Patterns of files that are deleted there unless they are written anew."""


class Publishable(ABC):
    """A policy or scorer that can be published on the Hugging Face hub."""

    @abstractmethod
    def publication(self, licence: str) -> Publication:
        """Its files and its model card, with the hub's name of the licence."""

    def push_to_hub(
        self,
        repo: str,
        *,
        private: bool = False,
        licence: str = "unknown",
        token: str | None = None,
        evaluation: str | None = None,
    ) -> str:
        """Publish it on the Hugging Face hub as a model repository, in one commit where the hub can.

        Args:
            repo: "user/name" or "name"; made where it is not there.
            private: Only for its owner.
            licence: The hub's name of the licence, for the model card; what it was trained on may decide it.
            token: Of the hub; None takes the one that ``hf auth login`` has stored.
            evaluation: Markdown of the model card on data, training, measures and controls; of a run's policy,
                :func:`agents.run_evaluation` writes it.

        Returns:
            Address of the repository.

        Raises:
            ValueError: If the name is none the hub takes, or the repository is there, public, and was to be private.
            ConnectionError: If the hub cannot be reached, does not know the token, or refuses.
        """
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HFValidationError

        api, publication = HfApi(token=token), self.publication(licence)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            publication.save(folder)
            try:
                # An organization's own default stands where nothing is asked for.
                url = api.create_repo(repo, private=private or None, exist_ok=True)
                exposed = private and not api.repo_info(url.repo_id).private
                if not exposed:
                    if not api.file_exists(url.repo_id, CARD):
                        card = replace(publication.card, evaluation=evaluation)
                        (folder / CARD).write_text(card.text(url.repo_id), "utf-8")
                    api.upload_folder(
                        repo_id=url.repo_id, folder_path=folder, delete_patterns=list(publication.replaces),
                        commit_message="Publish with seq2seq-env",
                    )  # fmt: skip
            except HFValidationError as error:
                raise ValueError(f"{repo!r} is no name for a repository ({error})") from error
            except Exception as error:  # of the hub's client, its HTTP library and the system
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                raise ConnectionError(
                    f"{repo!r} was not published ({reason}); log in with hf auth login, check the connection, and run "
                    "again"
                ) from error
        if exposed:
            raise ValueError(f"{url.repo_id!r} is there already and public; make it private, or choose another name")
        return str(url)
