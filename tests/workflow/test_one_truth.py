"""Whatever happens to a study, and in whatever order, every view of it says the same."""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ivsqa.domain.contour import Contour
from ivsqa.domain.pullback import FrameKey
from ivsqa.errors import IvsqaError, StateError
from ivsqa.io.formats.contours_csv import contours_csv_text
from ivsqa.io.project.project import Project, open_project
from ivsqa.workflow.readers.adjudicate import adjudicate
from ivsqa.workflow.readers.undo import undo
from ivsqa.workflow.reporting.report import pullback_rows
from ivsqa.workflow.reporting.status import project_status
from ivsqa.workflow.reporting.why import explain_frame
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.import_annotations import import_annotations
from ivsqa.workflow.rounds.select import select_frames
from ivsqa.workflow.scoring.score import score_frames
from tests.edited_settings import with_settings
from tests.workflow.scored_study import study_of

READERS = ("anna", "ben")


def ring(radius: float) -> Contour:
    angles = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)
    return Contour.from_points(np.column_stack([32 + radius * np.cos(angles), 32 + radius * np.sin(angles)]))


class Person:
    """Does what people do to a study, and takes no for an answer."""

    def __init__(self, project: Project, folder: Path, rng: np.random.Generator) -> None:
        self.project, self.folder, self.rng = project, folder, rng

    def do(self, step: str) -> None:
        with suppress(IvsqaError):  # not everything can be done at every moment; what counts is what is true after it
            getattr(self, step)()

    def select(self) -> None:
        select_frames(self.project, n=int(self.rng.integers(1, 5)), strategy="sqa")

    def export(self) -> None:
        export_for_annotation(self.project, formats=("csv",))

    def export_to_a_second_reader(self) -> None:
        export_for_annotation(self.project, formats=("csv",), reader="ben")

    def return_a_part(self) -> None:
        """Send back some frames of the newest round, drawn a little larger by one reader than by the other."""
        number = int(self.rng.integers(len(READERS)))
        record = self.project.get_round(None)
        keys = [frame.key for frame in record.frames if self.rng.random() < 0.6]
        rows = [(*key, {"lumen": ring(9 + number), "eem": ring(18 + number)}) for key in keys]
        path = self.folder / "contours.csv"
        path.write_text(contours_csv_text(rows, {key.pullback_id: (0.1, 0.1) for key in keys}), encoding="utf-8")
        import_annotations(self.project, path, reader=READERS[number], round_id=record.round_id, accept_untouched=True)

    def take_back(self) -> None:
        undo(self.project, [self.project.get_round(None).round_id], reader=str(self.rng.choice(READERS)))

    def do_again(self) -> None:
        undo(self.project, [self.project.get_round(None).round_id], reader=str(self.rng.choice(READERS)), redo=True)

    def settle(self) -> None:
        adjudicate(self.project, tolerance_mm=float(self.rng.choice([0.01, 5.0])))


def check_every_view(project: Project) -> None:
    """Compare what status, report, scores, selection, training and the history of frames say."""
    training = project.pullbacks("train")
    status = project_status(project)
    annotated = {frame.key for frame in project.annotated_frames("train")}
    assert status.n_annotated["train"] == len(annotated)
    rows = pullback_rows(project, training, project.standings(training), status.current_model)
    assert sum(view.n_annotated for view in rows) == len(annotated)

    unread = {FrameKey(one.pullback_id, int(index)) for one in training for index in np.flatnonzero(one.unread)}
    assert set(project.unread_frames(10**6)) == unread
    left = sum(len(view.quality_left) for view in rows)
    assert left == len(unread) == (status.outlook.n_unread if status.outlook else 0)

    ranked = {frame.key for frame in score_frames(project, top=10**6).frames}
    choosable = {
        FrameKey(name, int(index)) for name, free in project.choosable(training) for index in np.flatnonzero(free)
    }
    assert ranked == choosable
    assert (status.outlook.n_pool if status.outlook else 0) == len(choosable)
    try:
        chosen = {frame.key for frame in select_frames(project, n=3, strategy="sqa", dry_run=True).frames}
    except StateError:
        chosen = set()
    assert bool(chosen) == bool(choosable)
    assert chosen <= choosable <= unread
    if status.next_step[1].startswith("ivsqa select -n 50"):
        assert choosable

    out = {key for record in status.rounds for key in record.out}
    assert not out & choosable
    for record in status.rounds:
        assert (record.state == "imported") == (record.n_back == len(record.frames))
        assert project.get_round(record.round_id).state == record.state
        for frame in record.frames:
            standing = explain_frame(project, f"{frame.pullback_id}:{frame.frame_index}").standing
            assert (frame.key in unread) == (standing is None)
            assert (frame.key in annotated) == (standing is not None and standing.is_annotated(frame.frame_index))
    assert status.n_disputed == sum(one.is_disputed for record in training for one in record.standings.values())


STEPS = ("select", "export", "export_to_a_second_reader", "return_a_part", "take_back", "do_again", "settle")


@settings(
    max_examples=5,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking would replay minutes of work
)
@given(
    steps=st.lists(st.sampled_from((*STEPS, "return_a_part")), min_size=3, max_size=9),
    gap=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_every_view_of_a_study_says_the_same_after_whatever_was_done(steps, gap, seed):
    with TemporaryDirectory() as folder:
        root = Path(folder) / "study"
        study_of(root, ["train", "train", "test"], [7, 5, 3], seed)
        project = with_settings(root, {"packet": {"carry": False}, "selection": {"min_gap_frames": gap}})
        person = Person(project, Path(folder), np.random.default_rng(seed))
        for step in ("select", "export", *steps):
            person.do(step)
            check_every_view(open_project(root))
        check_every_view(project)  # the one that was open all the time saw it all, too


def started(tmp_path: Path) -> Person:
    study_of(tmp_path / "study", ["train", "train"], [9, 9], 0)
    project = with_settings(tmp_path / "study", {"packet": {"carry": False}, "selection": {"min_gap_frames": 2}})
    person = Person(project, tmp_path, np.random.default_rng(0))
    select_frames(project, n=6, strategy="sqa")
    person.export()
    return person


def test_what_is_undone_counts_nowhere(tmp_path):
    person = started(tmp_path)
    person.return_a_part()
    assert project_status(person.project).n_annotated["train"] > 0
    record = person.project.get_round(None)
    undo(person.project, [record.round_id])
    assert project_status(person.project).n_annotated["train"] == 0
    pullbacks = person.project.pullbacks()
    rows = pullback_rows(person.project, pullbacks, person.project.standings(pullbacks), None)
    assert {view.n_annotated for view in rows} == {0}


def test_a_round_with_a_part_of_its_frames_back_keeps_the_others_and_their_neighbours_out(tmp_path):
    person = started(tmp_path)
    person.return_a_part()
    record = person.project.get_round(None)
    assert record.state == "exported"
    assert 0 < record.n_back == len(record.frames) - len(record.out) < len(record.frames)
    choosable = dict(person.project.choosable(person.project.pullbacks("train")))
    for key in record.out:
        assert not choosable[key.pullback_id][max(0, key.frame_index - 1) : key.frame_index + 2].any()
