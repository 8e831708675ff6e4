"""INSTRUCTIONS.html: one page that tells an annotator everything, offline, on screen and on paper.

The page needs nothing beside it except the pictures it links to. Text that came from outside is escaped.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from string import Template

import numpy as np
from PIL import Image

from ivsqa.domain.structures import StructureSet
from ivsqa.drawing.color_map import error_colors
from ivsqa.drawing.pictures import ARC_COLOR
from ivsqa.io.packets.packet import PacketFrame, PacketOrigin, Purpose

FILE_NAME = "INSTRUCTIONS.html"

STRUCTURE_NOTES = {
    "lumen": "The border between blood and vessel wall: the inner edge of the intima or of the plaque. Blood may sparkle;"
    " the wall stands still from frame to frame.",
    "eem": "The external elastic membrane: the outer edge of the thin dark ring (the media), where the bright adventitia"
    " begins. It encloses the lumen and all of the plaque.",
}
"""What to draw, for structures that are known by name (source: Mintz et al., JACC 2001;37:1478)."""
OTHER_NOTE = "One closed line around it, including everything inside."

HOW_TO = {
    "page": """<h2>In your browser: nothing to install</h2>
<ol>
  <li>Double-click <code>index.html</code>. It opens in your browser, also without a network; nothing is sent anywhere. If you
      got a zip, unpack it first.</li>
  <li>Drag a border where it is wrong. Or hold <kbd>Shift</kbd> and click where it should be: the border comes to you.
      <kbd>1</kbd>, <kbd>2</kbd> … choose the border: $names. <kbd>Ctrl</kbd> <kbd>Z</kbd> takes the last step back.</li>
  <li>When a frame is right, also if you changed nothing, press <kbd>Space</kbd>: it is ticked and the next one comes. If it
      cannot be judged, press <kbd>U</kbd>. <kbd>H</kbd> shows where the program expects to be wrong, <kbd>?</kbd> all keys.</li>
  <li>Press <kbd>S</kbd>, at the end or for a pause. Your browser puts <code>contours.json</code> into its folder of downloads:
      that file is what to send back. If you save several times, the last one counts.</li>
</ol>""",
    "labelme": """<h2>In LabelMe, step by step</h2>
<ol>
  <li>Start LabelMe, choose <b>Open Dir</b> and pick the folder <code>images</code>. All frames appear in the list, with
      their contours.</li>
  <li>Go on with <kbd>D</kbd>, back with <kbd>A</kbd>. Zoom with <kbd>Ctrl</kbd> and the mouse wheel.</li>
  <li>Press <kbd>Ctrl</kbd> <kbd>J</kbd> to edit, and drag a vertex to where it belongs. <kbd>Alt</kbd> and a click on a
      line adds a vertex; <kbd>Backspace</kbd>, with the mouse over a vertex, removes it.</li>
  <li>Or let the border come to you: right-click, <b>Create Point</b>, click where the border should be, and name the point
      like the border. The program lays the border through your points when it gets them back. A border you give points
      keeps its vertices as they are.</li>
  <li>To draw a border anew, select the old one and press <kbd>Delete</kbd>. Then press <kbd>Ctrl</kbd> <kbd>N</kbd>,
      click around, close the line on its first point, and give it its name: $names.</li>
  <li>The open lines named <code>look here</code> are hints. You need not touch or delete them.</li>
  <li>When a frame is right, also if you changed nothing, tick <b>checked</b> in the panel <b>Flags</b>.
      If it cannot be judged, tick <b>unreadable</b>.</li>
  <li>Save with <kbd>Ctrl</kbd> <kbd>S</kbd> before you go on, or switch on <b>File, Save Automatically</b> once.</li>
</ol>""",
    "csv": """<h2>In a table or a script</h2>
<p><code>contours.csv</code> has one vertex a line. <code>x_px</code> and <code>y_px</code> count pixels from 0, and a
   whole number is the centre of a pixel. Change the numbers, keep the columns. Frames whose lines you delete count as not
   returned.</p>""",
    "masks": """<h2>In a paint program</h2>
<p><code>masks</code> has a folder for each structure ($names), with one black and white image a frame. Paint white what
   is inside, black what is outside, at the same size, and save as PNG. An image that is all black says that the structure
   is not there.</p>""",
    "coco": """<h2>In an editor that reads COCO</h2>
<ol>
  <li>Load the images of the folder <code>images</code>, then the annotations of <code>coco.json</code>. Labels are $names;
      <code>look here</code> is a hint that you need not touch.</li>
  <li>Correct the polygons; one a structure. Keep the file names of the images.</li>
  <li>When a frame is right, also if you changed nothing, set the attribute <b>checked</b> of each of its polygons to true;
      if it cannot be judged, set <b>unreadable</b> of one. If your editor knows no attributes, write <code>yes</code> or
      <code>unreadable</code> into <code>worklist.csv</code>.</li>
  <li>Export as COCO, with polygons.</li>
</ol>""",
    "cvat": """<h2>In CVAT, step by step</h2>
<ol>
  <li>Create a task. Under <b>Labels</b> choose <b>Raw</b>, paste the whole text of <code>cvat-labels.json</code>, and press
      <b>Done</b>. Select all files of the folder <code>images</code>, and submit.</li>
  <li>In the task, <b>Actions</b>, <b>Upload annotations</b>, <b>CVAT 1.1</b>: choose <code>annotations.xml</code>. Do this
      before you start, or the contours are not there.</li>
  <li>Open the job. Drag the points of a polygon to where they belong. To draw a border anew, delete the old polygon and
      draw one with its name: $names. Go on with <kbd>F</kbd>, back with <kbd>D</kbd>.</li>
  <li>Or let the border come to you: <b>Draw new points</b> with its name, where it should be. The program lays it through
      your points when it gets them back. A border you give points keeps its polygon as it is.</li>
  <li>The lines named <code>look here</code> are hints. You need not touch or delete them.</li>
  <li>When a frame is right, also if you changed nothing, add the tag <b>checked</b>; if it cannot be judged, the tag
      <b>unreadable</b>.</li>
  <li>Save with <kbd>Ctrl</kbd> <kbd>S</kbd>. At the end, <b>Actions</b>, <b>Export task dataset</b>, <b>CVAT for images
      1.1</b>. The zip that you get is what to send back.</li>
</ol>""",
    "label-studio": """<h2>In Label Studio, step by step</h2>
<ol>
  <li>Start Label Studio with <code>LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true</code> and
      <code>LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT</code> set to this folder.</li>
  <li>Create a project. Under <b>Labeling Setup</b>, <b>Custom template</b>, paste the whole text of
      <code>label-studio.xml</code>.</li>
  <li>Under <b>Settings</b>, <b>Cloud Storage</b>, add a source storage of the kind <b>Local files</b> with the path of the
      folder <code>images</code>; there is no need to sync it. Then import <code>label-studio.json</code>.</li>
  <li>Drag the points of a polygon to where they belong, or delete it and draw one with its name: $names. The bands named
      <code>look here</code> are hints. You need not touch or delete them.</li>
  <li>Or let the border come to you: choose its name in the second row of labels, and click where it should be. The program
      lays it through your points when it gets them back. A border you give points keeps its polygon as it is.</li>
  <li>When a frame is right, also if you changed nothing, tick <b>checked</b> below the image; if it cannot be judged, tick
      <b>unreadable</b>. Then <b>Submit</b>.</li>
  <li>At the end, <b>Export</b> as <b>JSON</b>. That file is what to send back.</li>
</ol>""",
    "qupath": """<h2>In QuPath, step by step</h2>
<ol>
  <li>Make a project and add the files of the folder <code>images</code>.</li>
  <li>Open an image, then <b>File</b>, <b>Import objects from file</b>: the file of the same name in <code>qupath</code>.</li>
  <li>Double-click a contour to edit it and drag its points, or delete it and draw a polygon of the same class: $names. The
      locked lines of the class <code>look here</code> are hints. You need not touch or delete them.</li>
  <li>Or let the border come to you: set points where it should be with the points tool, and give them its class. The program
      lays it through your points when it gets them back. A border you give points keeps its contour as it is.</li>
  <li>When a frame is right, also if you changed nothing, right-click a contour, <b>Set properties</b>, and give it the name
      <code>checked</code>; if it cannot be judged, <code>unreadable</code>.</li>
  <li><b>File</b>, <b>Export objects as GeoJSON</b>, all objects, over the file you imported.</li>
</ol>""",
    "svg": """<h2>In Inkscape, step by step</h2>
<ol>
  <li>Open a file of the folder <code>svg</code> and show the layers: <kbd>Shift</kbd> <kbd>Ctrl</kbd> <kbd>L</kbd>. The eye
      beside <code>predicted error</code> shows where the program expects to be wrong.</li>
  <li>Press <kbd>N</kbd>, click a contour, and drag its nodes. Curves are welcome.</li>
  <li>To draw a border anew, delete the old one, click on the layer of its name ($names), and draw one closed path.</li>
  <li>The lines in the layer <code>look here</code> are hints. You need not touch or delete them.</li>
  <li>When a frame is right, also if you changed nothing, open the eye of the layer <code>checked</code>; if it cannot be
      judged, that of <code>unreadable</code>.</li>
  <li>Save as SVG under the same name. Moving or scaling the whole drawing does no harm; moving contours against the image
      does.</li>
</ol>""",
    "itk-snap": """<h2>In ITK-SNAP, step by step</h2>
<ol>
  <li>In the folder <code>itk-snap</code>, open <code>…-image.nii.gz</code> as the main image. Then
      <b>Segmentation, Open Segmentation</b> with <code>…-labels.nii.gz</code>, and <b>Segmentation, Import Label
      Descriptions</b> with <code>labels.txt</code>.</li>
  <li>Look at the axial view only. Each slice is another frame, the worst first; the mouse wheel turns the pages. The
      slices have nothing to do with each other: do not interpolate between them. <code>slices.csv</code> says what each
      one shows and where to look first.</li>
  <li><b>File, Add Another Image</b> with <code>…-heatmap.nii.gz</code> lays the predicted error over the image, in per
      cent. Hide it at will.</li>
  <li>Labels are rings: what lies inside a ring belongs to its structure as well. Choose one of $names as active label and
      paint; the right mouse button erases.</li>
  <li>When a frame is right, also if you changed nothing, put one dab of the label <code>checked</code> into a corner of
      its slice; <code>unreadable</code> if it cannot be judged. Or write it into <code>slices.csv</code>.</li>
  <li>Save the segmentation under the name it had.</li>
</ol>""",
    "slicer": """<h2>In 3D Slicer, step by step</h2>
<ol>
  <li>Drag <code>…-image.nrrd</code> and <code>….seg.nrrd</code> from the folder <code>slicer</code> into the window, and
      choose the layout <b>Red slice only</b>.</li>
  <li>Each slice is another frame, the worst first; the mouse wheel turns the pages. The slices have nothing to do with
      each other: do not fill, smooth or grow between them. <code>slices.csv</code> says what each one shows and where to
      look first.</li>
  <li><code>…-heatmap.nrrd</code> is the predicted error in per cent: drag it in and show it as foreground, half
      transparent.</li>
  <li>In the <b>Segment Editor</b>, choose one of $names, then <b>Paint</b> or <b>Erase</b>. What lies inside a segment
      belongs to its structure as well.</li>
  <li>When a frame is right, also if you changed nothing, put one dab of the segment <code>checked</code> into a corner of
      its slice; <code>unreadable</code> if it cannot be judged. Or write it into <code>slices.csv</code>. If every frame
      is right, set the status of $names to <b>Completed</b> instead.</li>
  <li>Save the segmentation as <code>.seg.nrrd</code> under the name it had.</li>
</ol>""",
    "napari": """<h2>In napari, step by step</h2>
<ol>
  <li>In the folder <code>napari</code>, open <code>image.tif</code>, then the tables beside it; each becomes a layer. The
      slider turns the pages: each is another frame, the worst first, and <code>slices.csv</code> says which.</li>
  <li>The lines of the layer <code>look-here</code> are hints. <code>heatmap.tif</code> is the predicted error in per cent:
      open it and set its blending to additive.</li>
  <li>Select the layer of a structure, then <b>Select vertices</b>, and drag a vertex to where it belongs. To draw a border
      anew, delete the shape and add a polygon in the same layer. The layer's name is the structure: $names.</li>
  <li>When a frame is right, also if you changed nothing, write <code>yes</code> beside it in <code>slices.csv</code>, or
      <code>unreadable</code> if it cannot be judged. Or draw any shape on it in a new layer, to be saved as
      <code>checked.csv</code> or <code>unreadable.csv</code>.</li>
  <li>Save each layer that you changed, as CSV under the name it had.</li>
</ol>""",
}
"""How to work in each format; `$names` becomes the structures."""
SENT_BACK = {
    "page": "<code>contours.json</code> from your downloads",
    "labelme": "<code>images</code>",
    "csv": "<code>contours.csv</code>",
    "masks": "<code>masks</code>",
    "coco": "the exported COCO file",
    "cvat": "the zip that CVAT exported",
    "label-studio": "the exported JSON",
    "qupath": "<code>qupath</code>",
    "svg": "<code>svg</code>",
    "itk-snap": "<code>itk-snap</code>",
    "slicer": "<code>slicer</code>",
    "napari": "<code>napari</code>",
}
OPENED = {
    "page": "<code>index.html</code> in your browser",
    "labelme": "the folder <code>images</code> in LabelMe",
    "masks": "the folder <code>masks</code>",
    "cvat": "a task in CVAT, as told below",
    "label-studio": "a project in Label Studio, as told below",
    "qupath": "the folder <code>images</code> in QuPath, as told below",
    "svg": "the folder <code>svg</code> in Inkscape",
    "itk-snap": "the folder <code>itk-snap</code> in ITK-SNAP",
    "slicer": "the folder <code>slicer</code> in 3D Slicer",
    "napari": "the folder <code>napari</code> in napari",
}
"""What to open; where nothing is said, the folder of images."""

_DRAWN = "The contours are already drawn by a program. Correct what is wrong, leave what is right."
_DOUBT = "runs beside a part of a border where the program doubts itself. It may still be right."
PURPOSES: dict[Purpose, dict[str, str]] = {
    "correction": {
        "lead": _DRAWN,
        "where": ", worst frames first, where the pink marks point",
        "look_here": _DOUBT,
        "order": "Worst first",
    },
    "reading": {
        "lead": f"{_DRAWN} Others read the same frames: please do not compare before all have sent theirs back.",
        "where": " of every frame, and tick each; the pink marks point to doubtful parts",
        "look_here": _DOUBT,
        "order": "In an order of your own",
    },
    "adjudication": {
        "lead": "Readers differed in these frames. The contours lie midway between them; you decide where they belong.",
        "where": " where the pink lines differ, and tick each frame, also where midway is right",
        "look_here": "is what one reader drew, where readers differ. Which line is whose is not told, and changes.",
        "order": "Where readers differed",
    },
}
"""What the page says of a packet, by what it is for."""


@dataclass(frozen=True)
class Card:
    """A frame on the page.

    Attributes:
        rank: 1 comes first.
        name: The frame's name.
        caption: Quality and where to look.
        picture: Relative path of the picture behind it.
        thumbnail: JPEG as a data URI.
    """

    rank: int
    name: str
    caption: str
    picture: str
    thumbnail: str

    @classmethod
    def of(cls, frame: PacketFrame, picture: str, thumbnail: Image.Image) -> Card:
        """Return the card of a frame that shows `thumbnail` and links to `picture`."""
        quality = "" if frame.quality is None else f"predicted Dice {frame.quality:.2f}"
        caption = "; ".join(part for part in (quality, *map(str, frame.arcs)) if part)
        buffer = io.BytesIO()
        thumbnail.save(buffer, format="JPEG", quality=80)
        data = base64.b64encode(buffer.getvalue()).decode("ascii")
        return cls(frame.rank, frame.name, caption, picture, f"data:image/jpeg;base64,{data}")

    @property
    def html(self) -> str:
        """The card as a link."""
        return (
            f'<a href="{escape(self.picture)}"><img src="{self.thumbnail}" alt="" loading="lazy">'
            f"<b>{self.rank}. {escape(self.name)}</b><br><span>{escape(self.caption)}</span></a>"
        )


def instructions_html(
    cards: Sequence[Card],
    *,
    structures: StructureSet,
    formats: Sequence[str],
    origin: PacketOrigin,
    with_heatmaps: bool,
) -> str:
    """Return the page.

    Args:
        cards: One a frame.
        structures: What is to be drawn.
        formats: Names of the formats in the packet, the first being the one to recommend.
        origin: Round and packet.
        with_heatmaps: Whether the packet has pictures of predicted error.
    """
    template = Template(resources.files("ivsqa.io.packets").joinpath("instructions.html").read_text(encoding="utf-8"))
    names = " or ".join(f"<code>{escape(name)}</code>" for name in structures.names)
    sections = [HOW_TO[name] for name in formats if name in HOW_TO]
    folders = " or ".join(SENT_BACK[name] for name in formats if name in SENT_BACK)
    return template.substitute(
        packet_id=escape(origin.packet_id),
        round_id=escape(origin.round_id),
        **PURPOSES[origin.purpose],
        n_frames=f"{len(cards)} frame{'' if len(cards) == 1 else 's'}",
        opened=OPENED.get(formats[0], "the folder <code>images</code>"),
        send_back=f"{folders or 'this folder'}, zipped or as it is",
        sketch=_sketch(structures),
        structure_notes="\n".join(_structure_note(structures, name) for name in structures.names),
        how_to="\n\n".join(Template(section).substitute(names=names) for section in sections),
        heatmaps_too=" and <code>heatmaps</code>" if with_heatmaps else "",
        color_rows="\n".join(_color_row(structures, name) for name in structures.names),
        arc_color=ARC_COLOR,
        heat_gradient=_heat_gradient(),
        heat_key=_HEAT_KEY if with_heatmaps else "",
        cards="\n".join(card.html for card in sorted(cards, key=lambda card: card.rank)),
    )


_HEAT_KEY = """<p>In <code>heatmaps</code>, the right half shows where the program expects to be wrong:</p>
<div class="bar"></div>
<div class="ends"><span>probably right</span><span>probably wrong</span></div>"""


def _swatch(structures: StructureSet, name: str) -> str:
    """Return a structure's colour and name."""
    return f'<span class="swatch" style="--c:{escape(structures.color_of(name))}"></span>{escape(name)}'


def _structure_note(structures: StructureSet, name: str) -> str:
    """Return what to draw for one structure."""
    return f"    <dt>{_swatch(structures, name)}</dt><dd>{STRUCTURE_NOTES.get(name, OTHER_NOTE)}</dd>"


def _color_row(structures: StructureSet, name: str) -> str:
    """Return a row of the key to the colours."""
    return f"  <tr><td>{_swatch(structures, name)}</td><td>the border as it was sent</td></tr>"


def _heat_gradient() -> str:
    """Return the colours of error as CSS stops."""
    return ", ".join("#{:02x}{:02x}{:02x}".format(*error_colors()[step]) for step in range(0, 256, 15))


def _sketch(structures: StructureSet) -> str:
    """Return a drawing of a cross-section: wall, plaque, a calcium shadow, a side branch, and the lines to draw."""
    outer = "M150 42 C215 42 258 92 258 150 C258 214 210 258 150 258 C88 258 42 212 42 150 C42 88 88 42 150 42 Z"
    inner = "M140 88 C186 84 214 112 212 148 C210 190 182 212 146 210 C106 208 88 182 90 148 C92 112 110 90 140 88 Z"
    # Two lines fit one drawing; further structures of a study are described in words.
    lines = [(inner, structures.structures[0].color)]
    if len(structures) > 1:
        lines.append((outer, structures.structures[-1].color))
    drawn = "".join(
        f'<path d="{path}" fill="none" stroke="{escape(color)}" stroke-width="3"/>' for path, color in lines
    )
    angles = np.radians([22.0, 62.0])
    (x1, y1), (x2, y2) = (150 + 220 * np.column_stack([np.cos(angles), np.sin(angles)])).tolist()
    return f"""<svg viewBox="0 0 300 300" role="img" aria-label="A vessel in cross-section with the lines to draw">
  <defs><clipPath id="disc"><circle cx="150" cy="150" r="148"/></clipPath></defs>
  <rect width="300" height="300" fill="#0c0f13"/>
  <g clip-path="url(#disc)">
    <circle cx="150" cy="150" r="148" fill="#8d9096"/>
    <path d="{outer}" fill="#1b1e23"/><path d="{outer}" fill="#62666d" transform="translate(6.6 6.6) scale(.956)"/>
    <path d="M34 34 L110 104 L86 128 L4 66 Z" fill="#2c3036"/>
    <path d="{inner}" fill="#2c3036"/>
    <path d="M218 178 L{x1:.0f} {y1:.0f} L{x2:.0f} {y2:.0f} L184 218 Z" fill="#101317"/>
    <path d="M220 176 Q206 204 182 220" fill="none" stroke="#fff" stroke-width="9" stroke-linecap="round"/>
  </g>
  <circle cx="140" cy="142" r="17" fill="#0c0f13" stroke="#9aa0a8" stroke-width="2"/>
  {drawn}
  <g fill="#fff" font-family="system-ui, sans-serif" font-size="12" text-anchor="middle">
    <text x="140" y="176">catheter</text><text x="66" y="84">side branch</text>
    <text x="232" y="246">shadow</text><text x="170" y="194">calcium</text>
  </g>
</svg>"""
