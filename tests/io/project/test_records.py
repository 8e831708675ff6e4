from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

import ivsqa
from ivsqa.domain.pullback import PullbackFacts
from ivsqa.io.project.annotation_records import RevisionRecord
from ivsqa.io.project.records import PullbackRecord, provenance

MADE = provenance("2026-01-02T03:04:05.000000+00:00", "numpy")


def pullback(**changes) -> PullbackRecord:
    fields: dict[str, Any] = {
        "pullback_id": "pb-1",
        "subject_id": "s-1",
        "split": "train",
        "n_frames": 3,
        "height_px": 48,
        "width_px": 64,
        "spacing_mm": None,
        "spacing_source": "unknown",
        "frame_interval_s": None,
        "frame_time_s": None,
        "frame_time_source": "unknown",
        "pullback_speed_mm_s": None,
        "pullback_speed_source": "unknown",
        "start_frame_index": None,
        "stop_frame_index": None,
        "manufacturer_model": "",
        "notes": (),
        "frames_sha256": "0" * 64,
        "source_sha256": "1" * 64,
        "provenance": MADE,
    }
    return PullbackRecord(**(fields | changes))


def timing(times: tuple[float, ...] | None) -> tuple[float | None, tuple[float, ...] | None]:
    facts = PullbackFacts(n_frames=len(times or (0,)), height_px=1, width_px=1, frame_time_s=times)
    others = {"pullback_id": "pb-1", "subject_id": "s-1", "split": "train", "provenance": MADE}
    record = PullbackRecord.from_facts(facts, **others, frames_sha256="0" * 64, source_sha256="1" * 64)
    return record.frame_interval_s, record.frame_time_s


def test_provenance_names_the_code_and_the_packages_that_shaped_it():
    assert MADE.created_at == "2026-01-02T03:04:05.000000+00:00"
    assert MADE.ivsqa_version == ivsqa.__version__
    assert MADE.packages == {"numpy": np.__version__}
    assert MADE.python.count(".") == 2


def test_frame_shape_is_rows_then_columns():
    assert pullback().frame_shape == (48, 64)


def test_position_is_unknown_without_speed_or_without_timing():
    assert pullback(frame_interval_s=0.1).position_mm(2) is None
    assert pullback(pullback_speed_mm_s=0.5).position_mm(2) is None


def test_position_is_time_times_speed():
    assert pullback(pullback_speed_mm_s=0.5, frame_interval_s=0.1).position_mm(2) == pytest.approx(0.1)
    uneven = pullback(pullback_speed_mm_s=0.5, frame_time_s=(0.0, 0.1, 1.0))
    assert [uneven.position_mm(index) for index in range(3)] == [0.0, 0.05, 0.5]


def test_even_frames_keep_one_interval_and_uneven_ones_every_time():
    assert timing((0.0, 0.25, 0.5)) == (0.25, None)
    assert timing((0.0, 0.25, 0.75)) == (None, (0.0, 0.25, 0.75))


def test_frames_even_to_a_microsecond_count_as_even():
    assert timing((0.0, 0.2500005, 0.5))[0] == 0.25
    assert timing((0.0, 0.250002, 0.5))[0] is None


@pytest.mark.parametrize("times", [None, (0.0,)])
def test_timing_that_is_not_there_stays_unknown(times):
    assert timing(times) == (None, None)


def test_every_fact_of_a_pullback_stands_in_its_record():
    facts = PullbackFacts(
        n_frames=3,
        height_px=4,
        width_px=5,
        spacing_mm=(0.1, 0.2),
        spacing_source="a",
        frame_time_s=(0.0, 0.1, 0.5),
        frame_time_source="b",
        pullback_speed_mm_s=0.5,
        pullback_speed_source="c",
        start_frame_index=1,
        stop_frame_index=2,
        end_diastolic_frames=(2,),
        gating_source="d",
        manufacturer_model="e",
        notes=("f",),
    )
    others = {"pullback_id": "pb-1", "subject_id": "s-1", "split": "train", "provenance": MADE}
    record = PullbackRecord.from_facts(facts, **others, frames_sha256="0" * 64, source_sha256="1" * 64)
    assert {name: getattr(record, name) for name in asdict(facts)} == asdict(facts)


def test_a_revision_knows_its_frames_in_order_and_how_each_came_about():
    revision = RevisionRecord(
        revision_id="rev-1",
        pullback_id="pb-1",
        reader="r",
        source="labelme",
        round_id=None,
        parents=(),
        frames={"unreadable": (3,), "edited": (9, 0)},
        contours_sha256="0" * 64,
        provenance=MADE,
    )
    assert revision.frame_indices == (0, 3, 9)
    assert [revision.origin_of(index) for index in (0, 3, 9)] == ["edited", "unreadable", "edited"]


def test_the_catheter_stands_still_before_the_start_and_after_the_stop_frame():
    steady = pullback(
        n_frames=6, pullback_speed_mm_s=0.5, frame_interval_s=1.0, start_frame_index=2, stop_frame_index=4
    )
    assert [steady.position_mm(index) for index in range(6)] == [0.0, 0.0, 0.0, 0.5, 1.0, 1.0]
    uneven = pullback(pullback_speed_mm_s=1.0, frame_time_s=(0.0, 0.1, 1.0), start_frame_index=1)
    assert [uneven.position_mm(index) for index in range(3)] == [0.0, 0.0, pytest.approx(0.9)]
