"""Field docstrings of a configuration, for a help that has only their first sentences."""

from __future__ import annotations

import ast
import inspect
from textwrap import dedent


def first_sentences(kind: type) -> dict[str, str]:
    """The first sentence of what stands below each field of a dataclass and of those it derives from."""
    sentences: dict[str, str] = {}
    for each in reversed(kind.__mro__[:-1]):
        (definition,) = ast.parse(dedent(inspect.getsource(each))).body
        assert isinstance(definition, ast.ClassDef)
        for statement, after in zip(definition.body, definition.body[1:], strict=False):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                    text = " ".join(str(after.value.value).split())
                    sentences[statement.target.id] = text.partition(". ")[0].removesuffix(".") + "."
    return sentences
