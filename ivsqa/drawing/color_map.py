"""The colours of predicted error: dark violet through red to pale yellow, even to the eye and to the colour-blind.

Lightness rises in equal steps of CIELAB from first to last, so a step in error looks equally large everywhere and the order
survives in grey print. Hue turns from violet over red to yellow, a path that deuteranopes and protanopes can follow by lightness.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import skimage
from numpy.typing import NDArray

LIGHTNESS = (14.0, 95.0)
"""CIELAB L* of the first and the last colour."""
HUE_DEG = (-62.0, 98.0)
"""CIELAB hue angle of the first and the last colour: violet, then over red (about 30°) to yellow."""
CHROMA = ((0.0, 0.12, 0.25, 0.5, 0.6, 0.8, 1.0), (34.0, 54.0, 64.0, 72.0, 65.0, 51.0, 36.0))
"""CIELAB chroma along the map, kept inside sRGB so that nothing is clipped and lightness stays linear."""

OPAQUE_FROM = 0.6
"""Error from which a colour is as opaque as it gets."""
GREATEST_OPACITY = 0.86
"""The anatomy stays visible beneath the worst error."""


@lru_cache(maxsize=1)
def error_colors() -> NDArray[np.uint8]:
    """Return the colour of each error 0/255 … 255/255, uint8 (256, 3).

    Source: CIE 1976 L*a*b* (ISO/CIE 11664-4): L* linear in the error, hue linear, chroma bounded by the sRGB gamut.
    """
    share = np.linspace(0.0, 1.0, 256)
    hue = np.radians(HUE_DEG[0] + share * (HUE_DEG[1] - HUE_DEG[0]))
    chroma = np.interp(share, *CHROMA)
    lightness = LIGHTNESS[0] + share * (LIGHTNESS[1] - LIGHTNESS[0])
    lab = np.column_stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)])
    colors = np.asarray(np.round(255.0 * skimage.color.lab2rgb(lab)), dtype=np.uint8)
    colors.setflags(write=False)
    return colors


@lru_cache(maxsize=1)
def error_opacity() -> NDArray[np.float32]:
    """Return the opacity of each error 0/255 … 255/255, float32 (256,): none at 0, rising smoothly."""
    share = np.clip(np.linspace(0.0, 1.0, 256) / OPAQUE_FROM, 0.0, 1.0)
    opacity = np.asarray(GREATEST_OPACITY * share * share * (3.0 - 2.0 * share), dtype=np.float32)
    opacity.setflags(write=False)
    return opacity


@lru_cache(maxsize=1)
def colors_on_grey(brightness: float) -> NDArray[np.uint8]:
    """Return the colour of each error over each grey, dimmed to a brightness, uint8 (256 · 256, 3): row 256 · grey + error."""
    grey, opacity = np.arange(256, dtype=np.float32)[:, None, None] * brightness, error_opacity()[:, None]
    return np.asarray(grey * (1.0 - opacity) + error_colors() * opacity, dtype=np.uint8).reshape(-1, 3)
