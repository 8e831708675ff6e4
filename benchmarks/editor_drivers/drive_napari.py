"""Works through the stacks of a packet with napari's own reader, layers and writer; run by its own Python. Prints JSON."""

import json
import runpy
import sys
from pathlib import Path

import napari
from napari.components import ViewerModel
from napari.plugins import _initialize_plugins

viewers = []


class Viewer(ViewerModel):
    """The viewer without its window, which needs a graphics card."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        viewers.append(self)


def main(folder: Path, moved_px: float, words: dict[str, str], frames: list[str], edited: str) -> dict[str, object]:
    """Open the packet by its script, move a vertex of the lumen in one frame, mark others, and save what was changed."""
    _initialize_plugins()
    napari.Viewer, napari.run = Viewer, lambda: None
    runpy.run_path(str(folder / "show.py"))
    (viewer,) = viewers
    stack = folder / viewer.title
    seen: dict[str, list[str]] = {name: [] for name in frames}
    for layer in (layer for layer in viewer.layers if layer.name not in ("image", "heatmap")):
        for shape in layer.data:
            seen[frames[round(shape[0][0])]].append(layer.name.replace("-", " "))
    lumen = viewer.layers["lumen"]
    shapes = list(lumen.data)
    (index,) = (index for index, shape in enumerate(shapes) if frames[round(shape[0][0])] == edited)
    shapes[index][0, 2] += moved_px
    lumen.data = shapes
    lumen.save(str(stack / "lumen.csv"))
    for name, word in words.items():
        layer = viewer.add_shapes(
            [[[frames.index(name), 2, 2], [frames.index(name), 9, 9]]], shape_type="line", name=word
        )
        layer.save(str(stack / f"{word}.csv"))
    # Opened one by one, as without the script, the tables are layers too.
    plain = ViewerModel()
    plain.open(str(stack / "eem.csv"))
    return {"version": napari.__version__, "seen": seen, "seen_plain": plain.layers["eem"].nshapes}


if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    print(json.dumps(main(Path(task["folder"]), task["moved_px"], task["words"], task["frames"], task["edited"])))
