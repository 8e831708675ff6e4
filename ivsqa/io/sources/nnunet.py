"""nnU-Net's raw data sets, in and out: `dataset.json` beside `imagesTr`, `labelsTr`, `imagesTs` and `labelsTs`.

    imagesTr/S01-P1_0000.nii.gz    labelsTr/S01-P1.nii.gz    {"labels": {"background": 0, "eem": [1, 2], "lumen": 1}, …}

A case is a volume, which becomes a pullback; or a picture, of which those called alike but for their last number become one.
Labels mean what `dataset.json` calls them. Values in brackets are a region, which includes what it encloses; plain values are
rings, and mean the same here. What is to be ignored is no border.

Source: nnU-Net v2, documentation/dataset_format.md, region_based_training.md and ignore_label.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ivsqa.domain.contour import Mask
from ivsqa.domain.pullback import PullbackFacts
from ivsqa.domain.structures import IGNORE_LABEL, StructureSet
from ivsqa.errors import AnnotationError, IvsqaError, SourceError, located
from ivsqa.io.formats.documents import read_json
from ivsqa.io.formats.files import IMAGE_EXTENSIONS, VOLUME_EXTENSIONS, natural_key
from ivsqa.io.formats.pictures import Picture
from ivsqa.io.sources.archives.contour_format import FoundAnnotations
from ivsqa.io.sources.frame_folder import FrameFolderSource
from ivsqa.io.sources.label_images import read_label_map
from ivsqa.io.sources.labels import LabelMeaning, contours_from_masks, masks_of_labels
from ivsqa.io.sources.source import PullbackSource
from ivsqa.io.sources.volume_source import VolumeSource

DATASET_FILE = "dataset.json"
HALVES = {"imagesTr": "labelsTr", "imagesTs": "labelsTs"}
BACKGROUND, IGNORE = "background", "ignore"
_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>[0-9]{4})")
_LAST_NUMBER = re.compile(r"[_-]?[A-Za-z]?[0-9]+$")


@dataclass(frozen=True)
class DatasetLabels:
    """What the values of a data set's labels mean.

    Attributes:
        path: Its dataset.json.
        values: Each name with its values.
    """

    path: Path
    values: tuple[tuple[str, tuple[int, ...]], ...]

    def meaning(self, structures: StructureSet) -> LabelMeaning:
        """Return the meaning of each value as a structure's own ring; raises AnnotationError for a name that is no structure."""
        pairs: list[tuple[tuple[int, int], str | None]] = []
        for name, values in self.values:
            # A region's own ring is what no smaller region within it covers.
            enclosed = {value for _, others in self.values if set(others) < set(values) for value in others}
            is_named = name.casefold() not in (BACKGROUND, IGNORE)
            pairs += [((0, value), name if is_named else None) for value in values if value not in {0, *enclosed}]
        return LabelMeaning.of_names(pairs, structures, path=self.path)


@dataclass(frozen=True)
class NnunetPictures(FrameFolderSource):
    """Cases that are pictures, as one pullback.

    Attributes:
        labels: The label picture of each frame, None where there is none.
        names: What their values mean.
    """

    labels: tuple[Path | None, ...] = ()
    names: DatasetLabels | None = None

    def kind(self) -> str:
        """Return the kind: pictures of a data set of nnU-Net."""
        return "pictures of nnU-Net"

    def read_annotations(self, structures: StructureSet, facts: PullbackFacts | None = None) -> FoundAnnotations:
        """Return the contours of the label pictures; raises AnnotationError."""
        if self.names is None:
            return FoundAnnotations()
        meaning = self.names.meaning(structures)
        shape = (facts or self.own_claims()).frame_shape

        def masks_of_frames() -> Iterator[tuple[int, Mapping[str, Mask]]]:
            for index, path in enumerate(self.labels):
                if path is not None:
                    with located(path=path, where=f"frame {index}"):
                        values = read_label_map(path, shape, self._turns[index])
                        if values.ndim == 3:
                            raise AnnotationError("holds colours, not labels")
                        masks = masks_of_labels(values[None], meaning, structures)
                    yield index, masks

        return contours_from_masks(masks_of_frames(), structures)


def nnunet_sources(folder: Path, relative: str) -> tuple[list[PullbackSource], list[IvsqaError]] | None:
    """Return the pullbacks of a data set and the errors in it; None for a folder that is no data set."""
    path = folder / DATASET_FILE
    if not path.is_file() or not (folder / "imagesTr").is_dir():
        return None
    try:
        labels, ending = _read_dataset(path)
    except AnnotationError as error:
        return [], [error]
    sources: list[PullbackSource] = []
    errors: list[IvsqaError] = []
    for images_name, labels_name in HALVES.items():
        cases, broken = _cases(folder / images_name, ending)
        errors += broken
        paths = {case: folder / labels_name / f"{case}{ending}" for case in cases}
        label_of = {case: path for case, path in paths.items() if path.is_file()}
        if ending.lower().endswith(VOLUME_EXTENSIONS):
            for case, image in cases.items():
                own = (label_of[case],) if case in label_of else ()
                sources.append(VolumeSource(image, f"{relative}/{case}", own, labels.meaning))
            continue
        groups: dict[str, list[str]] = {}  # cases that are called alike but for their last number are one pullback
        for case in cases:
            groups.setdefault(_LAST_NUMBER.sub("", case) or "frames", []).append(case)
        for name, members in groups.items():
            pictures = tuple(Picture(cases[case]) for case in members)
            own_labels = tuple(label_of.get(case) for case in members)
            place = f"{relative}/{name}"
            sources.append(NnunetPictures(folder / images_name, place, pictures, labels=own_labels, names=labels))
    return sources, errors


def _cases(folder: Path, ending: str) -> tuple[dict[str, Path], list[IvsqaError]]:
    """Return the image of each case in natural order; a case of several channels is refused."""
    cases: dict[str, Path] = {}
    errors: list[IvsqaError] = []
    files = sorted(folder.iterdir(), key=lambda path: natural_key(path.name)) if folder.is_dir() else []
    for path in (path for path in files if path.name.endswith(ending)):
        match = _CHANNEL.fullmatch(path.name.removesuffix(ending))
        if match is None:
            errors.append(SourceError("has no channel in its name", hint="name it like case_0000", path=path))
        elif match["channel"] != "0000":
            errors.append(SourceError("is a second channel; a frame has one", hint="remove it", path=path))
            cases.pop(match["case"], None)  # which of its channels is the image is not ours to guess
        else:
            cases[match["case"]] = path
    return cases, errors


def _read_dataset(path: Path) -> tuple[DatasetLabels, str]:
    """Return the names of labels and the end of file names; raises AnnotationError."""
    document = read_json(path, editor="nnU-Net")
    names = document.get("labels") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(names, dict) or not names:
        raise AnnotationError("is no dataset.json of nnU-Net v2: it has no labels", path=path)
    if all(str(name).isdecimal() for name in names):
        raise AnnotationError('is of nnU-Net v1: its labels are {"1": "lumen"}', hint='write {"lumen": 1}', path=path)
    ending = str(document.get("file_ending", ".nii.gz"))
    if not ending.lower().endswith((*VOLUME_EXTENSIONS, *IMAGE_EXTENSIONS)):
        raise AnnotationError(f"has files that end with {ending!r}, which are not read", path=path, where="file_ending")
    values = []
    for name, value in names.items():
        numbers = value if isinstance(value, list) else [value]
        if not all(isinstance(number, int) and 0 <= number <= IGNORE_LABEL for number in numbers):
            raise AnnotationError(f"{name} is {value!r}, which is no label", path=path, where="labels")
        values.append((str(name), tuple(numbers)))
    return DatasetLabels(path, tuple(values)), ending


def dataset_text(structures: StructureSet, *, name: str, n_cases: int, has_ignored: bool) -> str:
    """Return a dataset.json: nested regions, and a label to ignore where a border was not drawn."""
    rings = range(1, len(structures) + 1)
    regions = {structure: list(rings[: index + 1]) for index, structure in enumerate(structures.names)}
    labels: dict[str, int | list[int]] = {BACKGROUND: 0}
    # nnU-Net draws regions in this order over each other, so the outermost comes first.
    labels |= {structure: values if len(values) > 1 else 1 for structure, values in reversed(regions.items())}
    if has_ignored:
        labels[IGNORE] = len(structures) + 1
    document = {
        "name": name,
        "channel_names": {"0": "ultrasound"},
        "labels": labels,
        "regions_class_order": list(reversed(rings)),
        "numTraining": n_cases,
        "file_ending": ".nii.gz",
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
