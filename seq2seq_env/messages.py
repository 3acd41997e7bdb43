"""Messages as trainers of chat models pass them: prompts around a source, and the texts in them."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "{source}"
"""What stands for the source in a prompt's template."""


@dataclass(frozen=True)
class PromptTemplate:
    """What a prompt is made of, around a source.

    Attributes:
        text: With ``{source}`` once, where the source stands.

    Raises:
        ValueError: If it is not there once.
    """

    text: str = SOURCE

    def __post_init__(self) -> None:
        if self.text.count(SOURCE) != 1:
            raise ValueError(
                f"the prompt template {self.text!r} has {SOURCE} {self.text.count(SOURCE)} times; write it once, where "
                "the source stands"
            )

    def fill(self, source: str) -> str:
        """The prompt of a source."""
        return self.text.replace(SOURCE, source)

    def source_of(self, prompt: str) -> str | None:
        """The source of a prompt; None where it is not made of this template."""
        before, after = self.text.split(SOURCE)
        fits = len(prompt) >= len(before) + len(after) and prompt.startswith(before) and prompt.endswith(after)
        return prompt[len(before) : len(prompt) - len(after)] if fits else None


def prompt_text(prompt: object) -> str:
    """The text of a prompt: itself, or the one message of a user in it.

    Raises:
        ValueError: If it is neither.
    """
    return prompt if isinstance(prompt, str) else _only_message(prompt, "prompt", "user")


def completion_text(completion: object) -> str:
    """The text of a completion: itself, or the one message of an assistant in it.

    Raises:
        ValueError: If it is neither.
    """
    return completion if isinstance(completion, str) else _only_message(completion, "completion", "assistant")


def message_text(content: object) -> str | None:
    """The text of a message's content: itself, or that of its parts; None where it has none."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str)) if parts else None
    return content if isinstance(content, str) else None


def _only_message(messages: object, name: str, role: str) -> str:
    if not isinstance(messages, list):
        raise ValueError(
            f"its {name} is {'missing' if messages is None else f'a {type(messages).__name__}'}, not a text or messages"
        )
    texts = [each.get("content") for each in messages if isinstance(each, dict) and each.get("role") == role]
    if len(texts) != 1:
        raise ValueError(f"its {name} has {len(texts)} messages of the {role}; one translation has one")
    text = message_text(texts[0])
    if text is None:
        raise ValueError(f"its {name} has no text, but a {type(texts[0]).__name__}")
    return text
