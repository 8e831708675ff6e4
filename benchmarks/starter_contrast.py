"""How much of what the starter model misses could nobody see?

The model of the package draws the phantoms that `starter.py` judges it on. Beside the true border of lumen or EEM, brightness may
tell one side from the other, or not: *contrast* is the chance that a place up to half a millimetre inside is darker than one
outside, or brighter, whichever is more often so (AUROC), after the speckle was smoothed to a fifth of a millimetre. At 0.5
brightness says nothing; from 0.8 on a border is plain. A reader also knows how vessels are shaped, and sees texture, so this is
no bound for what can be drawn. It says which frames are hard for a reason.

    python benchmarks/starter_contrast.py            # some minutes
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from phantoms import NAMES
from report import print_table, write_json
from scipy.ndimage import distance_transform_edt, gaussian_filter
from starter import JUDGED_CHUNKS, Judged, drawn, joined
from starter_frames import FRESH_SEED, HELD_OUT_SEED, of_five_looks, rendered

from ivsqa.domain.agreement.contour_agreement import mask_dice
from ivsqa.domain.geometry.border_prior import BorderPrior
from ivsqa.domain.statistics.correlation import auroc
from ivsqa.io.project.manifest import read_manifest
from ivsqa.io.project.starter import find_starter, starter_weights
from ivsqa.model.state import TrainedModel

STARTER = "coronary-ivus"
SPECKLE_MM, BESIDE_MM = 0.2, 0.5
CONTRASTS = (("hidden", 0.5, 0.65), ("faint", 0.65, 0.8), ("plain", 0.8, 1.01))


def contrasts(judged: Judged, number: int) -> NDArray[np.float64]:
    """Return how well brightness tells both sides of the true border of a structure apart, (n,), 0.5 to 1."""
    found = []
    for image, masks, pixel_mm in zip(judged.chunk.images, judged.truth, judged.chunk.pixel_mm, strict=True):
        smooth = gaussian_filter(image.astype(np.float64), SPECKLE_MM / pixel_mm)
        mask = masks[number]
        out_mm = (distance_transform_edt(~mask) - distance_transform_edt(mask)) * pixel_mm
        near = np.abs(out_mm) < BESIDE_MM
        area = auroc(smooth[near], ~mask[near])
        found.append(max(area, 1.0 - area))
    return np.array(found)


def rows_of(family: str, judged: Judged) -> Iterator[dict[str, Any]]:
    """Yield the share of frames and their Dice by structure and contrast."""
    for number, name in enumerate(NAMES):
        masks = np.stack([laid.masks[number] for laid in judged.borders])
        dice, contrast = mask_dice(masks, judged.truth[:, number]), contrasts(judged, number)
        for border, low, high in CONTRASTS:
            some = (contrast >= low) & (contrast < high)
            mean, median = (float(value) for value in (np.nanmean(dice[some]), np.nanmedian(dice[some])))
            share = float(some.mean())
            yield {
                "family": family,
                "structure": name,
                "border": border,
                "share": share,
                "dice": mean,
                "median": median,
            }


def main() -> None:
    """Draw, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=JUDGED_CHUNKS)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    card = find_starter(STARTER, read_manifest)
    assert card is not None
    assert card.border_priors is not None
    model = TrainedModel.from_bytes(starter_weights(STARTER).read_bytes())
    priors = [BorderPrior.from_dict(card.border_priors[name]) for name in NAMES]
    families = {
        "training family": [rendered(number, seed=FRESH_SEED) for number in range(options.chunks)],
        "held-out family": [rendered(number, seed=HELD_OUT_SEED, held_out=True) for number in range(options.chunks)],
        "five looks": [of_five_looks(seed=FRESH_SEED)],
    }
    rows = []
    for family, chunks in families.items():
        rows += list(rows_of(family, joined([drawn(model, priors, chunk, options.device) for chunk in chunks])))
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    bins = {name: [low, high] for name, low, high in CONTRASTS}
    write_json("starter_contrast", {"starter": card.model_id, "contrast": bins, "rows": rows})


if __name__ == "__main__":
    main()
