import numpy as np
import pytest
import torch

from ivsqa.model.corruption import CorruptionParameters, corrupt, sample_corruption


def nothing(n: int = 1) -> dict[str, np.ndarray]:
    """Return parameters that change nothing."""
    return {
        "tone": np.tile(np.linspace(0, 1, 9, dtype=np.float32), (n, 1)),
        "coarse": np.zeros((n, 2), np.float32),
        "field": np.zeros((n, 4, 4), np.float32),
        "grain": np.ones((n, 96, 96), np.float32),
        "noise": np.zeros((n, 96, 96), np.float32),
        "blank": np.zeros((n, 3, 4), np.float32),
        "inverted": np.zeros(n, np.float32),
        "gain": np.ones(n, np.float32),
    }


def corrupted(images: torch.Tensor, **changed: np.ndarray) -> torch.Tensor:
    return corrupt(images, CorruptionParameters(**{**nothing(len(images)), **changed}))


@pytest.fixture
def frame() -> torch.Tensor:
    return torch.randint(0, 256, (1, 32, 32), generator=torch.manual_seed(0), dtype=torch.uint8)


def test_no_share_changes_nothing(frame):
    images = frame.expand(6, -1, -1)
    kept = corrupt(images, sample_corruption(np.random.default_rng(0), 6, 0.0))
    torch.testing.assert_close(kept, images.float(), atol=1e-3, rtol=0.0)


def test_damage_is_drawn_by_the_seed_and_stays_within_grey(frame):
    images = frame.expand(64, -1, -1)
    first, again, other = (
        corrupt(images, sample_corruption(np.random.default_rng(seed), 64, 0.5)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert float(first.min()) >= 0.0
    assert float(first.max()) <= 255.0
    untouched = ((first - images).abs().amax((1, 2)) < 1e-3).float().mean()
    assert 0.3 < float(untouched) < 0.7


def test_tone_curve_is_followed(frame):
    squared = np.linspace(0, 1, 9, dtype=np.float32)[None] ** 2
    grey = torch.tensor([[0.0, 127.5], [255.0, 63.75]]).repeat_interleave(4, 0).repeat_interleave(4, 1)[None]
    toned = corrupted(grey, tone=squared)[0, ::4, ::4]
    assert toned.flatten().tolist() == pytest.approx([0.0, 63.75, 255.0, 15.9375])


def test_blank_takes_the_signal_from_its_rectangle_alone():
    blank = np.zeros((1, 3, 4), np.float32)
    blank[0, 1] = 0.25, 0.5, 0.25, 0.5  # the left half, from top to bottom
    grey = corrupted(torch.full((1, 8, 8), 100.0), blank=blank)
    assert grey[0, :, :4].max() == 0.0
    assert grey[0, :, 4:].min() == pytest.approx(100.0)


def test_inversion_and_gain_by_hand():
    grey = torch.full((1, 4, 4), 51.0)
    assert float(corrupted(grey, inverted=np.ones(1, np.float32))[0, 0, 0]) == pytest.approx(204.0)
    assert float(corrupted(grey, gain=np.full(1, 2.0, np.float32))[0, 0, 0]) == pytest.approx(102.0)


def test_coarse_takes_detail_away(frame):
    full = corrupted(frame, coarse=np.array([[0.0, 1.0]], np.float32))
    assert float(full.std()) < 0.5 * float(frame.float().std())
    assert float(full.mean()) == pytest.approx(float(frame.float().mean()), rel=0.05)
