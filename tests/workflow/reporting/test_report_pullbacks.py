"""Tests of the drawing of a pullback in the report."""

import numpy as np
import polars as pl

from ivsqa.workflow.reporting.report_pullbacks import _PullbackDrawing


def test_line_without_bands_is_drawn_from_a_table_that_lies_in_one_piece():
    names = ["lumen_area_mm2", "lumen_area_low_mm2", "lumen_area_high_mm2"]
    drawing = object.__new__(_PullbackDrawing)
    # Columns that lie side by side in memory are shown as they are, and must not be written to.
    drawing._frames, drawing._has_bands = pl.from_numpy(np.asfortranarray(np.ones((4, 3))), schema=names), False
    assert not drawing._frames.to_numpy().flags.writeable
    line = drawing._line("lumen", "#000000", "lumen_area")
    assert line is not None
    np.testing.assert_array_equal(line.values, [[1.0, np.nan, np.nan]] * 4)
    assert drawing._frames["lumen_area_low_mm2"].to_list() == [1.0] * 4
