"""Reading what comes in: pullbacks from DICOM and pictures, and the contours found beside them."""

from ivsqa.io.sources.contours_csv import FrameContours, contours_csv_text, read_contours_csv
from ivsqa.io.sources.find import find_sources
from ivsqa.io.sources.source import FoundAnnotations, PullbackSource, structure_named

__all__ = [
    "FoundAnnotations",
    "FrameContours",
    "PullbackSource",
    "contours_csv_text",
    "find_sources",
    "read_contours_csv",
    "structure_named",
]
