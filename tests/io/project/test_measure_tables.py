import json
import math

import polars as pl

from ivsqa.io.project.measure_tables import table, write_tables

COLUMNS = ("pullback_id", "frame_index", "source", "lumen_area_mm2", "lumen_eccentricity_index", "n_gaps", "lesion")


def test_a_column_has_the_type_that_its_name_says_even_in_an_empty_table():
    wanted = [pl.String, pl.Int64, pl.String, pl.Float64, pl.Float64, pl.Int64, pl.Int64]
    for rows in ([], [{"pullback_id": "p", "frame_index": 3, "lumen_area_mm2": 4.0}]):
        assert table(rows, COLUMNS).dtypes == wanted


def test_what_is_not_known_is_null_and_in_a_csv_empty(tmp_path):
    rows = table([{"pullback_id": "p", "frame_index": 3, "lumen_area_mm2": math.nan, "lesion": 1}], COLUMNS)
    assert rows.row(0) == ("p", 3, None, None, None, None, 1)
    write_tables(tmp_path, {"frames": rows}, {"version": 1}, ["csv", "json"])
    assert (tmp_path / "frames.csv").read_text().splitlines()[1] == "p,3,,,,,1"
    assert json.loads((tmp_path / "frames.json").read_text())[0]["lumen_area_mm2"] is None


def test_what_was_written_is_listed(tmp_path):
    written = write_tables(tmp_path, {"frames": table([], COLUMNS)}, {"version": 1}, ["parquet"])
    assert written == [tmp_path / "frames.parquet", tmp_path / "measures.json"]
    assert pl.read_parquet(written[0]).columns == list(COLUMNS)
    assert json.loads(written[1].read_text()) == {"version": 1}
