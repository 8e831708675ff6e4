"""A study that is scored though nobody trained: what is chosen, read and settled in it takes milliseconds."""

from pathlib import Path

import numpy as np

from ivsqa.domain.contour import Contour
from ivsqa.domain.quality.frame_score import SIGNALS, FrameScore
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project, open_project
from ivsqa.io.project.records import ModelRecord, Provenance, PullbackRecord, Split

MADE = Provenance(created_at="2026-01-01T00:00:00+00:00", ivsqa_version="0")
CONTOURS = {
    name: Contour.from_points([[low, low], [high, low], [high, high], [low, high]])
    for name, low, high in (("lumen", 24, 40), ("eem", 14, 50))
}


def study_of(root: Path, splits: list[Split], n_frames: list[int], seed: int) -> Project:
    """Return a project with a scored pullback a subject; frames that must not be chosen are those that look worst."""
    project = create_project(root, template="coronary-ivus")
    names = project.structures.names
    image = project.settings.image.model_dump(mode="json")
    write_manifest(
        project.layout.model_record("m001"),
        ModelRecord(
            model_id="m001", state="ready", parent=None, request_sha256="c" * 64, seed=0, structures=names, network={},
            training={}, image=image, n_training_frames=1, n_validation_frames=0, n_subjects=1, accepted=True,
            weights_sha256="d" * 64, provenance=MADE,
        ),
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    for number, (split, n) in enumerate(zip(splits, n_frames, strict=True)):
        record = PullbackRecord(
            pullback_id=f"S{number:03d}-P1", subject_id=f"S{number:03d}", split=split, n_frames=n, height_px=64, width_px=64,
            spacing_mm=(0.1, 0.1), spacing_source="user", frame_interval_s=0.03, frame_time_s=None,
            frame_time_source="FrameTime", pullback_speed_mm_s=0.5, pullback_speed_source="user", start_frame_index=None,
            stop_frame_index=None, manufacturer_model="", notes=(), frames_sha256="a" * 64, source_sha256="b" * 64,
            provenance=MADE,
        )  # fmt: skip
        write_manifest(project.layout.pullback_record(record.pullback_id), record)
        np.save(project.layout.frames(record.pullback_id), np.zeros((n, 64, 64), dtype=np.uint8))
        doubt = rng.uniform(0.1, 0.5, n) if split == "train" else rng.uniform(0.8, 1.0, n)
        scores = [
            FrameScore(
                pullback_id=record.pullback_id, frame_index=index, quality=1.0 - doubt[index],
                dice=dict.fromkeys(names, 1.0 - doubt[index]), dice_lower=dict.fromkeys(names), expected_error_px=1.0,
                n_regions=0, signals=dict.fromkeys(SIGNALS, doubt[index]),
                features=rng.normal(size=4).astype(np.float32) + 10.0 * doubt[index].astype(np.float32), contours=CONTOURS,
                error_maps=np.zeros((len(names), 96, 96), dtype=np.uint8),
            )
            for index in range(n)
        ]  # fmt: skip
        project.scores("m001").write_chunk(record.frames_sha256, scores)
    return open_project(root)
