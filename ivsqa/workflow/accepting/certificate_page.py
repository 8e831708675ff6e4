"""Drawing a certificate: curve, table and pictures of its page, from what was written of it."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan

import numpy as np

import ivsqa
from ivsqa.drawing.charts import bound_chart
from ivsqa.drawing.encoded import jpeg_bytes
from ivsqa.drawing.pictures import comparison
from ivsqa.io.project.certificates import AuditedFrame, CertificateRecord
from ivsqa.io.project.project import Project
from ivsqa.pages.certificate import AuditedPicture, Row, certificate_page

N_UNDER, N_ABOVE = 6, 2
"""Pictures of audited frames under the bar, and above it."""
PICTURE_PX = 420


def draw_certificate(project: Project, record: CertificateRecord) -> str:
    """Return the page of a certificate.

    Raises:
        IntegrityError: what proves it is missing or was changed.
    """
    audited, curve = project.certificates.audited(record), project.certificates.curve(record)
    under = [frame for frame in audited if _predicted(frame) <= record.bar]
    above = [frame for frame in audited if _predicted(frame) > record.bar]
    promise = record.promise
    worse_than = 2.0 * promise.at_most if promise.worse_than is None else promise.worse_than
    rows = [
        _row("under the bar", under, worse_than),
        _row("above it", above, worse_than),
        _row("all", audited, worse_than),
    ]
    worst = [*_worst(under, N_UNDER), *_worst(above, N_ABOVE)]
    return certificate_page(
        record.model_dump(mode="json"),
        study=project.settings.name,
        version=ivsqa.__version__,
        curve=bound_chart(
            [point.share for point in curve],
            [point.bound for point in curve],
            at_most=promise.at_most,
            chosen=next(point.share for point in curve if point.bar == record.bar),
        ),
        rows=rows,
        worse_than=worse_than,
        pictures=[_picture(project, record, frame) for frame in worst],
        colors={structure.name: structure.color for structure in project.structures.structures},
    )


def _predicted(frame: AuditedFrame) -> float:
    """Return what a frame was predicted to lose; infinity where nothing was predicted."""
    return inf if frame.predicted_loss is None else frame.predicted_loss


def _loss(frame: AuditedFrame) -> float:
    """Return what a frame lost: all, where it has no reading."""
    return 1.0 if frame.loss is None else frame.loss


def _worst(frames: Sequence[AuditedFrame], n: int) -> list[AuditedFrame]:
    """Return the frames that lost most, of those that lost anything."""
    return sorted((frame for frame in frames if _loss(frame) > 0.0), key=_loss, reverse=True)[:n]


def _row(name: str, frames: Sequence[AuditedFrame], worse_than: float) -> Row:
    """Return a group of audited frames as a row of the table."""
    losses = [_loss(frame) for frame in frames]
    predicted = [frame.predicted_loss for frame in frames if frame.predicted_loss is not None]
    return Row(
        name=name,
        n=len(frames),
        n_worse=sum(loss > worse_than for loss in losses),
        mean_predicted=float(np.mean(predicted)) if predicted else nan,
        mean_loss=float(np.mean(losses)) if losses else nan,
    )


def _picture(project: Project, record: CertificateRecord, frame: AuditedFrame) -> AuditedPicture:
    """Return an audited frame drawn, with the contours of both; those of a reader who gave it up are none."""
    pullback = project.pullback(frame.pullback_id)
    (score,) = project.scores(record.model_id).read(frame.pullback_id, [frame.frame_index])
    annotation = pullback.annotations.get(frame.frame_index)
    panel, _ = comparison(
        pullback.frames[frame.frame_index],
        score.contours,
        annotation.contours if annotation else {},
        pullback.error_maps_of(score),
        structures=project.structures,
        spacing_mm=pullback.spacing_mm,
    )
    panel.thumbnail((PICTURE_PX, PICTURE_PX))
    return AuditedPicture(
        title=str(frame.key),
        loss=_loss(frame),
        predicted_loss=nan if frame.predicted_loss is None else frame.predicted_loss,
        is_under=_predicted(frame) <= record.bar,
        panel=jpeg_bytes(panel),
    )
