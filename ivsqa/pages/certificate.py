"""The page of a certificate: what is promised of which frames, how it was proved, and what must be true; for a reviewer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ivsqa.drawing.templates import fill


@dataclass(frozen=True)
class Row:
    """A group of audited frames by what was predicted of them.

    Attributes:
        name: Which.
        n: How many.
        n_worse: How many of them lost more than is promised on average, or than is allowed of a frame.
        mean_predicted: Mean predicted loss; NaN where none has one.
        mean_loss: Mean loss, those without a reading counted as lost; NaN where there are none.
    """

    name: str
    n: int
    n_worse: int
    mean_predicted: float
    mean_loss: float


@dataclass(frozen=True, eq=False)
class AuditedPicture:
    """An audited frame, drawn.

    Attributes:
        title: Which frame.
        loss: What it lost.
        predicted_loss: What it was predicted to lose.
        is_under: Whether frames predicted like it are accepted.
        panel: The frame with the model's contours solid and the reader's dashed, JPEG.
    """

    title: str
    loss: float
    predicted_loss: float
    is_under: bool
    panel: bytes


def certificate_page(
    certificate: Mapping[str, Any],
    *,
    study: str,
    version: str,
    curve: Markup,
    rows: Sequence[Row],
    worse_than: float,
    pictures: Sequence[AuditedPicture],
    colors: Mapping[str, str],
) -> Markup:
    """Return the page.

    Args:
        certificate: The certificate as `certificate.yaml` holds it.
        study: The name of the study.
        version: Of ivsqa.
        curve: What is proved against the share accepted, SVG.
        rows: Audited frames under the bar and above it.
        worse_than: The loss above which frames count as worse in `rows`.
        pictures: Audited frames, those first that lost most of the ones that are accepted.
        colors: "#rrggbb" by structure.
    """
    return fill(
        "pages/certificate.html.j2",
        certificate=certificate,
        promise=certificate["promise"],
        study=study,
        version=version,
        curve=curve,
        rows=rows,
        worse_than=worse_than,
        pictures=pictures,
        colors=colors,
    )
