"""Phantom pullbacks as files: what a console would export, and beside it the truth.

    <folder>/S01-P1.dcm                    calibrated multi-frame ultrasound DICOM
    <folder>/truth/S01-P1.contours.csv     the true contours

The same seed gives the same bytes, so writing again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

from ivsqa.io.atomic import write_bytes
from ivsqa.io.formats.contours_csv import contours_csv_text
from ivsqa.phantom import PhantomPullback, iter_frames, phantom_pullback


@dataclass(frozen=True)
class PhantomFile:
    """One pullback on disk.

    Attributes:
        path: The DICOM file.
        truth_path: Its true contours.
        pullback: Name of the pullback, "S01-P1" and so on.
        subject: Pseudonym of its subject.
    """

    path: Path
    truth_path: Path
    pullback: str
    subject: str


def write_phantom(
    folder: Path,
    *,
    n_pullbacks: int,
    n_frames: int,
    seed: int,
    size_px: int | None = None,
    frame_step_mm: float | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[PhantomFile]:
    """Write synthetic pullbacks with their truth; a file that is already there with the same bytes is left alone.

    Args:
        folder: Where to; made if missing.
        n_pullbacks: How many. Each fifth is a second run in the subject before it.
        n_frames: Frames of each.
        seed: Seed of the set.
        size_px: Side of the frames; None: each console's own.
        frame_step_mm: As for `phantom_pullback`.
        on_progress: Called with (pullbacks written, pullbacks in all) after each.

    Returns:
        What was written or was already there, in order.

    Raises:
        ValueError: a number that makes no phantom.
    """
    files = []
    for index in range(n_pullbacks):
        pullback = phantom_pullback(
            seed=seed, index=index, n_frames=n_frames, size_px=size_px, frame_step_mm=frame_step_mm
        )
        path = folder / f"{pullback.name}.dcm"
        truth_path = folder / "truth" / f"{pullback.name}.contours.csv"
        _write_if_different(path, dicom_bytes(pullback))
        _write_if_different(truth_path, truth_csv(pullback).encode("utf-8"))
        files.append(PhantomFile(path, truth_path, pullback.name, pullback.subject))
        if on_progress is not None:
            on_progress(index + 1, n_pullbacks)
    return files


def truth_csv(pullback: PhantomPullback) -> str:
    """Return the true contours as the text of a contours.csv."""
    rows = ((pullback.name, frame_index, contours) for frame_index, contours in enumerate(pullback.contours))
    return contours_csv_text(rows, {pullback.name: pullback.spacing_mm})


def dicom_bytes(pullback: PhantomPullback) -> bytes:
    """Return the pullback as a DICOM file: Ultrasound Multi-frame Image, uncompressed 8-bit grey, calibrated in cm."""
    height, width = pullback.frame_shape
    frames = np.empty((pullback.n_frames, height, width), dtype=np.uint8)
    for frame_index, frame in enumerate(iter_frames(pullback)):
        frames[frame_index] = frame
    dataset = _described(pullback)
    dataset.PixelData = frames.tobytes() + b"\0" * (frames.size % 2)  # DICOM wants an even number of bytes
    dataset["PixelData"].VR = "OB"  # bytes, as samples have 8 bits
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def _described(pullback: PhantomPullback) -> Dataset:
    """Return the data set without pixels."""
    height, width = pullback.frame_shape
    look = pullback.look
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = UltrasoundMultiFrameImageStorage
    dataset.SOPInstanceUID = _uid(pullback, "instance")
    dataset.StudyInstanceUID = _uid(pullback, "study")
    dataset.SeriesInstanceUID = _uid(pullback, "series")
    dataset.Modality = "IVUS"
    dataset.Manufacturer = "ivsqa phantom"
    dataset.ManufacturerModelName = f"look {look.name}"
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.SeriesDescription = pullback.name
    dataset.PatientID = pullback.subject
    dataset.PatientName = dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.StudyDate = dataset.StudyTime = dataset.AccessionNumber = dataset.StudyID = (
        dataset.ReferringPhysicianName
    ) = ""
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    burned_in = {"counter", "banner"} & set(look.marks) or "text" in pullback.plan.names
    dataset.BurnedInAnnotation = "YES" if burned_in else "NO"
    dataset.NumberOfFrames = pullback.n_frames
    dataset.Rows, dataset.Columns = height, width
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.FrameTime = round(1000.0 / pullback.frame_rate_hz, 6)
    dataset.FrameIncrementPointer = 0x00181063  # FrameTime
    dataset.IVUSAcquisition = "MOTOR_PULLBACK"
    dataset.IVUSPullbackRate = pullback.pullback_speed_mm_s
    dataset.SequenceOfUltrasoundRegions = [_region(pullback)]
    return dataset


def _region(pullback: PhantomPullback) -> Dataset:
    """Return the calibration: one 2-D tissue region over the whole frame, in cm."""
    height, width = pullback.frame_shape
    region = Dataset()
    region.RegionSpatialFormat = 1  # 2-D
    region.RegionDataType = 1  # tissue
    region.RegionFlags = 0
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = width - 1, height - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3  # cm
    region.PhysicalDeltaX, region.PhysicalDeltaY = (spacing / 10.0 for spacing in pullback.spacing_mm)
    return region


def _uid(pullback: PhantomPullback, level: str) -> str:
    """Return a UID that depends on nothing but the phantom; both runs of a subject share a study."""
    own = pullback.subject if level == "study" else f"{pullback.name} {pullback.n_frames} {pullback.frame_shape}"
    return generate_uid(entropy_srcs=["ivsqa phantom", str(pullback.seed), level, own])


def _write_if_different(path: Path, data: bytes) -> None:
    if not (path.is_file() and path.read_bytes() == data):
        write_bytes(path, data)
