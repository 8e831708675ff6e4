"""Works through a folder of images in LabelMe's own window; run by its own Python. Prints what it saw as JSON."""

import importlib.metadata
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

try:
    from labelme.app import MainWindow
    from PyQt5 import QtCore, QtWidgets
except ImportError:  # LabelMe 7
    from labelme._app import MainWindow
    from PySide6 import QtCore, QtWidgets


def main(folder: Path, moved_px: float, word_of: dict[str, str], edited: str) -> dict[str, object]:
    """Open every image, move a vertex of the lumen in one frame, tick the others as they are told to, and save them all."""
    app = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["labelme"])
    config = folder.parent / "labelmerc"
    config.write_text("{}\n")
    window = MainWindow(config_file=config, config_overrides={"auto_save": False}, file_or_dir=str(folder))
    window.show()
    files, seen = window._docks.file_list, {}
    for row in range(files.count()):
        files.setCurrentRow(row)
        app.processEvents()
        name = Path(window._image_path).stem
        shapes = window._canvas_widgets.canvas.shapes
        seen[name] = [shape.label for shape in shapes]
        if name == edited:
            (lumen,) = (shape for shape in shapes if shape.label == "lumen")
            if isinstance(lumen.points, list):
                lumen.move_vertex(0, lumen.points[0] + QtCore.QPointF(moved_px, 0.0))
            else:  # LabelMe 7 keeps an array
                lumen.move_vertex(i=0, pos=lumen.points[0] + [moved_px, 0.0])
        flags = window._docks.flag_list
        for item in map(flags.item, range(flags.count())):
            if item.text() == word_of.get(name):
                item.setCheckState(QtCore.Qt.CheckState.Checked)
        window.mark_dirty()
        window._save_label_file(save_as=False)
        if hasattr(window, "_save_writer"):  # LabelMe 7 saves beside the window
            window._save_writer._pool.waitForDone()
        app.processEvents()
    return {"version": importlib.metadata.version("labelme"), "seen": seen}


if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    print(json.dumps(main(Path(task["folder"]), task["moved_px"], task["words"], task["edited"])))
