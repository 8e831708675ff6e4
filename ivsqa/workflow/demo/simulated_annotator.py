"""A stand-in for a person: opens the packet's LabelMe files, moves what is wrong, ticks what is right, saves.

It knows the truth and nothing of the project: it works on files, as an editor does. What it leaves alone it leaves byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ivsqa.domain.contour import Contour, Contours
from ivsqa.io import atomic

Truth = Mapping[str, Mapping[int, Contours]]
"""The true contours by pullback and frame; a structure that is absent has no border there."""


@dataclass(frozen=True)
class Annotator:
    """The habits of a simulated annotator.

    Attributes:
        tolerance_px: Contours that are on average no further off than this are left as they are.
        hand_px: How far the hand strays from the border, standard deviation.
        n_vertices: Vertices of a contour drawn anew.
    """

    tolerance_px: float = 1.5
    hand_px: float = 0.4
    n_vertices: int = 32


@dataclass(frozen=True)
class Work:
    """The work on a packet: frames opened, and contours left, moved and drawn."""

    n_frames: int
    n_left: int
    n_moved: int
    n_drawn: int


def annotate_packet(
    packet: Path, truth: Truth, *, rng: np.random.Generator, annotator: Annotator | None = None
) -> Work:
    """Work through the LabelMe files of a packet, in place.

    Args:
        packet: The packet folder, or one like it.
        truth: What a perfect reader would draw.
        rng: The hand.
        annotator: How it works.
    """
    annotator = annotator or Annotator()
    counts = {"left": 0, "moved": 0, "drawn": 0}
    # Sorted: one hand goes through all files, and its errors depend on their order.
    paths = sorted(packet.rglob("*.json"))
    for path in paths:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        frame = document["ivsqa"]
        contours = truth[frame["pullback_id"]].get(frame["frame_index"], {})
        for name, contour in contours.items():
            counts[_draw(document, name, contour, annotator, rng)] += 1
        # Borders drawn where there is none are deleted, as a person would do.
        document["shapes"] = [
            shape for shape in document["shapes"] if shape["shape_type"] != "polygon" or shape["label"] in contours
        ]
        document["flags"]["checked"] = True
        atomic.write_text(path, json.dumps(document, indent=2, ensure_ascii=False))
    return Work(len(paths), counts["left"], counts["moved"], counts["drawn"])


def _draw(document: dict[str, Any], name: str, true: Contour, annotator: Annotator, rng: np.random.Generator) -> str:
    """Bring one contour of a document to the truth as a hand would; returns whether it was left, moved or drawn."""
    shape = next(
        (drawn for drawn in document["shapes"] if drawn["label"] == name and drawn["shape_type"] == "polygon"), None
    )
    if shape is not None:
        drawn = Contour.from_edge_points(shape["points"])
        # Both ways: a part of a line lies near the whole, but not the whole near its part.
        if max(drawn.distances_px(true).mean(), true.distances_px(drawn).mean()) <= annotator.tolerance_px:
            return "left"
    points = true.resampled(annotator.n_vertices).edge_points + rng.normal(
        0.0, annotator.hand_px, (annotator.n_vertices, 2)
    )
    limits = np.array([document["imageWidth"], document["imageHeight"]])
    points = np.clip(points, 0.0, limits).round(3).tolist()
    if shape is None:
        document["shapes"].append(
            {"label": name, "points": points, "group_id": None, "description": "", "shape_type": "polygon", "flags": {}}
        )
        return "drawn"
    shape["points"] = points
    return "moved"
