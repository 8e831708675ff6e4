"""From the project into the page and back."""

import json
import re

import numpy as np
import pytest

from ivsqa.domain.acceptance.minutes import FrameWork
from ivsqa.domain.agreement.edits import classify_contour
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.import_annotations import import_annotations
from ivsqa.workflow.rounds.reading_times import reading_times
from ivsqa.workflow.rounds.select import select_frames
from ivsqa.workflow.rounds.sent import read_sent
from tests.chromium import chromium, find_chromium
from tests.page_reader import Reader

needs_chromium = pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium on this machine")


@pytest.fixture
def packet(scored):
    select_frames(scored, n=3, strategy="stratified")
    return export_for_annotation(scored, formats=["page"]).folder


def first_frame(folder):
    text = (folder / "index.html").read_text(encoding="utf-8")
    found = re.search(r'id="frame-0">(.*?)</script>', text)
    assert found is not None
    return json.loads(found[1])


def annotation_of(project, frame):
    return project.annotations.current(frame.pullback_id)[frame.frame_index]


def test_the_page_knows_what_the_model_thought(packet):
    assert first_frame(packet)["probabilities"]["size"] == 32


def test_without_weights_there_are_no_points_and_the_rest_is_there(scored):
    select_frames(scored, n=1)
    scored.layout.weights("m001").unlink()
    stored = first_frame(export_for_annotation(scored, formats=["page"]).folder)
    assert stored["probabilities"] is None
    assert stored["contours"]


@needs_chromium
def test_a_real_drag_is_imported_as_that_one_edit_of_that_length(scored, packet, tmp_path):
    _, (frame, *_) = read_sent(scored, "r004")
    sent = frame.contours["eem"]
    right = sent.points_px[np.argmax(sent.points_px[:, 0])]
    with chromium(tmp_path / "browser") as tab:
        reader = Reader(tab, packet / "index.html", tmp_path / "browser" / "downloads")
        reader.tab.drag(reader.seen(*right), reader.seen(right[0] + 5.0, right[1]))
        drawn = reader.shown("eem")
        reader.tab.press(" ")
        reader.at_frame(1)
        reader.tab.press(" ")
        reader.at_frame(2)
        saved = reader.save()
    result = import_annotations(scored, saved, reader="anna")
    assert (result.format, result.rejected, result.n_taken, result.n_unchecked) == ("page", [], 2, 1)
    assert (result.counts["edited"], result.counts["new"], result.counts["deleted"]) == (1, 0, 0)
    assert len(result.active_s) == 2
    moved, seen = reading_times(scored, scored.pullbacks()).works
    assert (moved.work, seen.work) == (FrameWork(drawn=1), FrameWork())
    expected = classify_contour(sent, annotation_of(scored, frame).contours["eem"], tolerance_px=0.0, spacing_mm=None)
    assert result.edit_px == [pytest.approx(expected.mean_px)]
    assert expected.max_px == pytest.approx(5.0, abs=0.7)
    np.testing.assert_allclose(annotation_of(scored, frame).contours["eem"].points_px, drawn, atol=1e-9)


@needs_chromium
def test_borders_through_points_are_kept_as_the_reader_saw_them(scored, packet, tmp_path):
    _, (frame, *_) = read_sent(scored, "r004")
    x, y = 0.9 * frame.contours["lumen"].points_px[0] + 0.1 * frame.contours["lumen"].centroid_px
    with chromium(tmp_path / "browser") as tab:
        reader = Reader(tab, packet / "index.html", tmp_path / "browser" / "downloads")
        reader.tab.click(*reader.seen(x, y), shift=True)
        drawn = reader.shown("lumen")
        saved = reader.save()
    scored.layout.weights("m001").unlink()  # the model is not asked again
    result = import_annotations(scored, saved, reader="anna")
    assert (result.rejected, result.n_taken) == ([], 1)
    annotation = annotation_of(scored, frame)
    assert annotation.revision.origin_of(frame.frame_index) == "nudged"
    assert [one.work for one in reading_times(scored, scored.pullbacks()).works] == [FrameWork(points=1)]
    np.testing.assert_allclose(annotation.contours["lumen"].points_px, drawn, atol=1e-9)
