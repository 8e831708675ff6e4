"""What files claim of a pullback, and the one rule that decides what of it is believed.

Several tags, and files beside the frames, may say the same thing, and each may be wrong. So nothing is picked without a look at
the others:

* claims of the highest rank that agree within a per cent: the first is taken
* they disagree: nothing is taken, and all are named; a power of ten between them is named as a slip of units
* claims of a lower rank stand in where nobody else says anything, and are named where they differ from what was taken
* what is only offered is named, and taken where the user asks for it
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import combinations

AGREE_WITHIN = 0.01
UNIT_SLIPS = (10.0, 100.0, 1000.0, 25.4)
"""cm for mm, a per cent for a fraction, ms for s, inches for mm."""
UNKNOWN = "unknown"
USER = "user"


class Rank(IntEnum):
    """How much a claim counts against others."""

    OFFERED = 0  # taken only where the user asks for it: an old tool's calibration
    STAND_IN = 1  # counts where nothing better speaks: how a run should be shown, not how it was taken
    SAID = 2
    ASKED_FOR = 3  # was offered, and the user asks for it


@dataclass(frozen=True)
class Fact:
    """A fact that claims are about.

    Attributes:
        name: For people.
        unit: Of its values; "" for a count.
        option: How the user says it, where no file does.
        agree_within: Share by which two claims of one value may differ.
        in_unit: Its values times this are in the unit.
    """

    name: str
    unit: str
    option: str
    agree_within: float = AGREE_WITHIN
    in_unit: float = 1.0


SPACING = Fact("spacing", "mm per pixel", "--spacing-mm")
ASPECT = Fact("height of a pixel over its width", "times as high as wide", "--spacing-mm X,Y")
FRAME_STEP = Fact("time between frames", "ms", "--frame-rate", in_unit=1000.0)
SPEED = Fact("speed of the catheter", "mm/s", "--pullback-speed")
START = Fact("first frame of the moving catheter", "(counted from 0)", "--start-frame", 0.0)
STOP = Fact("last frame of the moving catheter", "(counted from 0)", "--stop-frame", 0.0)


@dataclass(frozen=True)
class Claim:
    """A value that something says a fact has.

    Attributes:
        fact: The fact.
        value: Its value: (x, y) for a spacing, (mean,) for the time between frames, one number for others.
        source: What says so: a tag, a file.
        rank: How much it counts.
        slack: Share by which rounding may have moved it: a rate of 15 a second may be 14.6.
        times_s: Of a time between frames that is not even: the time of each frame, from the first.
        extent_px: Of a spacing: width of the picture that it is said of; None: the whole frame.
    """

    fact: Fact
    value: tuple[float, ...]
    source: str
    rank: Rank = Rank.SAID
    slack: float = 0.0
    times_s: tuple[float, ...] | None = None
    extent_px: float | None = None

    def agrees(self, other: Claim) -> bool:
        """Return whether another claim of the same fact says the same."""
        within = max(self.fact.agree_within, self.slack, other.slack)
        pairs = zip(self.value, other.value, strict=True)
        return all(math.isclose(ours, theirs, rel_tol=within) for ours, theirs in pairs)

    def __str__(self) -> str:
        """Return it for people: "PixelSpacing says 0.09 mm per pixel"."""
        value = " × ".join(f"{side * self.fact.in_unit:.5g}" for side in dict.fromkeys(self.value))
        return f"{self.source} says {value} {self.fact.unit}".rstrip()


def rounded(fact: Fact, number: float, value: float, source: str, rank: Rank = Rank.SAID) -> Claim:
    """Return the claim of one value that follows from a number in a file; a whole number was rounded.

    Example:
        >>> rounded(FRAME_STEP, 15.0, 1 / 15.0, "CineRate").agrees(Claim(FRAME_STEP, (1 / 14.6,), "FrameTime"))
        True
    """
    return Claim(fact, (value,), source, rank, slack=0.5 / number if number == round(number) else 0.0)


@dataclass(frozen=True)
class Settled:
    """What is believed of a fact.

    Attributes:
        claim: The claim that is taken; None: the fact is not known.
        source: What said so, or why it is not known.
        notes: What a person should know of the other claims.
    """

    claim: Claim | None
    source: str
    notes: tuple[str, ...] = ()


def settle(
    fact: Fact, claims: Iterable[Claim], *, chosen: Claim | None = None, silence: str = UNKNOWN, offer: str = ""
) -> Settled:
    """Return what is believed of a fact.

    Args:
        fact: The fact.
        claims: What is claimed, the more exact before the less; claims of other facts are passed over.
        chosen: What the user says it is where the files do not.
        silence: The source, where nobody says anything.
        offer: How the user takes what is only offered.
    """
    own = [claim for claim in claims if claim.fact == fact]
    best = max((claim.rank for claim in own), default=Rank.OFFERED)
    counting = [claim for claim in own if claim.rank == best > Rank.OFFERED]
    others = [claim for claim in own if claim not in counting]
    if not counting:
        if chosen is not None:
            return Settled(chosen, chosen.source, tuple(_differing(chosen, others)))
        return Settled(None, silence, tuple(f"{claim}, which nothing else does; {offer}" for claim in others))
    if all(one.agrees(other) for one, other in combinations(counting, 2)):
        first = counting[0]
        user = f"; correct it with: ivsqa amend {fact.option}"
        notes = (*_differing(first, others), *(note + user for note in _differing(first, [chosen] if chosen else [])))
        return Settled(first, first.source, notes)
    said = ", ".join(dict.fromkeys(map(str, (*counting, *others)))) + _slip(counting)
    if chosen is not None:
        return Settled(chosen, chosen.source, (f"{said}: what the user says counts",))
    names = " and ".join(dict.fromkeys(claim.source for claim in counting))
    return Settled(
        None, f"{UNKNOWN}: {names} disagree", (f"the {fact.name} is not known: {said}; give it with {fact.option}",)
    )


def _differing(taken: Claim, others: Iterable[Claim]) -> Iterator[str]:
    """Yield a note for each claim that differs from the one taken."""
    for other in others:
        if not taken.agrees(other):
            yield f"{other}, but {taken}, which counts{_slip([taken, other])}"


def _slip(claims: Sequence[Claim]) -> str:
    """Return the remark that two claims differ by a unit, "" where they do not."""
    for one, other in combinations(claims, 2):
        ratios = [max(pair) / min(pair) for pair in zip(one.value, other.value, strict=True) if min(pair) > 0.0]
        for slip in UNIT_SLIPS:
            if ratios and all(math.isclose(ratio, slip, rel_tol=AGREE_WITHIN) for ratio in ratios):
                return f" ({slip:g} times apart: one is in another unit)"
    return ""


FIELD_MM = (5.0, 25.0)
SPEED_MM_S = (0.1, 40.0)
RATE_HZ = (10.0, 120.0)


def plausibility_notes(field_mm: float | None, rate_hz: float | None, speed_mm_s: float | None) -> tuple[str, ...]:
    """Return a note for each number that no intravascular pullback has.

    Args:
        field_mm: Width of the picture.
        rate_hz: Frames a second.
        speed_mm_s: Of the catheter.
    """
    asked = (
        (field_mm, FIELD_MM, "the picture is {} mm wide by its spacing", "{:g} to {:g} mm"),
        (rate_hz, RATE_HZ, "there are {} frames a second by its times", "{:g} to {:g}"),
        (speed_mm_s, SPEED_MM_S, "the catheter moves at {} mm/s", "{:g} to {:g} mm/s"),
    )
    return tuple(
        f"{what.format(f'{value:.3g}')}, where intravascular images have {usual.format(*limits)}: look whether it is right"
        for value, limits, what, usual in asked
        if value is not None and not limits[0] <= value <= limits[1]
    )
