"""Lets the reference show `Example:` of a docstring as code: Google's style has one name for one example, the parser another."""

from __future__ import annotations

import re

import griffe


class OneExample(griffe.Extension):
    """Renames the section before docstrings are parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Rename the section in the docstring of a module, class, function or attribute."""
        del kwargs
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
