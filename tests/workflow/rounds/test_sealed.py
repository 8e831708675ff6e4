"""Held-out subjects stay out of every ranked selection, whatever the project looks like."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.selection.plan import LOOKS_AT_FRAMES, STRATEGIES
from ivsqa.errors import StateError
from ivsqa.io.project.records import Split
from ivsqa.workflow.rounds.select import select_frames
from tests.workflow.scored_study import study_of

HELD_OUT: tuple[Split, ...] = ("validation", "test")


@settings(max_examples=25)
@given(
    splits=st.lists(st.sampled_from(["train", *HELD_OUT]), min_size=2, max_size=6),
    n=st.integers(1, 20),
    seed=st.integers(0, 99),
    strategy=st.sampled_from(STRATEGIES),
)
def test_held_out_subjects_never_appear_in_a_ranked_selection(splits, n, seed, strategy):
    n_frames = np.random.default_rng(seed).integers(1, 9, len(splits)).tolist()
    with TemporaryDirectory() as folder:
        project = study_of(Path(folder) / "study", splits, n_frames, seed)
        for split in HELD_OUT:
            if strategy in LOOKS_AT_FRAMES:
                with pytest.raises(StateError, match="never chosen by what a model says"):
                    select_frames(project, n=n, strategy=strategy, split=split)
        if "train" not in splits:
            with pytest.raises(StateError):
                select_frames(project, n=n, strategy=strategy)
            assert project.rounds() == []
            return
        chosen = select_frames(project, n=n, strategy=strategy, seed=seed).frames
        assert chosen
        assert {project.pullback(frame.pullback_id).split for frame in chosen} == {"train"}
