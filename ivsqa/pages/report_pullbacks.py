"""The part of the report about single pullbacks: figures, the diagram along the vessel, lesions, and the worst frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ivsqa.domain.measures.frame_measures import column
from ivsqa.pages.html import count, number, percent, picture, table

PULLBACK_STYLE = """
.pullback { border-top: 2px solid var(--line); margin-top: 2.4rem } h3 { margin: 1rem 0 .1rem; overflow-wrap: anywhere }
.pullback figure { margin: 0 } .facts { display: flex; flex-wrap: wrap; gap: .2rem 1.8rem; margin: .6rem 0 1rem }
.facts div { min-width: 7rem } .facts b { font-variant-numeric: tabular-nums } .facts small { display: block; line-height: 1.3 }
.course > svg { min-width: 42rem } .worst { display: flex; flex-wrap: wrap; gap: 1rem 1.2rem }
.worst figure { flex: 1 1 19rem; max-width: 26rem; margin: .6rem 0 } .worst .panels { flex-wrap: nowrap }
.worst .panels img { flex: 1 1 0; width: 50%; object-fit: contain }
@media print { .course > svg { min-width: 0; width: 82% } .pullback { break-before: page } }
"""


SHARES = frozenset({"atheroma_volume_fraction", "plaque_burden", "area_stenosis"})


@dataclass(frozen=True, eq=False)
class WorstFrame:
    """A frame of low predicted quality.

    Attributes:
        caption: Which frame, where, and what is expected of it.
        panels: The frame with its contours, and the error map, JPEG.
    """

    caption: str
    panels: tuple[bytes, bytes]


@dataclass(frozen=True, eq=False)
class PullbackPage:
    """One pullback as it is shown.

    Attributes:
        pullback_id: Its id.
        facts: Subject, split, console and frames, in words.
        measures: Its row of the table of pullbacks.
        lesions: Its rows of the table of lesions.
        chart: The diagram along the vessel, SVG; "" where no frame has contours or a score.
        legend: What the diagram shows, in words.
        worst: Frames of the lowest predicted quality.
    """

    pullback_id: str
    facts: str
    measures: Mapping[str, Any]
    lesions: Sequence[Mapping[str, Any]]
    chart: str
    legend: str
    worst: Sequence[WorstFrame]


@dataclass(frozen=True)
class PullbackRow:
    """A pullback that is only listed; None for what is not known.

    Attributes:
        pullback_id: Its id.
        subject_id: Its subject.
        split: Its split.
        n_frames: Frames.
        n_annotated: Frames drawn by people.
        quality: Mean predicted Dice.
        poor_share: Share of its frames predicted poor.
    """

    pullback_id: str
    subject_id: str
    split: str
    n_frames: int
    n_annotated: int
    quality: float | None
    poor_share: float | None


def pullback_section(one: PullbackPage) -> str:
    """Return one pullback."""
    chart = (
        f'<figure><div class="wide course">{one.chart}</div><figcaption>{escape(one.legend)}</figcaption></figure>'
        if one.chart
        else ""
    )
    worst = "".join(_worst(number_of, frame) for number_of, frame in enumerate(one.worst, start=1))
    return f"""<section class="pullback"><h3>{escape(one.pullback_id)}</h3><p class="note">{escape(one.facts)}</p>
<div class="facts">{"".join(_facts(one.measures))}</div>
{chart}{_lesions(one.lesions)}{f'<div class="worst">{worst}</div>' if worst else ""}</section>
"""


def rest_section(rows: Sequence[PullbackRow]) -> str:
    """Return the table of the pullbacks that are not shown, folded."""
    if not rows:
        return ""
    cells = [
        [
            escape(one.pullback_id),
            escape(one.subject_id),
            escape(one.split),
            str(one.n_frames),
            str(one.n_annotated),
            number(one.quality),
            percent(one.poor_share),
        ]
        for one in rows
    ]
    heads = ["pullback", "subject", "split", "frames", "drawn", "predicted Dice", "poor frames"]
    return f"<details><summary>{count(len(rows), 'more pullback')}</summary>{table(heads, [cells])}</details>"


def _facts(row: Mapping[str, Any]) -> list[str]:
    """Return the figures of a pullback that are known."""
    where = row.get("mla_position_mm")
    place = f"frame {row['mla_frame_index']}" if row.get("mla_frame_index") is not None else ""
    at = "" if where is None else f", {where:.1f} mm"
    wanted = (
        ("length", "length, mm", 1),
        ("mla", f"MLA, mm² ({place}{at})", 1),
        ("lumen_area_mean", "mean lumen area, mm²", 1),
        ("eem_area_mean", "mean EEM area, mm²", 1),
        ("plaque_media_volume", "plaque plus media, mm³", 0),
        ("atheroma_volume_fraction", "of the EEM’s volume is plaque plus media", 0),
    )
    found = []
    for measure, words, digits in wanted:
        value, interval = _known(row, measure)
        if value is not None:
            said = _written(measure, value, digits)
            between = (
                "" if interval is None else f" ({' to '.join(_written(measure, one, digits) for one in interval)})"
            )
            found.append(f"<div><b>{said}</b>{between}<small>{words}</small></div>")
    return found


def _lesions(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the lesions of a pullback."""
    if not rows:
        return ""
    heads = ["lesion", "from mm", "to mm", "MLA mm²", "plaque burden", "area stenosis", "remodelling index"]
    return table(
        heads,
        [
            [
                [
                    str(row["lesion"]),
                    number(row["start_position_mm"], 1),
                    number(row["end_position_mm"], 1),
                    _cell(row, "mla", 1),
                    _cell(row, "plaque_burden", 0),
                    _cell(row, "area_stenosis", 0),
                    _cell(row, "remodelling_index", 2),
                ]
                for row in rows
            ]
        ],
    )


def _worst(number_of: int, frame: WorstFrame) -> str:
    """Return a frame with its pictures inside."""
    left, right = (
        picture(panel, f"{frame.caption}: {what}")
        for panel, what in zip(frame.panels, ("contours", "predicted error"), strict=True)
    )
    caption = f"{number_of}. {escape(frame.caption)}"
    return f'<figure><figcaption>{caption}</figcaption><div class="panels">{left}{right}</div></figure>'


def _cell(row: Mapping[str, Any], measure: str, digits: int) -> str:
    """Return a measure with its interval beneath."""
    value, interval = _known(row, measure)
    if value is None:
        return "–"
    beneath = (
        "" if interval is None else f"<small>{' to '.join(_written(measure, end, digits) for end in interval)}</small>"
    )
    return _written(measure, value, digits) + beneath


def _written(measure: str, value: float, digits: int) -> str:
    """Return a number as people read it; a share beyond 0 or 1, as the ends of an interval may be, as far as it can be."""
    return percent(min(max(value, 0.0), 1.0), digits) if measure in SHARES else number(value, digits)


def _known(row: Mapping[str, Any], measure: str) -> tuple[float | None, tuple[float, float] | None]:
    """Return a measure and its interval, None for what is not known."""
    value, low, high = (row.get(name) for name in (column(measure), column(measure, "low"), column(measure, "high")))
    return value, None if low is None or high is None else (low, high)
