"""DICOM with random contradictions in everything that says how large, how fast and when: none may pass unnamed."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ivsqa.io.formats.dicom_header import DicomHeader
from ivsqa.io.sources.dicom_claims import claims_from_headers
from ivsqa.io.sources.source import with_claims_beside

N_FILES = 1000
N_FRAMES = 5
FACTORS = (1.0, 1.0, 1.0, 1.0, 1.004, 1.03, 2.25, 10.0, 0.1, 1000.0)
"""What is said over what is true: mostly the same."""

Said = dict[str, dict[str, tuple[float, ...]]]
"""What each tag says, by fact: worked out here, from what is written."""


class Maker:
    """Makes one header and remembers what it says."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.made = Dataset()
        self.made.Rows, self.made.Columns, self.made.Modality, self.made.NumberOfFrames = 80, 100, "IVUS", N_FRAMES
        self.said: Said = {"spacing": {}, "step": {}, "speed": {}, "start": {}, "aspect": {}}
        self.shown: dict[str, float] = {}

    def maybe(self, share: float = 0.5) -> bool:
        return self.random.random() < share

    def off(self, value: float) -> float:
        return float(f"{value * self.random.choice(FACTORS):.6g}")

    def spacing(self) -> None:
        sizes: dict[str, tuple[float, ...]] = {}
        for tag in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelMeasuresSequence"):
            if self.maybe(0.4):
                x, y = self.off(0.1), self.off(0.1)
                sizes[tag] = (x, y)
                if tag != "PixelMeasuresSequence":
                    setattr(self.made, tag, [f"{y:.6g}", f"{x:.6g}"])
                else:
                    measures, group = Dataset(), Dataset()
                    measures.PixelSpacing = [f"{y:.6g}", f"{x:.6g}"]
                    group.PixelMeasuresSequence = Sequence([measures])
                    self.made.SharedFunctionalGroupsSequence = Sequence([group])
        if self.maybe(0.6):
            x, y = self.off(0.1), self.off(0.1)
            sizes["ultrasound region"] = (x, y)
            self.made.SequenceOfUltrasoundRegions = Sequence([region((0, 0, 99, 79), x / 10, y / 10)])
            if self.maybe(0.3):  # another pane
                self.made.SequenceOfUltrasoundRegions[0].RegionLocationMaxX1 = 59
                other = self.off(0.1)
                self.made.SequenceOfUltrasoundRegions.append(region((60, 0, 99, 79), other / 10, other / 10))
                sizes["ultrasound region (pane)"] = (other, other)
        self.said["spacing"] = sizes
        if self.maybe(0.2):
            height, width = self.random.choice([(1, 1), (4, 3)])
            self.made.PixelAspectRatio = [height, width]
            self.said["aspect"]["PixelAspectRatio"] = (height / width,)

    def time(self) -> None:
        steps = {}
        if self.maybe(0.6):
            ms = self.off(33.3333)
            self.made.FrameTime, steps["FrameTime"] = f"{ms:.6g}", ms / 1000
        if self.maybe(0.4):
            ms = self.off(33.3333)
            self.made.FrameTimeVector = ["0", *[f"{ms:.6g}"] * (N_FRAMES - 1)]
            steps["FrameTimeVector"] = ms / 1000
        if self.maybe(0.4):
            rate = max(1, round(self.off(30)))
            self.made.CineRate, steps["CineRate"] = rate, 1 / rate
        if self.maybe(0.3):
            rate = max(1, round(self.off(30)))
            self.made.RecommendedDisplayFrameRate, self.shown["RecommendedDisplayFrameRate"] = rate, 1 / rate
        if self.maybe(0.3):
            tag = self.random.choice(["FrameTime", "FrameTimeVector"])
            self.made.FrameIncrementPointer = {"FrameTime": 0x00181063, "FrameTimeVector": 0x00181065}[tag]
            other = "FrameTimeVector" if tag == "FrameTime" else "FrameTime"
            if tag in steps and other in steps:
                self.shown[other] = steps.pop(other)
        self.said["step"] = {tag: (step,) for tag, step in steps.items()}

    def speed(self, folder: Path) -> None:
        said = self.said["speed"]
        if self.maybe():
            speed = self.off(0.5)
            self.made.IVUSPullbackRate, said["IVUSPullbackRate"] = f"{speed:.6g}", (speed,)
        if self.maybe(0.3):
            speed = self.off(0.5)
            self.made[0x000B, 0x1001] = DataElement((0x000B, 0x1001), "UN", f"{speed:.6g}".encode())
            if speed <= 10.0:
                said["private tag"] = (speed,)
        if self.maybe(0.2):
            start = self.random.randint(1, 3)
            self.made.IVUSPullbackStartFrameNumber, self.said["start"]["StartFrame"] = start, (start - 1,)
        if self.maybe(0.3):
            speed, start, rate = self.off(0.5), self.random.randint(1, 3), max(1, round(self.off(30)))
            said["AIVUS"], self.said["start"]["AIVUS"] = (speed,), (start - 1,)
            self.said["step"]["AIVUS"] = (1 / rate,)
            head = "frame\tpullback_speed\tpullback_start_frame\tframe_rate\n"
            (folder / "run_report.txt").write_text(f"{head}1\t{speed:.6g}\t{start}\t{rate}\n")


def region(box: tuple[int, ...], x_cm: float, y_cm: float) -> Dataset:
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType = 1, 1
    item.RegionLocationMinX0, item.RegionLocationMinY0, item.RegionLocationMaxX1, item.RegionLocationMaxY1 = box
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX, item.PhysicalDeltaY = x_cm, y_cm
    return item


def same(one: tuple[float, ...], other: tuple[float, ...], within: float = 0.01) -> bool:
    return all(math.isclose(a, b, rel_tol=within) for a, b in zip(one, other, strict=True))


def rounding(tag: str, step_s: float) -> float:
    """How far off rounding may have put a time between frames: rates are whole numbers."""
    rate = 1 / step_s
    return max(0.01, 0.5 / rate if tag in ("CineRate", "AIVUS", "RecommendedDisplayFrameRate") else 0.0)


def checked(fact: str, taken: tuple[float, ...] | None, said: dict[str, tuple[float, ...]], notes: str) -> None:
    """Assert that what is taken is what all say, or that whoever says otherwise is named."""
    slack = {
        tag: rounding(tag, value[0]) if fact == "step" else 0.01 if fact != "start" else 0.0
        for tag, value in said.items()
    }
    if taken is None:
        for tag in said if "PixelAspectRatio disagree" not in notes else []:
            assert tag.partition(" (")[0] in notes, f"{fact}: {tag} is not named"
        return
    assert said, f"{fact} comes from nowhere"
    for tag, value in said.items():
        within = max(slack[tag], *slack.values()) if fact == "step" else slack[tag]
        assert same(taken, value, within) or tag.partition(" (")[0] in notes, f"{fact}: {tag} is contradicted unnamed"


@pytest.mark.parametrize("block", range(4))
def test_no_value_comes_in_that_another_claim_contradicts_unnamed(tmp_path, block):
    n_known = n_torn = 0
    for seed in range(block * N_FILES // 4, (block + 1) * N_FILES // 4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        maker = Maker(seed)
        maker.spacing()
        maker.time()
        maker.speed(folder)
        own = claims_from_headers([DicomHeader.of(maker.made, folder / "run.dcm")], n_frames=N_FRAMES)
        facts = with_claims_beside(own, folder / "run.dcm").settled()
        notes, said = " ".join((*facts.notes, facts.spacing_source)), maker.said
        taken: dict[str, Any] = {
            "spacing": facts.spacing_mm,
            "step": None if facts.frame_time_s is None else (facts.frame_time_s[1],),
            "speed": None if facts.pullback_speed_mm_s is None else (facts.pullback_speed_mm_s,),
            "start": None if facts.start_frame_index is None else (facts.start_frame_index,),
        }
        if not said["step"] and maker.shown:
            said["step"] = {tag: (step,) for tag, step in maker.shown.items()}
        for fact, value in taken.items():
            checked(fact, value, said[fact], notes)
            values = list(said[fact].values())
            agree = all(same(one, other, 0.005 if fact != "start" else 0.0) for one in values for other in values)
            if values and agree and not (fact == "spacing" and said["aspect"]):
                assert value is not None, f"{fact} of {seed} is claimed by all alike, and not believed"
            n_known += value is not None
            n_torn += value is None and bool(values)
        for tag, step_s in maker.shown.items():
            if taken["step"] is not None:
                assert same(taken["step"], (step_s,), rounding(tag, step_s)) or tag in notes
        for tag, ratio in said["aspect"].items():
            if facts.spacing_mm is not None:
                assert same((facts.spacing_mm[1] / facts.spacing_mm[0],), ratio)
            elif ratio != (1.0,):
                assert tag in notes
    assert n_known > 200  # the generator makes what can be believed, and what can not
    assert n_torn > 100
