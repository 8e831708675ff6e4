"""Packages that load for long and that not every command needs: each is loaded when something of it is first asked for."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any


class _Lazy(ModuleType):
    """Stands for a package until something of it is asked for."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever is in a package
        return getattr(import_module(self.__name__), name)


def lazily(name: str) -> ModuleType:
    """Return what stands for a package; a type checker is shown the package itself, under TYPE_CHECKING."""
    return _Lazy(name)
