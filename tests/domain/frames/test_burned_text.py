"""Text that is written into phantoms, and phantoms without any."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ivsqa.domain.frames.burned_text import TextRegion, find_text, mask_text
from ivsqa.phantom import iter_frames, phantom_pullback


def frames_of(console: str, n_frames: int = 24, size_px: int = 384) -> np.ndarray:
    pullback = phantom_pullback(seed=5, index=2, n_frames=n_frames, console=console, size_px=size_px)
    return np.stack(list(iter_frames(pullback)))


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    """A pullback without marks."""
    return frames_of("A")


def written(frames: np.ndarray, text: str, at: tuple[int, int], grey: int = 200) -> np.ndarray:
    """Frames with a text burned into all of them."""
    burned = []
    for frame in frames:
        image = Image.fromarray(frame)
        ImageDraw.Draw(image).text(at, text, fill=grey, font_size=12)
        burned.append(np.asarray(image))
    return np.stack(burned)


def test_frames_without_text_have_none(plain):
    assert find_text(plain) == ()


@pytest.mark.parametrize("at", [(2, 2), (306, 2), (2, 368), (306, 368)])
def test_a_name_in_a_corner_is_found_and_blackened_whole(plain, at):
    frames = written(plain, "DOE JANE", at)
    regions = find_text(frames)
    changed = (frames != plain).any(axis=0)
    masked = frames.copy()
    mask_text(masked, regions)
    assert not masked[:, changed].any()
    assert 0 < sum((region.bottom - region.top) * (region.right - region.left) for region in regions) < 4000


def test_a_counter_that_changes_is_found():
    plain = frames_of("A", n_frames=60)
    frames = np.stack([written(plain[[index]], f"{1200 + 7 * index}", (2, 2))[0] for index in range(len(plain))])
    (region,) = find_text(frames)
    assert region.top <= 4
    assert region.left <= 2
    assert region.right >= 30


@pytest.mark.parametrize("marks", ["cross", "ring", "ticks"])
def test_rulers_and_rings_are_no_text(plain, marks):
    frames = plain.copy()
    image = np.zeros_like(plain[0])
    if marks == "cross":
        image[182:202, 191:193] = image[191:193, 182:202] = 190
    elif marks == "ring":
        y, x = np.mgrid[:384, :384] - 191.5
        image[np.abs(np.hypot(x, y) - 190) < 1.0] = 190
    else:
        image[10:384:20, 191:193] = image[191:193, 10:384:20] = 190
    frames[:, image > 0] = 190
    assert find_text(frames) == ()


def test_one_frame_is_enough(plain):
    assert find_text(written(plain[:1], "1970-01-01", (2, 2)))


def test_a_region_says_where_it_is():
    assert str(TextRegion(top=2, left=0, bottom=10, right=31)) == "x 0…30, y 2…9"
