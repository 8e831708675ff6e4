"""The structures of a study: their names and how they nest.

Structures form a chain, innermost first (lumen inside EEM), and each includes what it encloses. A label map numbers the rings
from the inside: 0 background, 1 the innermost structure, 2 the ring to the next border (the wall) …
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contours, Mask

IGNORE_LABEL = 255
"""Label of pixels that neither train nor count."""


@dataclass(frozen=True)
class Structure:
    """One border to annotate.

    Attributes:
        name: In labels, files and columns; lower case.
        color: "#rrggbb" in every picture and packet.
        min_area_mm2: A smaller one is not credible; used where spacing is known.
    """

    name: str
    color: str
    min_area_mm2: float = 0.0


@dataclass(frozen=True)
class StructureSet:
    """The nested structures of a study, innermost first."""

    structures: tuple[Structure, ...]

    def __post_init__(self) -> None:
        if not self.structures:
            raise ValueError("a study needs at least one structure")
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"structure names repeat: {', '.join(self.names)}")

    def __len__(self) -> int:
        return len(self.structures)

    @property
    def names(self) -> tuple[str, ...]:
        """Names, innermost first."""
        return tuple(structure.name for structure in self.structures)

    @property
    def outermost(self) -> str:
        """Name of the structure that encloses all others."""
        return self.structures[-1].name

    def color_of(self, name: str) -> str:
        """Return the "#rrggbb" of a structure.

        Raises:
            ValueError: no structure has that name.
        """
        if name not in self.names:
            raise ValueError(f"{name!r} is not one of {', '.join(self.names)}")
        return self.structures[self.names.index(name)].color

    def label_map(self, contours: Contours, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the rings of drawn contours, uint8 (height, width); absent structures leave no label."""
        labels = np.zeros(shape, dtype=np.uint8)
        for index in reversed(range(len(self))):  # an inner structure is laid over what encloses it
            contour = contours.get(self.names[index])
            if contour is not None:
                labels[contour.mask(shape)] = index + 1
        return labels

    def masks_from_label_map(self, labels: NDArray[np.integer]) -> dict[str, Mask]:
        """Return the mask of each structure, with what it encloses, from a label map (height, width)."""
        return dict(zip(self.names, masks_of_rings(labels, len(self)), strict=True))


def masks_of_rings(labels: NDArray[np.integer], n_structures: int) -> list[Mask]:
    """Return the mask of each structure, with what it encloses, innermost first, each of the shape of the labels."""
    return [np.asarray((labels >= 1) & (labels <= outer)) for outer in range(1, n_structures + 1)]


def training_labels(structures: StructureSet, contours: Contours, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return ring labels to train on, uint8 (height, width).

    A frame without any contour is all background: someone looked and found nothing. Where only some borders are drawn, the rings
    beside a missing one are not known apart and take `IGNORE_LABEL`.

    Example:
        >>> from ivsqa.domain.contour import Contour
        >>> pair = StructureSet((Structure("lumen", "#56b4e9"), Structure("eem", "#e69f00")))
        >>> square = Contour.from_points([[1, 1], [3, 1], [3, 3], [1, 3]])
        >>> sorted(set(training_labels(pair, {"lumen": square}, (6, 6)).ravel().tolist()))
        [1, 255]
    """
    labels = structures.label_map(contours, shape)
    drawn = [contours.get(name) for name in structures.names]
    if not any(drawn):
        return labels
    for index, contour in enumerate(drawn):
        if contour is None:
            inner = next((c for c in reversed(drawn[:index]) if c is not None), None)
            outer = next((c for c in drawn[index + 1 :] if c is not None), None)
            unknown = np.ones(shape, dtype=np.bool_) if outer is None else outer.mask(shape)
            if inner is not None:
                unknown &= ~inner.mask(shape)
            labels[unknown] = IGNORE_LABEL
    return labels
