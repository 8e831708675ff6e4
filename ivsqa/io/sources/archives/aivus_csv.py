"""Lumen contours that AIVUS exports for gated phases: `<pullback>_csv_files/diastolic_contours.csv`.

    2    4.7579    3.7195    0.0        frame, counted from 1; x_mm; y_mm upwards from the lower edge; position along the vessel

Tabs between, no header, in millimetres: so the spacing of the pullback has to be known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from ivsqa.errors import AnnotationError
from ivsqa.io.formats.documents import head_of
from ivsqa.io.sources.archives.contour_format import Lines, Target
from ivsqa.io.sources.source import FoundAnnotations

COLUMNS = ("frame", "x_mm", "y_mm", "z_mm")
SAME_POINT_PX = 1e-3
"""The last point repeats the first, to the last digits."""
_NUMBER = rb"-?[0-9]+(\.[0-9]*)?([eE]-?[0-9]+)?"
_FIRST_LINE = re.compile(rb"[0-9]+(\.0*)?(\t" + _NUMBER + rb"){3}\r?\n")


@dataclass(frozen=True)
class AivusCsv:
    """Points of the lumen in mm."""

    name: Final = "AIVUS table"

    def recognises(self, path: Path, target: Target | None = None) -> bool:  # noqa: ARG002
        """Return whether the file is called so and its first line is a frame and three numbers."""
        name = path.name.lower()
        return name.endswith("contours.csv") and bool(_FIRST_LINE.match(head_of(path)))

    def read(self, paths: Sequence[Path], target: Target) -> FoundAnnotations:
        """Read all phases."""
        if target.spacing_mm is None:
            raise AnnotationError(
                "is in millimetres, and the spacing of the pullback is not known",
                hint="give it with --spacing-mm when the pullback is imported first",
                path=paths[0],
            )
        lines = Lines(target, paths[0].parent)
        x_mm, y_mm = target.spacing_mm
        for path in paths:
            for (frame,), rows in _table(path).group_by("frame", maintain_order=True):
                if lines.wants("lumen"):
                    points = rows.select("x_mm", "y_mm").to_numpy()
                    points_px = np.column_stack([points[:, 0] / x_mm, target.shape[0] - points[:, 1] / y_mm])
                    if np.allclose(points_px[0], points_px[-1], rtol=0.0, atol=SAME_POINT_PX):
                        points_px = points_px[:-1]
                    lines.add(int(frame) - 1, "lumen", points_px, where=f"{path.name}, frame {frame}")
        return lines.found(self.name)


def _table(path: Path) -> pl.DataFrame:
    """Return the rows; raises AnnotationError."""
    try:
        columns = dict.fromkeys(COLUMNS, pl.Float64)
        table = pl.read_csv(path, separator="\t", has_header=False, schema=columns)
        return table.with_columns(pl.col("frame").cast(pl.Int64))
    except pl.exceptions.PolarsError as error:
        raise AnnotationError("is no table of frame, x, y, z with tabs between them", path=path) from error
