import csv
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.packets import ADAPTERS, PacketFrame, PacketOrigin, write_packet
from ivsqa.io.packets.instructions import Card, instructions_html
from ivsqa.io.packets.packet import Purpose

Write = Callable[..., Path]


def test_packet_has_everything_an_annotator_needs(write: Write, frames: list[PacketFrame]) -> None:
    folder = write("labelme", "csv", "masks")
    name = frames[0].name
    for path in (
        f"images/{name}.png",
        f"images/{name}.json",
        f"overlays/{name}.png",
        f"heatmaps/{name}.png",
        f"masks/lumen/{name}.png",
        f"masks/eem/{name}.png",
        "contours.csv",
        "worklist.csv",
        "INSTRUCTIONS.html",
    ):
        assert (folder / path).is_file(), path


def test_no_heatmap_without_an_error_map(write: Write, frames: list[PacketFrame]) -> None:
    bare = [PacketFrame("a", "pb-1", 0, frames[0].image, {})]
    folder = write("labelme", of=bare)
    assert not (folder / "heatmaps").exists()
    page = (folder / "INSTRUCTIONS.html").read_text()
    assert "heatmaps" not in page
    assert "1 frame to look at" in page


def test_worklist_is_in_order_of_rank_with_blanks_for_the_unknown(write: Write, frames: list[PacketFrame]) -> None:
    bare = PacketFrame("z", "pb-1", 4, frames[0].image, {}, rank=9, quality=float("nan"))
    with (write("csv", of=[bare, frames[1], frames[0]]) / "worklist.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["rank"] for row in rows] == ["1", "2", "9"]
    assert rows[0]["quality"] == "0.710"
    assert rows[0]["dice_lumen"] == "0.880"
    assert rows[0]["doubtful_arcs"] == "eem 4 to 6 o'clock (30 to 90 deg)"
    assert (rows[2]["quality"], rows[2]["dice_eem"], rows[2]["checked"]) == ("", "", "")


def test_few_frames_are_in_memory_at_a_time(
    tmp_path: Path, frames: list[PacketFrame], structures: StructureSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1}, raising=False)
    done: list[int] = []

    def stream() -> Iterator[PacketFrame]:
        for number in range(8):
            done.append(len(list((tmp_path / "heatmaps").glob("*.png"))))
            yield replace(frames[0], name=f"f{number}", frame_index=number)

    write_packet(
        tmp_path, stream(), structures=structures, formats=["labelme", "csv", "masks"], round_id="r", packet_id="p"
    )
    assert all(n_done >= number - 2 for number, n_done in enumerate(done))  # two cores: two may be drawn still


def test_a_packet_has_the_same_bytes_on_one_core_and_on_many(
    tmp_path: Path,
    frames: list[PacketFrame],
    structures: StructureSet,
    monkeypatch: pytest.MonkeyPatch,
    bytes_of: Callable[[Path], dict[str, bytes]],
) -> None:
    def written(n_cores: int) -> dict[str, bytes]:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(n_cores)), raising=False)
        folder = tmp_path / str(n_cores)
        folder.mkdir()
        write_packet(folder, frames, structures=structures, formats=["csv"], round_id="r", packet_id="p")
        return bytes_of(folder)

    assert written(1) == written(3)


def test_two_frames_of_one_name_are_refused(
    tmp_path: Path, frames: list[PacketFrame], structures: StructureSet
) -> None:
    with pytest.raises(ValueError, match="two frames"):
        write_packet(
            tmp_path, [frames[0], frames[0]], structures=structures, formats=["csv"], round_id="r", packet_id="p"
        )


def test_every_format_has_instructions() -> None:
    folder = resources.files("ivsqa.io.packets").joinpath("how_to")
    assert {path.name for path in folder.iterdir()} == {f"{adapter.name}.html.j2" for adapter in ADAPTERS}


def test_instructions_begin_with_the_recommended_format(write: Write) -> None:
    page = (write("svg", "labelme") / "INSTRUCTIONS.html").read_text()
    assert "<b>1. Open</b> the folder <code>svg</code> in Inkscape." in page
    assert page.index("In Inkscape, step by step") < page.index("In LabelMe, step by step")
    assert "<b>3. Send back</b> <code>svg</code> or <code>images</code>" in page


@pytest.mark.parametrize("name", [adapter.name for adapter in ADAPTERS])
def test_each_format_says_what_to_open_what_to_do_and_what_to_send_back(name: str, structures: StructureSet) -> None:
    origin = PacketOrigin("r001", "r001-1")
    page = instructions_html(
        [], structures=structures, formats=[name], origin=origin, is_drawn=True, with_heatmaps=False
    )
    opened, sent_back = re.findall(
        r"<li><b>\d. (?:Open|Send back)</b>\s*(.+?)(?:, zipped or as it is)?\.</li>", page, re.DOTALL
    )
    assert opened
    assert sent_back
    assert page.count("<h2>") == 5  # what to draw, how to, pictures, what to send back, the frames


@pytest.mark.parametrize("purpose", get_args(Purpose))
def test_an_annotator_is_told_what_the_packet_is_for(purpose: Purpose, structures: StructureSet) -> None:
    origin = PacketOrigin("r001", "r001-1", purpose)
    page = instructions_html(
        [], structures=structures, formats=["page"], origin=origin, is_drawn=True, with_heatmaps=False
    )
    assert ("Readers differed in these frames" in page) == (purpose == "adjudication")
    assert ("do not compare before" in page) == (purpose == "reading")
    assert ("You have read these frames before" in page) == (purpose == "repeat")


@pytest.mark.parametrize("purpose", ["correction", "reading", "repeat"])
def test_where_no_contour_is_sent_nothing_speaks_of_those_that_are(purpose: Purpose, structures: StructureSet) -> None:
    origin = PacketOrigin("r001", "r001-1", purpose)
    drawn, blank = (
        instructions_html(
            [], structures=structures, formats=["page"], origin=origin, is_drawn=is_drawn, with_heatmaps=False
        )
        for is_drawn in (True, False)
    )
    for words in ("already drawn", "<b>2. Correct</b>", "pink marks", "as it was sent"):
        assert words in drawn
        assert words not in blank
    assert "Nothing is drawn yet" in blank
    assert "<b>2. Draw</b> the contours" in blank


def test_unknown_format_writes_nothing(tmp_path: Path, frames: list[PacketFrame], structures: StructureSet) -> None:
    with pytest.raises(PacketError, match="unknown format"):
        write_packet(tmp_path, frames, structures=structures, formats=["word"], round_id="r", packet_id="p")
    assert not list(tmp_path.iterdir())


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.targets: list[str] = []
        self.images: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.targets += [values["href"] or ""] if tag == "a" else []
        self.images += [values["src"] or ""] if tag == "img" else []
        if tag not in {"meta", "img", "br", "rect", "circle", "path"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"rect", "circle", "path"}:
            assert self.open.pop() == tag


def test_page_is_well_formed_offline_and_leads_to_pictures_that_are_there(write: Write) -> None:
    folder = write("labelme", "csv", "masks")
    page = (folder / "INSTRUCTIONS.html").read_text()
    links = Links()
    links.feed(page)
    assert links.open == []
    assert len(links.targets) == 3
    assert all((folder / target).is_file() for target in links.targets)
    assert all(image.startswith("data:image/jpeg;base64,") for image in links.images)
    assert not re.search(r"https?://|<script|@import|\$[a-z{]", page)


def test_names_and_colours_from_outside_are_escaped() -> None:
    hostile = StructureSet((Structure("<b>lumen", '"><script>'),))
    card = Card(1, "<b>a", "<b>caption", 'x" onclick="', b"jpeg")
    origin = PacketOrigin("<i>round</i>", "<i>packet</i>")
    page = instructions_html(
        [card], structures=hostile, formats=["labelme"], origin=origin, is_drawn=True, with_heatmaps=True
    )
    assert not re.search(r"<script|<b>(lumen|a<|caption)|<i>|onclick=\"", page)


def test_page_describes_structures_it_does_not_know() -> None:
    stent = StructureSet((Structure("stent", "#ffffff"),))
    page = instructions_html(
        [], structures=stent, formats=["masks"], origin=PacketOrigin("r", "p"), is_drawn=True, with_heatmaps=False
    )
    assert "One closed line around it" in page


def test_equal_packets_have_equal_bytes(tmp_path: Path, frames: list[PacketFrame], structures: StructureSet) -> None:
    contents = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        write_packet(
            folder, frames, structures=structures, formats=["labelme", "csv", "masks"], round_id="r", packet_id="p"
        )
        contents.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()})
    assert contents[0] == contents[1]


def test_frames_in_the_packet_are_grey_and_untouched(write: Write, frames: list[PacketFrame]) -> None:
    folder = write("csv")
    for frame in frames:
        with Image.open(folder / "images" / f"{frame.name}.png") as image:
            assert image.mode == "L"
            assert image.info == {}
            np.testing.assert_array_equal(np.asarray(image), frame.image)
