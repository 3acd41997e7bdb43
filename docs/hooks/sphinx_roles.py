"""Cross-references of the docstrings, such as :class:`Slice`, as links of the reference pages."""

from __future__ import annotations

import re

import griffe

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`(~?)([\w.]+)`")


class SphinxRoles(griffe.Extension):
    """Turns each role into an autoref of what the name means where the docstring stands."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: object) -> None:
        """Rewrite the docstring of a package, which is no member of another object."""
        _rewrite(pkg)

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Rewrite the docstring of one object."""
        _rewrite(obj)


def _rewrite(obj: griffe.Object) -> None:
    if obj.docstring is not None:
        obj.docstring.value = ROLE.sub(lambda role: _reference(obj, role[1], role[2]), obj.docstring.value)


def _reference(obj: griffe.Object, short: str, name: str) -> str:
    """A link where the name is documented, plain code where it is not."""
    shown = name.rpartition(".")[2] if short else name
    return f'<autoref identifier="{_path(obj, name)}" optional><code>{shown}</code></autoref>'


def _path(obj: griffe.Object, name: str) -> str:
    """The full path of a name; what is imported has that of the place it is imported from."""
    first, dot, rest = name.partition(".")
    try:
        return obj.resolve(first) + dot + rest
    except griffe.NameResolutionError:
        return name
