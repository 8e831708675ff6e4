"""A pullback of 40 × 50 px frames that contour files may belong to."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.io.sources.archives.contour_format import Target

SHARED_DATA = Path(__file__).resolve().parents[5] / "shared" / "data"


@pytest.fixture
def both() -> StructureSet:
    """Lumen inside EEM."""
    return StructureSet((Structure("lumen", "#00c8ff"), Structure("eem", "#ffb000")))


@pytest.fixture
def target(both) -> Target:
    """Three frames, 40 px high, 50 px wide, 0.02 mm a pixel."""
    return Target("run", 3, (40, 50), both, (0.02, 0.02), {"f0": 0, "f1": 1, "f2": 2})


@pytest.fixture
def aivus() -> Path:
    """Real files of AIVUS, which are not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real sample files (../shared/data) are not on this machine")
    return SHARED_DATA / "aivus"
