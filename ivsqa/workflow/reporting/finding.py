"""A fault of a project, as `check` tells it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProjectFinding:
    """A fault of a project.

    Attributes:
        code: What kind, for programs.
        where: What it is about.
        message: What is wrong, for people.
        hint: How to mend it.
    """

    code: str
    where: str
    message: str
    hint: str = ""
