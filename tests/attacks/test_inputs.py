"""Damaged inputs in their short form: a file of each kind that is imported, damaged in one way after the other."""

import random

import pytest

from tests.attacks.inputs import imports
from tests.privacy.planted import planted_in


@pytest.mark.parametrize("kind", ["jpeg", "nifti", "nrrd", "tiff"])
def test_a_damaged_file_is_taken_or_refused_in_a_line_and_its_neighbour_comes_in(tmp_path, phantoms, kind):
    given = planted_in(tmp_path, phantoms).named / f"Boojum {kind}"
    for path in sorted(given.iterdir())[1:]:
        path.unlink()
    found = list(imports(given, tmp_path / "work", 1, random.Random(kind)))
    assert len(found) == 6
    assert [(one.name, one.way, one.verdict) for one in found if one.verdict != "in order"] == []
