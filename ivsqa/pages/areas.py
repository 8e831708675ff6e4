"""Areas that a model draws beside those of readers, as Bland and Altman plot them: a part of the report and of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
from markupsafe import Markup

from ivsqa.domain.agreement.reader_agreement import BetweenReaders, BlandAltman, bland_altman
from ivsqa.drawing.charts import agreement_chart


@dataclass(frozen=True, eq=False)
class AreaView:
    """Areas of one structure.

    Attributes:
        name: The structure.
        limits: Predicted less drawn areas, mm².
        bias_share: Their mean over the mean drawn area, a fraction.
        small_bias: Their mean in the third of frames with the smallest drawn areas, mm².
        small_share: The same over the mean drawn area of these.
        readers: How far two readers of one frame differ; None where nobody read what another did.
        again: How far one reader differs from themselves; None where nobody read a frame twice.
        chart: The diagram, SVG.
    """

    name: str
    limits: BlandAltman
    bias_share: float
    small_bias: float
    small_share: float
    readers: BetweenReaders | None
    again: BetweenReaders | None
    chart: Markup


def area_views(
    answer: Mapping[str, Any] | None,
    colors: Mapping[str, str],
    readers: Mapping[str, BetweenReaders],
    again: Mapping[str, BetweenReaders],
) -> list[AreaView]:
    """Return the areas of each structure of which two frames or more have both; none of an older evaluation.

    Args:
        answer: The evaluation as `ivsqa evaluate --json` prints it; None: there is none.
        colors: "#rrggbb" by structure.
        readers: How far two readers of one frame agree, by structure.
        again: How far one reader who read a frame twice does.
    """
    frames = [] if answer is None else [frame["area_mm2"] for frame in answer["frames"] if "area_mm2" in frame]
    views = []
    for name, color in colors.items():
        pairs = np.array(
            [[nan if area is None else area for area in areas.get(name, (None, None))] for areas in frames]
        )
        pairs = pairs.reshape(-1, 2)
        pairs = pairs[~np.isnan(pairs).any(axis=1)]
        if len(pairs) < 2:
            continue
        # What is in doubt is drawn as it usually is: where that is too large can be told from where it matters most.
        small = pairs[np.argsort(pairs[:, 1], kind="stable")[: -(-len(pairs) // 3)]]
        limits, of_small, others = bland_altman(*pairs.T), bland_altman(*small.T), readers.get(name)
        chart = agreement_chart(
            pairs,
            limits=limits,
            others=None if others is None else others.area_mm2,
            color=color,
            name=f"{name} area",
            unit="mm²",
        )
        shares = (of.bias / float(some[:, 1].mean()) for of, some in ((limits, pairs), (of_small, small)))
        view = AreaView(name, limits, next(shares), of_small.bias, next(shares), others, again.get(name), chart)
        views.append(view)
    return views
