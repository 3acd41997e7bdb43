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
            match statement, after:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    sentences[name] = " ".join(text.split()).partition(". ")[0].removesuffix(".") + "."
    return sentences
