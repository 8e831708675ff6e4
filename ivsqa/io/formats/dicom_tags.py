"""All that is ever read of a DICOM header: the one list. What stands in no group of it, no code of ours can see.

So comments, overlays, curves, descriptions, addresses, and private tags but one, get nowhere, whatever is in them.
"""

from __future__ import annotations

OF_PERSONS = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex")
"""Whose it is: turned into a pseudonym or compared, never kept."""
OF_ORDER = (
    "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "AcquisitionNumber", "InstanceNumber",
    "AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime", "ContentDate", "ContentTime", "SliceLocation",
    "ImagePositionPatient", "TemporalPositionIdentifier", "NumberOfSeriesRelatedInstances", "ImagesInAcquisition",
    "NumberOfTemporalPositions", "ConcatenationUID", "InConcatenationNumber", "InConcatenationTotalNumber",
    "ConcatenationFrameOffsetNumber", "FrameContentSequence", "FrameAcquisitionDateTime", "FrameReferenceDateTime",
    "TemporalPositionIndex", "InStackPositionNumber", "TemporalPositionSequence", "TemporalPositionTimeOffset",
)  # fmt: skip
"""Which files and frames belong together, and in what order: dates and UIDs among them are compared, never kept."""
OF_PIXELS: tuple[str | tuple[int, int], ...] = (
    "SOPClassUID", "Modality", "NumberOfFrames", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation",
    "PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "WindowCenter", "WindowWidth",
    "RescaleSlope", "RescaleIntercept", "BurnedInAnnotation", (0x7FE0, 0x0001),  # offsets of compressed frames
    *(f"{colour}PaletteColorLookupTable{part}" for colour in ("Red", "Green", "Blue") for part in ("Descriptor", "Data")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
)  # fmt: skip
"""What the samples are, and how they become grey."""
OF_FACTS: tuple[str | tuple[int, int], ...] = (
    "Manufacturer", "ManufacturerModelName", "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing",
    "PixelAspectRatio", "SequenceOfUltrasoundRegions", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "PixelMeasuresSequence", "FrameTime", "FrameTimeVector", "FrameIncrementPointer", "ActualFrameDuration",
    "CineRate", "RecommendedDisplayFrameRate", "RWaveTimeVector", "IVUSAcquisition", "IVUSPullbackRate",
    "IVUSPullbackStartFrameNumber", "IVUSPullbackStopFrameNumber", (0x000B, 0x1001),  # Boston Scientific's pullback rate
    "RegionSpatialFormat", "PhysicalUnitsXDirection", "PhysicalUnitsYDirection", "PhysicalDeltaX", "PhysicalDeltaY",
    "RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1",
)  # fmt: skip
"""What is kept of a pullback besides its pixels: the console and numbers."""
OF_INDEX = ("DirectoryRecordSequence", "ReferencedSOPClassUIDInFile", "ReferencedFileID")
"""Which files the index of a CD names: compared with those that are there, never kept."""
READ_TAGS = frozenset[str | tuple[int, int]]({*OF_PERSONS, *OF_ORDER, *OF_PIXELS, *OF_FACTS, *OF_INDEX})
