"""Two hundred frames of phantoms, out and back in every format: what nobody touched is no edit, and one edit is one edit."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import nrrd
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ivsqa.domain.agreement.edits import ContourChange, classify_contour
from ivsqa.domain.contour import Contour
from ivsqa.domain.structures import StructureSet
from ivsqa.io.packets import ADAPTERS, PacketFrame, ReturnedPacket, get_adapter, read_return
from ivsqa.io.packets.packet import PacketOrigin
from ivsqa.io.packets.thinning import written_edge_points
from ivsqa.phantom import iter_frames, phantom_pullback

SIZE_PX = 96
EDITED = "phantom-2_f00017"
AWAY_PX = np.array([4.0, -3.0])
FORMATS = [adapter.name for adapter in ADAPTERS]


@pytest.fixture(scope="module")
def phantoms() -> list[PacketFrame]:
    """Frames of four phantoms, whose spacings differ, so that they make several stacks."""
    return [
        PacketFrame(
            f"phantom-{number}_f{index:05d}",
            f"phantom-{number}",
            index,
            image,
            {name: Contour.from_points(np.round(one.points_px, 3)) for name, one in contours.items()},
            spacing_mm=pullback.spacing_mm,
        )
        for number in range(4)
        for pullback in [phantom_pullback(seed=5, index=number, n_frames=50, size_px=SIZE_PX)]
        for index, (image, contours) in enumerate(zip(iter_frames(pullback), pullback.contours, strict=True))
    ]


@pytest.fixture(scope="module", params=FORMATS)
def packet(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    phantoms: list[PacketFrame],
    structures: StructureSet,
    editors: dict[str, Any],
) -> tuple[str, Path]:
    """A packet in each format, without the pictures, which take their time."""
    folder = tmp_path_factory.mktemp("phantoms")
    (folder / "images").mkdir()
    origin = PacketOrigin("round-001", "packet-1")
    assert len(list(get_adapter(request.param).write(folder, phantoms, structures, origin))) == len(phantoms)
    if request.param == "page":  # what it saves is a file of its own
        editors["page"].save(folder)
    return request.param, folder


def changes(
    name: str, folder: Path, phantoms: list[PacketFrame], structures: StructureSet
) -> tuple[ReturnedPacket, dict[tuple[str, str], ContourChange]]:
    """Return a packet as it came back, and what happened to each contour."""
    packet = read_return(folder, [frame.sent() for frame in phantoms], structures)
    assert (packet.format, packet.rejected, len(packet.frames)) == (name, (), len(phantoms))
    tolerance_px = get_adapter(name).tolerance_px
    return packet, {
        (one.frame.name, structure): classify_contour(
            one.frame.contours[structure], one.contours[structure], tolerance_px=tolerance_px, spacing_mm=None
        )
        for one in packet.frames
        for structure in structures.names
    }


def test_what_nobody_edited_is_no_edit_and_one_edit_is_one(
    packet: tuple[str, Path], phantoms: list[PacketFrame], structures: StructureSet, editors: dict[str, Any]
) -> None:
    name, folder = packet
    _, untouched = changes(name, folder, phantoms, structures)
    assert len(untouched) == 2 * len(phantoms)
    assert {change.kind for change in untouched.values()} == {"untouched"}

    sent = next(frame for frame in phantoms if frame.name == EDITED).contours["lumen"]
    drag = dragged_in_the_page if name == "page" else dragged_in
    meant = HANDS[name](folder, sent) if name in HANDS else drag(editors[name], folder, sent)
    returned, edited = changes(name, folder, phantoms, structures)
    assert [key for key, change in edited.items() if change.kind != "untouched"] == [(EDITED, "lumen")]
    assert edited[EDITED, "lumen"].kind == "edited"
    back = next(one for one in returned.frames if one.frame.name == EDITED).contours["lumen"]
    away = classify_contour(meant, back, tolerance_px=get_adapter(name).tolerance_px, spacing_mm=None)
    assert away.kind == "untouched"
    assert edited[EDITED, "lumen"].mean_px == pytest.approx(np.hypot(*AWAY_PX) * 2.0 / np.pi, abs=0.6)


def corners(sent: Contour) -> NDArray[np.float64]:
    """Return where all corners of a contour are dragged to, in edge convention."""
    return np.asarray(written_edge_points(sent) + AWAY_PX)


def dragged_in(editor: Any, folder: Path, sent: Contour) -> Contour:
    """Drag the contour away in one of the editors."""
    editor.edit(folder, lambda frame, label, points: points + AWAY_PX * ((frame, label) == (EDITED, "lumen")))
    return Contour.from_edge_points(corners(sent))


def dragged_in_labelme(folder: Path, sent: Contour) -> Contour:
    path = folder / "images" / f"{EDITED}.json"
    document = json.loads(path.read_text())
    shape = next(one for one in document["shapes"] if one["label"] == "lumen")
    shape["points"] = (np.array(shape["points"]) + AWAY_PX).tolist()
    path.write_text(json.dumps(document))
    return Contour.from_edge_points(corners(sent))


def moved_in_the_table(folder: Path, sent: Contour) -> Contour:
    path = folder / "contours.csv"

    def moved(line: re.Match[str]) -> str:
        return f"{line[1]}{float(line[2]) + AWAY_PX[0]:.3f},{float(line[3]) + AWAY_PX[1]:.3f},"

    path.write_text(re.sub(r"(phantom-2,17,lumen,\d+,)([\d.]+),([\d.]+),", moved, path.read_text()))
    return Contour.from_points(sent.points_px + AWAY_PX)


def dragged_in_the_page(editor: Any, folder: Path, sent: Contour) -> Contour:
    """Drag all of the contour, not its corners alone: the page thins nothing."""
    editor.edit(folder, lambda frame, label, points: points + AWAY_PX * ((frame, label) == (EDITED, "lumen")))
    return Contour.from_points(sent.points_px + AWAY_PX)


def repainted(folder: Path, sent: Contour) -> Contour:
    meant = Contour.from_points(sent.points_px + AWAY_PX)
    Image.fromarray(meant.mask((SIZE_PX, SIZE_PX))).save(folder / "masks" / "lumen" / f"{EDITED}.png")
    return meant


def slice_of(folder: Path) -> tuple[str, int]:
    """Return the stack of the edited frame and its slice, counted from 0, by the table that the annotator has."""
    rows = (folder / "slices.csv").read_text().splitlines()[1:]
    stack = next(row.split(",")[0] for row in rows if EDITED in row)
    return stack, next(n for n, row in enumerate(row for row in rows if row.startswith(stack)) if EDITED in row)


def painted(labels: NDArray[np.uint8], sent: Contour) -> Contour:
    """Paint one slice, (x, y), anew: the lumen elsewhere, the wall where the EEM was."""
    meant = Contour.from_points(sent.points_px + AWAY_PX)
    inside = meant.mask((SIZE_PX, SIZE_PX)).T & (labels > 0)
    labels[labels == 1] = 2
    labels[inside] = 1
    assert inside.sum() == meant.mask((SIZE_PX, SIZE_PX)).sum()  # it stays within the EEM, which so is as it was
    return meant


def painted_in_itk_snap(folder: Path, sent: Contour) -> Contour:
    stack, z = slice_of(folder / "itk-snap")
    path = folder / "itk-snap" / f"{stack}-labels.nii.gz"
    image = nib.load(path)
    assert isinstance(image, nib.Nifti1Image)
    labels = np.asarray(image.dataobj).copy()
    meant = painted(labels[..., z], sent)
    nib.save(nib.Nifti1Image(labels, image.affine, image.header), path)
    return meant


def painted_in_slicer(folder: Path, sent: Contour) -> Contour:
    stack, z = slice_of(folder / "slicer")
    path = folder / "slicer" / f"{stack}.seg.nrrd"
    labels, header = nrrd.read(str(path))
    labels = labels.copy()
    meant = painted(labels[..., z], sent)
    nrrd.write(str(path), labels, header)
    return meant


def dragged_in_napari(folder: Path, sent: Contour) -> Contour:
    stack, z = slice_of(folder / "napari")
    path = folder / "napari" / stack / "lumen.csv"
    head, *rows = path.read_text().splitlines()
    cells = [row.split(",") for row in rows]
    for row in cells:
        if float(row[3]) == z:
            row[4:] = [f"{float(row[4]) + AWAY_PX[1]:.3f}", f"{float(row[5]) + AWAY_PX[0]:.3f}"]
    path.write_text("\n".join([head, *(",".join(row) for row in cells)]) + "\n")
    return Contour.from_edge_points(corners(sent))


HANDS: dict[str, Callable[[Path, Contour], Contour]] = {
    "labelme": dragged_in_labelme,
    "csv": moved_in_the_table,
    "masks": repainted,
    "itk-snap": painted_in_itk_snap,
    "slicer": painted_in_slicer,
    "napari": dragged_in_napari,
}
"""Who moves the lumen of one frame in the formats without a stand-in for their editor; each returns where it should lie."""
