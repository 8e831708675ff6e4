"""Reading what comes in: pullbacks from DICOM and pictures, and the contours found beside them."""

from ivsqa.io.sources.find import find_sources
from ivsqa.io.sources.source import FoundAnnotations, PullbackSource, structure_named

__all__ = [
    "FoundAnnotations",
    "PullbackSource",
    "find_sources",
    "structure_named",
]
