"""A small packet: three frames of noise with two round contours each."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ivsqa.domain.arcs import DoubtfulArc
from ivsqa.domain.contour import Contour
from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.io.packets import PacketFrame, write_packet

SHAPE = (96, 128)


def ring(radius_px: float, centre: tuple[float, float] = (63.3, 47.8), n: int = 90) -> Contour:
    angles = np.linspace(0.0, 2.0 * np.pi, n, endpoint=False)
    radii = radius_px * (1.0 + 0.1 * np.cos(3.0 * angles + radius_px))
    return Contour.from_points(np.column_stack([radii * np.cos(angles), radii * np.sin(angles)]) + centre)


@pytest.fixture(scope="session")
def structures() -> StructureSet:
    return StructureSet((Structure("lumen", "#00c8ff"), Structure("eem", "#ffb000")))


@pytest.fixture(scope="session")
def frames() -> list[PacketFrame]:
    rng = np.random.default_rng(7)
    return [
        PacketFrame(
            name=f"pb-0a1b_f{index:05d}",
            pullback_id="pb-0a1b",
            frame_index=index,
            image=rng.integers(0, 256, SHAPE, dtype=np.uint8),
            contours={"lumen": ring(18.0 + index), "eem": ring(33.0 + index)},
            rank=index + 1,
            reason="predicted Dice 0.71 (eem), rank 3 of 1200",
            spacing_mm=(0.05, 0.05),
            quality=0.71,
            dice={"lumen": 0.88, "eem": 0.71},
            error_maps={"eem": np.full(SHAPE, 0.4, dtype=np.float32)},
            arcs=(DoubtfulArc("eem", 30.0, 90.0),),
        )
        for index in range(3)
    ]


@pytest.fixture(scope="session")
def pristine(
    tmp_path_factory: pytest.TempPathFactory, frames: list[PacketFrame], structures: StructureSet
) -> Callable[[tuple[str, ...]], Path]:
    """Write the small packet once for each choice of formats: the pictures take their time."""

    @cache
    def written(formats: tuple[str, ...]) -> Path:
        folder = tmp_path_factory.mktemp("pristine")
        write_packet(folder, frames, structures=structures, formats=formats, round_id="round-001", packet_id="packet-1")
        return folder

    return written


@pytest.fixture
def write(tmp_path: Path, pristine: Callable[[tuple[str, ...]], Path], structures: StructureSet) -> Callable[..., Path]:
    """Return a folder of one's own with the small packet, or with other frames."""

    def written(*formats: str, of: list[PacketFrame] | None = None, into: str = "packet") -> Path:
        folder = tmp_path / into
        if of is None:
            return Path(shutil.copytree(pristine(formats), folder))
        folder.mkdir()
        write_packet(folder, of, structures=structures, formats=formats, round_id="round-001", packet_id="packet-1")
        return folder

    return written
