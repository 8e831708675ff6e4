"""From values to places in a diagram. Places are in the diagram's own units, from its upper left corner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, log10


@dataclass(frozen=True)
class Scale:
    """An axis: values from `low` to `high` stand from `start` to `stop`, those beyond at the ends.

    Attributes:
        low: The value at `start`; above 0 on a logarithmic axis.
        high: The value at `stop`, above `low`.
        start: Where the axis begins; below `stop` for x, above it for y.
        stop: Where it ends.
        ticks: Values that are named beside the axis.
        label: What the axis is; "" where the diagram says it elsewhere.
        tick_format: How ticks are printed, in the manner of printf.
        is_logarithmic: Whether equal factors are equally far apart.
    """

    low: float
    high: float
    start: float
    stop: float
    ticks: Sequence[float] = ()
    label: str = ""
    tick_format: str = "%g"
    is_logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.is_logarithmic:
            low, high, value = log10(low), log10(high), log10(value)
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    @property
    def middle(self) -> float:
        """Half way along the axis."""
        return (self.start + self.stop) / 2.0


@dataclass(frozen=True)
class Plot:
    """The part of a diagram in which data is drawn."""

    x: Scale
    y: Scale

    def path(self, points: Iterable[tuple[float, float]]) -> str:
        """Return values (x, y) as the points of a line or an area, in SVG."""
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)


def round_step(span: float, n: int) -> float:
    """Return a round step of which about n fit into a span.

    Example:
        >>> round_step(10.0, 4), round_step(17.0, 4), round_step(0.9, 4)
        (2.0, 5.0, 0.2)
    """
    # A flat curve has no span, and zero has no logarithm.
    raw = max(span, 1e-9) / n
    decade = 10.0 ** floor(log10(raw))
    return float(min((factor * decade for factor in (1.0, 2.0, 5.0, 10.0)), key=lambda step: abs(log10(step / raw))))


def ticks_between(low: float, high: float, step: float) -> list[float]:
    """Return every multiple of a step from `low` to `high`.

    Example:
        >>> ticks_between(-0.5, 2.0, 1.0)
        [0.0, 1.0, 2.0]
    """
    # Steps such as 0.05 are no binary fractions: without some slack an end would lose its tick.
    first, last = -floor(-low / step + 1e-9), floor(high / step + 1e-9)
    return [step * number for number in range(first, last + 1)]
