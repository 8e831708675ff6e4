"""The formats a packet can have. Order matters: the first that is found unchanged speaks for a packet with several."""

from __future__ import annotations

import difflib

from ivsqa.errors import PacketError
from ivsqa.io.packets.adapter import Adapter
from ivsqa.io.packets.browser.page import PageAdapter
from ivsqa.io.packets.editors.coco import CocoAdapter
from ivsqa.io.packets.editors.csv_table import CsvAdapter
from ivsqa.io.packets.editors.cvat import CvatAdapter
from ivsqa.io.packets.editors.itk_snap import ItkSnapAdapter
from ivsqa.io.packets.editors.label_studio import LabelStudioAdapter
from ivsqa.io.packets.editors.labelme import LabelmeAdapter
from ivsqa.io.packets.editors.masks import MasksAdapter
from ivsqa.io.packets.editors.napari import NapariAdapter
from ivsqa.io.packets.editors.qupath import QuPathAdapter
from ivsqa.io.packets.editors.slicer import SlicerAdapter
from ivsqa.io.packets.editors.svg import SvgAdapter

ADAPTERS: tuple[Adapter, ...] = (
    LabelmeAdapter(),
    PageAdapter(),
    CsvAdapter(),
    MasksAdapter(),
    CocoAdapter(),
    CvatAdapter(),
    LabelStudioAdapter(),
    QuPathAdapter(),
    SvgAdapter(),
    ItkSnapAdapter(),
    SlicerAdapter(),
    NapariAdapter(),
)


def get_adapter(name: str) -> Adapter:
    """Return the adapter of a format.

    Raises:
        PacketError: there is no such format.
    """
    known = [adapter.name for adapter in ADAPTERS]
    if name in known:
        return ADAPTERS[known.index(name)]
    near = difflib.get_close_matches(name.lower(), known, n=1)
    raise PacketError(
        f"unknown format {name!r}", hint=f"did you mean {near[0]!r}?" if near else f"formats: {', '.join(known)}"
    )
