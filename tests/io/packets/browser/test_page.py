"""The page: what stands in it, and what is read of what it saves. That it works is shown by test_page_in_browser.py."""

import base64
import hashlib
import io
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ivsqa.domain.geometry.refinement import DEFAULT_CONFIG, ERROR_SPREAD, Nudge, refined
from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.packets import PacketFrame, ReturnedPacket, read_return, write_packet
from tests.io.packets.browser.page_frames import GRID, levels_of, page_frame
from tests.io.packets.conftest import PageEditor, data_of

Write = Callable[..., Path]
Read = Callable[[Callable[[dict[str, Any]], None]], ReturnedPacket]


@pytest.fixture
def returned(write: Write, frames: list[PacketFrame], structures: StructureSet) -> Read:
    """Change what the page saved, and read it."""

    def read(change: Callable[[dict[str, Any]], None]) -> ReturnedPacket:
        folder = write("page")
        PageEditor().change(folder, change)
        return read_return(folder, [frame.sent() for frame in frames], structures)

    return read


def first(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    return lambda document: change(document["frames"][0])


def only_error(packet: ReturnedPacket) -> Any:
    assert len(packet.frames) == 2  # the others go on
    (error,) = packet.rejected
    return error


def test_page_holds_images_contours_and_marks_to_the_last_digit(write: Write, frames: list[PacketFrame]) -> None:
    data = data_of(write("page") / "index.html")
    assert [one["name"] for one in data["packet"]["frames"]] == [frame.name for frame in frames]
    for index, frame in enumerate(frames):
        stored = data[f"frame-{index}"]
        with Image.open(io.BytesIO(base64.b64decode(stored["image"]))) as image:
            np.testing.assert_array_equal(np.asarray(image), frame.image)
        for name, contour in frame.contours.items():
            np.testing.assert_array_equal(stored["contours"][name], np.round(contour.points_px, 3))
        (mark,) = stored["marks"]
        assert len(mark["line"]) == 21  # 60 degrees, a point every 3
        assert (mark["structure"], mark["says"]) == ("eem", "The program doubts its line here: eem 4 to 6 o'clock.")
        assert stored["probabilities"] is None


def test_points_are_followed_in_the_page_by_what_the_model_thought(write: Write) -> None:
    frame = page_frame(4)
    data = data_of(write("page", of=[frame]) / "index.html")
    stored, said = data["frame-0"]["probabilities"], data["packet"]["refinement"]
    levels = np.frombuffer(zlib.decompress(base64.b64decode(stored["data"])), dtype=np.uint8).reshape(2, 96, 96)
    np.testing.assert_array_equal(levels, levels_of(4))
    assert (stored["size"], stored["scale"], stored["origin"]) == (96, [2.5, 2.5], [0.75, -23.25])
    assert (said["error_spread"], said["stiffness"]) == (list(ERROR_SPREAD), DEFAULT_CONFIG.stiffness)
    # What the page needs is enough to lay the borders that Python would lay.
    drawn = {name: GRID.contour_to_grid(contour) for name, contour in frame.contours.items()}
    fields = dict(zip(("lumen", "eem"), levels / 255.0, strict=True))
    laid = refined(fields, [Nudge("lumen", 66.0, 47.5)], drawn=drawn)["lumen"]
    assert np.hypot(*(laid.points_px - (66.0, 47.5)).T).min() < 1e-9


def test_page_reaches_for_nothing(write: Write) -> None:
    page = (write("page", of=[page_frame(1)]) / "index.html").read_text(encoding="utf-8")
    assert re.search(r"""(src|href|url|action|import)\s*[=(]\s*["']?(https?:|//|\w+/)""", page) is None
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    for tag, inside in re.findall(r"<(script|style)>(.*?)</\1>", page, flags=re.DOTALL):
        hashed = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"'sha256-{hashed}'" in policy[1], tag


def test_words_from_outside_stay_words(write: Write, frames: list[PacketFrame]) -> None:
    evil = "</script><script>alert(1)</script><!-- <b>"
    folder = write("page", of=[replace(frames[0], reason=evil)])
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "alert(1)</script>" not in page
    assert "<!-- <b>" not in page
    assert data_of(folder / "index.html")["packet"]["frames"][0]["reason"] == evil


def test_structures_of_any_name_have_a_note(tmp_path: Path, frames: list[PacketFrame]) -> None:
    bare = [replace(frames[0], contours={}, arcs=(), error_maps={})]
    stent = StructureSet((Structure("stent", "#ff0000"),))
    write_packet(tmp_path, bare, structures=stent, formats=["page"], round_id="r", packet_id="p")
    data = data_of(tmp_path / "index.html")
    assert data["packet"]["structures"][0]["note"] == "One closed line around it, including everything inside."
    assert data["frame-0"]["heat"] is None


def test_time_ticks_and_a_border_taken_away_come_back(returned: Read) -> None:
    def work(frame: dict[str, Any]) -> None:
        frame.update(checked=True, active_s=61.5)
        del frame["contours"]["lumen"]

    one, other, _ = returned(first(work)).frames
    assert (one.checked, one.active_s, set(one.contours)) == (True, 61.5, {"eem"})
    assert (other.checked, other.unreadable, other.active_s) == (False, False, 4.5)


def test_borders_through_points_are_taken_as_the_reader_saw_them(returned: Read, frames: list[PacketFrame]) -> None:
    square = [[40.0, 30.0], [90.0, 30.0], [90.0, 70.0], [40.0, 70.0]]

    def work(frame: dict[str, Any]) -> None:
        frame["contours"]["eem"] = square
        frame["points"] = [{"structure": "eem", "x_px": 90.0, "y_px": 50.0}]

    (one, *_) = returned(first(work)).frames
    np.testing.assert_array_equal(one.contours["eem"].points_px, square)
    assert one.contours["lumen"] is frames[0].contours["lumen"]
    assert (one.nudges, one.nudges_followed) == ((Nudge("eem", 90.0, 50.0),), True)
    assert one.notes == ("eem laid through 1 point by the reader",)


def test_of_one_session_the_latest_save_counts(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("page")
    early = json.loads((folder / "contours.json").read_text())
    early["frames"][0]["checked"] = early["frames"][1]["checked"] = True
    (folder / "contours (1).json").write_text(json.dumps(early | {"save": 2}))
    early["frames"][1]["checked"] = False
    (folder / "contours (2).json").write_text(json.dumps(early | {"save": 3}))
    packet = read_return(folder, [frame.sent() for frame in frames], structures)
    assert [one.checked for one in packet.frames] == [True, False, False]
    assert {one.path.name for one in packet.frames} == {"contours (2).json"}


def test_of_two_tabs_neither_is_taken_for_the_other(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("page")
    one = json.loads((folder / "contours.json").read_text())
    one["frames"][0]["checked"] = True
    (folder / "contours.json").write_text(json.dumps(one))
    one["frames"][0]["contours"].pop("lumen")  # the same session and save, and another answer
    (folder / "contours-p-1.json").write_text(json.dumps(one))
    error = only_error(read_return(folder, [frame.sent() for frame in frames], structures))
    assert "second, different file for pb-0a1b_f00000" in error.message


def test_frames_that_only_another_tab_saved_are_taken_too(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("page")
    whole = json.loads((folder / "contours.json").read_text())
    early = whole | {"frames": [whole["frames"][0] | {"checked": True}, whole["frames"][2]]}
    late = whole | {"save": 2, "frames": [whole["frames"][1] | {"checked": True}, whole["frames"][2]]}
    (folder / "contours.json").write_text(json.dumps(early))
    (folder / "contours-p-2.json").write_text(json.dumps(late))
    packet = read_return(folder, [frame.sent() for frame in frames], structures)
    assert ([one.checked for one in packet.frames], packet.rejected) == ([True, True, False], ())


def test_two_readers_who_differ_are_not_ours_to_settle(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("page")
    one = json.loads((folder / "contours.json").read_text())
    one["frames"][0]["checked"] = True
    (folder / "contours.json").write_text(json.dumps(one))
    one["frames"][0]["contours"].pop("lumen")
    (folder / "anna.json").write_text(json.dumps(one | {"session_id": "other"}))
    error = only_error(read_return(folder, [frame.sent() for frame in frames], structures))
    assert "second, different file for pb-0a1b_f00000" in error.message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda frame: frame.update(image_sha256="0" * 16), "another image"),
        (lambda frame: frame.update(name="pb-9_f00000"), "was not sent"),
        (lambda frame: frame.update(name=7), "without a name"),
        (lambda frame: frame["contours"].update(lumen=[[1, 2], [3, 4]]), "three distinct vertices"),
        (lambda frame: frame["contours"].update(lumen=[[1, 2], [3, "x"], [5, 5]]), "pairs of numbers"),
        (lambda frame: frame["contours"].update(lumen=[[1, 2], [3, 1e7], [5, 5]]), "far outside"),
        (lambda frame: frame["contours"].update(stent=[[1, 2], [3, 9], [5, 5]]), "unknown label"),
        (lambda frame: frame["contours"].update(LUMEN=[[1, 2], [3, 9], [5, 5]]), "twice"),
        (lambda frame: frame.update(contours=[]), "not what the page saves"),
        (lambda frame: frame.update(points={}), "not what the page saves"),
        (lambda frame: frame.update(points=[3]), "not what the page saves"),
        (lambda frame: frame.update(points=[{"structure": "eem", "x_px": None, "y_px": 3}]), "not a finite number"),
        (lambda frame: frame.update(points=[{"structure": "eem", "x_px": "1e", "y_px": 3}]), "pairs of numbers"),
    ],
)
def test_what_is_wrong_with_a_frame_is_said_and_the_rest_goes_on(
    returned: Read, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    assert says in only_error(returned(first(change))).message


def test_entry_that_is_no_frame_is_said(returned: Read) -> None:
    def spoilt(document: dict[str, Any]) -> None:
        document["frames"][0] = None

    assert "without a name" in only_error(returned(spoilt)).message


@pytest.mark.parametrize("value", [None, -1.0, "long", float("nan"), 10**400])
def test_time_that_is_none_is_none(returned: Read, value: object) -> None:
    assert returned(first(lambda frame: frame.update(active_s=value))).frames[0].active_s is None


@pytest.mark.parametrize(
    ("change", "says", "hint"),
    [
        ({"schema_version": 2}, "schema_version 2", "newer ivsqa"),
        ({"schema_version": "1"}, "schema_version '1'", "save again"),
        ({"frames": None}, "not what the page saves", "save again"),
        ({"save": "x", "frames": [1]}, "without a name", "save again"),
    ],
)
def test_file_that_cannot_be_read_says_so(returned: Read, change: dict[str, Any], says: str, hint: str) -> None:
    packet = returned(lambda document: document.update(change))
    (error,) = packet.rejected
    assert (says in error.message, hint in error.hint, packet.frames) == (True, True, ())


def test_packet_without_a_save_is_not_taken_for_a_return(
    write: Write, frames: list[PacketFrame], structures: StructureSet
) -> None:
    folder = write("page")
    (folder / "contours.json").unlink()
    with pytest.raises(PacketError, match="holds no annotations"):
        read_return(folder, [frame.sent() for frame in frames], structures)
