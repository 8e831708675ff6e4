"""Reading what comes in: pullbacks from DICOM and pictures, and the contours found beside them."""

from ivsqa.io.sources.archives.contour_format import FoundAnnotations
from ivsqa.io.sources.find import find_sources
from ivsqa.io.sources.source import PullbackSource

__all__ = ["FoundAnnotations", "PullbackSource", "find_sources"]
