import base64
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivsqa.domain.structures import StructureSet
from ivsqa.io.packets import PacketFrame, ReturnedPacket, read_return
from ivsqa.io.packets.thinning import written_edge_points

Write = Callable[..., Path]
Edit = Callable[[str], str]
LUMEN = re.compile(r'<path class="lumen"[^>]*/>')
INKSCAPE = "{http://www.inkscape.org/namespaces/inkscape}"


@pytest.fixture
def returned(write: Write, frames: list[PacketFrame], structures: StructureSet) -> Callable[[Edit], ReturnedPacket]:
    def read(edit: Edit) -> ReturnedPacket:
        folder = write("svg") / "svg"
        path = folder / f"{frames[0].name}.svg"
        path.write_text(edit(path.read_text()))
        return read_return(folder, [frame.sent() for frame in frames], structures)

    return read


def redrawn(shape: str) -> Edit:
    return lambda text: LUMEN.sub(shape, text, count=1)


def layers(path: Path) -> dict[str, ET.Element]:
    root = ET.parse(path).getroot()  # noqa: S314
    return {one.attrib[f"{INKSCAPE}label"]: one for one in root if f"{INKSCAPE}label" in one.attrib}


def pixels(layer: ET.Element) -> np.ndarray:
    data = layer[0].attrib["{http://www.w3.org/1999/xlink}href"].partition(",")[2]
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        return np.asarray(image)


def test_frame_error_and_borders_are_layers_of_their_own(write: Write, frames: list[PacketFrame]) -> None:
    found = layers(write("svg") / "svg" / f"{frames[0].name}.svg")
    assert list(found) == ["frame", "predicted error", "look here", "eem", "lumen", "checked", "unreadable"]
    np.testing.assert_array_equal(pixels(found["frame"]), frames[0].image)  # nothing is burned in
    assert pixels(found["predicted error"]).shape == (96, 128, 4)
    assert [name for name, one in found.items() if "display:none" in one.attrib["style"]] == [
        "predicted error",
        "checked",
        "unreadable",
    ]
    x, y = written_edge_points(frames[0].contours["lumen"])[0]
    assert found["lumen"][0].attrib["d"].startswith(f"M {x:.3f},{y:.3f} ")


SHAPES = [
    '<rect class="lumen" x="40" y="30" width="40" height="30"/>',
    '<g transform="translate(10 10)"><path class="lumen" d="M30 20h40v30h-40z"/></g>',
    '<path d="M40 30 H80 V60 H40 Z"/>',  # drawn anew in the layer of its name
    '<polygon points="40,30 80,30 80,60 40,60"/>',
    '<path transform="matrix(0 1 1 0 0 0)" d="M30 40v40h30v-40z"/>',
    '<path d="M5 5z M40 30h40v30h-40z"/>',  # after a lone click
]


@pytest.mark.parametrize("shape", SHAPES)
def test_rectangle_is_the_same_however_it_is_drawn(shape: str, returned: Callable[[Edit], ReturnedPacket]) -> None:
    lumen = returned(redrawn(shape)).frames[0].contours["lumen"]
    assert lumen.area_px2 == pytest.approx(1200.0)
    np.testing.assert_allclose(lumen.points_px.min(axis=0), [39.5, 29.5])


@pytest.mark.parametrize(
    "shape",
    [
        '<circle class="lumen" cx="60" cy="48" r="15"/>',
        '<ellipse cx="30" cy="48" rx="7.5" ry="15" transform="scale(2 1)"/>',
        '<path d="M45 48a15 15 0 0 1 30 0a15 15 0 0 1-30 0z"/>',
    ],
)
def test_circle_has_its_area_however_it_is_drawn(shape: str, returned: Callable[[Edit], ReturnedPacket]) -> None:
    lumen = returned(redrawn(shape)).frames[0].contours["lumen"]
    assert lumen.area_px2 == pytest.approx(np.pi * 225, rel=0.002)
    np.testing.assert_allclose(lumen.centroid_px, [59.5, 47.5], atol=0.01)


def test_contours_are_read_where_the_image_lies(returned: Callable[[Edit], ReturnedPacket]) -> None:
    def enlarge(text: str) -> str:
        text = text.replace('width="128" height="96" preserve', 'width="256" height="192" preserve')
        text = text.replace('x="0" y="0"', 'x="5" y="-3"')
        return text.replace('<path class="', '<path transform="translate(5 -3) scale(2)" class="')

    packet = returned(enlarge)
    assert packet.rejected == ()
    assert not packet.frames[0].is_changed


def test_drawing_without_its_image_is_read_in_its_own_units(returned: Callable[[Edit], ReturnedPacket]) -> None:
    packet = returned(lambda text: re.sub(r"<image [^>]*/>", "", text))
    assert packet.rejected == ()
    assert not packet.frames[0].is_changed


MISTAKES: list[tuple[Edit, str]] = [
    (lambda text: "<html/>", "is not SVG"),
    (lambda text: text.replace("<g ", '<g transform="spin(3)" ', 1), "transform that is not one"),
    (lambda text: text.replace("<g ", '<g transform="scale(0)" ', 1), "Singular"),
    (lambda text: text.replace('width="128" height="96" preserve', 'width="0" height="96" preserve'), "without size"),
    (lambda text: text.replace("base64,iVBOR", "base64,iVBAR", 1), "cannot be read"),
    (redrawn('<path d="M1 1 L"/>'), "command L with 0 numbers"),
    (redrawn('<path d="M1 1 L 2 2 z"/>'), "three distinct vertices"),
    (redrawn('<use href="#a"/>'), "use, which encloses nothing"),
    (redrawn('<rect x="nan" width="3" height="3"/>'), "no finite x"),
    (redrawn('<path d="M1 1h40v40z"/><path d="M1 1h40v40z"/>'), "2 shapes"),
    (lambda text: text.replace("</svg>", '<path d="M1 1h4v4z"/></svg>'), "no label"),
    (lambda text: text.replace('label="lumen"', 'label="calcium"').replace('class="lumen"', ""), "unknown label"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_mistake_rejects_its_frame_and_says_why(
    mistake: Edit, message: str, returned: Callable[[Edit], ReturnedPacket]
) -> None:
    packet = returned(mistake)
    assert len(packet.frames) == 2
    (error,) = packet.rejected
    assert message in error.message


@pytest.mark.parametrize("word", ["checked", "unreadable"])
@pytest.mark.parametrize("style", ["display:none", "display:inline"])
def test_border_drawn_into_the_layer_of_a_tick_is_no_tick(
    word: str, style: str, returned: Callable[[Edit], ReturnedPacket]
) -> None:
    def drawn(text: str) -> str:
        return re.sub(
            rf'(<g [^>]*inkscape:label="{word}"[^>]*)display:none">',
            rf'\1{style}"><path id="path7" d="M40 30h40v30h-40z"/>',
            text,
        )

    packet = returned(drawn)
    assert [frame.frame.frame_index for frame in packet.frames] == [1, 2]
    (error,) = packet.rejected
    assert (error.where, error.message) == ("path path7", f"is drawn in the layer '{word}', which is no border")


def plain(text: str) -> str:
    """Return what Inkscape saves as plain SVG: nothing of its own."""
    return re.sub(r' (inkscape|sodipodi):[a-z-]+="[^"]*"', "", re.sub("<sodipodi:namedview[^>]*/>", "", text))


def optimised(text: str) -> str:
    """Return what optimisers make of it: no ids, and groups that look alike in one."""
    text = re.sub(r' id="[^"]*"', "", plain(text)).replace(' style="display:none"', ' display="none"')
    text = re.sub(r'</g>\s*<g display="none">\s*(?=<text)', "", text)
    return re.sub(r'</g>\s*<g style="display:inline">\s*(?=<path)', "", text)


@pytest.mark.parametrize("save", [plain, optimised])
def test_plain_and_optimised_files_say_what_is_which(save: Edit, returned: Callable[[Edit], ReturnedPacket]) -> None:
    assert "inkscape:label" not in save('<g inkscape:label="lumen"/>')
    packet = returned(save)
    assert packet.rejected == ()
    assert not packet.frames[0].is_changed


def test_border_drawn_anew_in_a_plain_file_is_known_by_the_id_of_its_layer(
    returned: Callable[[Edit], ReturnedPacket],
) -> None:
    packet = returned(lambda text: plain(LUMEN.sub('<path d="M40 30H80V60H40Z"/>', text)))
    assert packet.rejected == ()
    assert packet.frames[0].contours["lumen"].area_px2 == pytest.approx(1200.0)


@pytest.mark.parametrize("save", [plain, optimised])
def test_tick_is_read_from_plain_and_optimised_files(save: Edit, returned: Callable[[Edit], ReturnedPacket]) -> None:
    shown = re.compile(r'(<g [^>]*inkscape:label="unreadable"[^>]*)display:none')
    packet = returned(lambda text: save(shown.sub(r"\1display:inline", text)))
    assert packet.rejected == ()
    assert (packet.frames[0].unreadable, packet.frames[0].checked) == (True, False)


def test_hint_without_a_layer_or_class_of_older_packets_needs_no_name(
    returned: Callable[[Edit], ReturnedPacket],
) -> None:
    packet = returned(lambda text: plain(text).replace(' class="look-here"', ""))
    assert packet.rejected == ()
    assert not packet.frames[0].is_changed


def test_inkscape_opens_with_the_innermost_border_to_draw_on(write: Write, frames: list[PacketFrame]) -> None:
    root = ET.parse(write("svg") / "svg" / f"{frames[0].name}.svg").getroot()  # noqa: S314
    (view,) = root.iter("{http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd}namedview")
    current = view.attrib[f"{INKSCAPE}current-layer"]
    (layer,) = (one for one in root if one.get("id") == current)
    assert layer.attrib[f"{INKSCAPE}label"] == "lumen"
    assert float(view.attrib[f"{INKSCAPE}zoom"]) == pytest.approx(900 / 128, rel=1e-3)
    assert (view.attrib[f"{INKSCAPE}cx"], view.attrib[f"{INKSCAPE}cy"]) == ("64", "48")


def test_what_is_only_defined_is_not_drawn(returned: Callable[[Edit], ReturnedPacket]) -> None:
    defined = '<defs><path d="M1 1h40v40z" class="lumen"/></defs><!-- a note --></svg>'
    packet = returned(lambda text: text.replace("</svg>", defined))
    assert packet.rejected == ()
    assert not packet.frames[0].is_changed


def test_drawing_nested_without_end_does_no_harm(returned: Callable[[Edit], ReturnedPacket]) -> None:
    deep = redrawn("<g>" * 20_000 + '<rect x="40" y="30" width="40" height="30"/>' + "</g>" * 20_000)
    assert returned(deep).frames[0].contours["lumen"].area_px2 == pytest.approx(1200.0)
