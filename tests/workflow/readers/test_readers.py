"""Two readers and a third: blind packets, agreement of known size, what settles itself and what a third decides."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour, Contours
from ivsqa.errors import IvsqaError, PacketError, StateError
from ivsqa.io.formats.contours_csv import read_contours_csv
from ivsqa.io.project.annotation_status import CONSENSUS
from ivsqa.io.project.annotations import AnnotationStore
from ivsqa.io.project.project import Project, open_project
from ivsqa.io.project.selections import read_selection
from ivsqa.workflow.demo.simulated_annotator import Annotator, annotate_packet
from ivsqa.workflow.readers.adjudicate import adjudicate
from ivsqa.workflow.readers.agreement import agreement_csv, reader_agreement
from ivsqa.workflow.readers.read_twice import between_readers, frames_read_twice
from ivsqa.workflow.readers.undo import undo
from ivsqa.workflow.reporting.status import project_status
from ivsqa.workflow.reporting.why import explain_frame
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.import_annotations import import_annotations
from ivsqa.workflow.rounds.select import select_frames
from ivsqa.workflow.rounds.sent import read_sent
from ivsqa.workflow.training.train import finetune_model

Key = tuple[str, int]
Offset = Callable[[NDArray[np.float64]], NDArray[np.float64]]

STEADY = Annotator(tolerance_px=-1.0, hand_px=0.0, n_vertices=120)
BIAS_PX = 0.8
BULGE_PX, BULGE_DEG = 8.0, (200.0, 250.0)


def moved(contour: Contour, offset: Offset) -> Contour:
    """Return a contour moved outwards by so many px, by angle in degrees."""
    centre = contour.centroid_px
    arms = contour.resampled(240).points_px - centre
    radii = np.hypot(*arms.T)
    angles = np.degrees(np.arctan2(arms[:, 1], arms[:, 0])) % 360.0
    return Contour.from_points(centre + arms * ((radii + offset(angles)) / radii)[:, None])


def larger(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.full(len(angles), BIAS_PX)


def bulging(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where((angles > BULGE_DEG[0]) & (angles < BULGE_DEG[1]), BULGE_PX, 0.0)


@dataclass
class Study:
    """A scored project with a round of six frames, and what is true in them."""

    project: Project
    truth: dict[str, dict[int, dict[str, Contour]]]
    folder: Path
    keys: list[Key] = field(default_factory=list)

    @property
    def store(self) -> AnnotationStore:
        return self.project.annotations

    @property
    def record(self):
        return self.project.get_round("r004")

    def true(self, key: Key) -> Contours:
        return self.truth[key[0]][key[1]]

    def as_seen(self, offset: Offset, *, eem_bulges: tuple[Key, ...] = ()) -> dict[str, dict[int, dict[str, Contour]]]:
        """Return what a reader sees who draws everything with an offset, and the EEM of some frames with a bulge."""
        return {
            name: {
                index: {
                    one: moved(contour, bulging if one == "eem" and (name, index) in eem_bulges else offset)
                    for one, contour in contours.items()
                }
                for index, contours in frames.items()
            }
            for name, frames in self.truth.items()
        }

    def read(self, reader: str, truth, *, packet: Path | None = None, **options):
        """Have a reader work through their packet, and import what comes back."""
        packet = packet or export_for_annotation(self.project, reader=reader).folder
        back = Path(shutil.copytree(packet, self.folder / f"back-{reader}"))
        annotate_packet(back, truth, rng=np.random.default_rng(0), annotator=STEADY)
        return import_annotations(self.project, back, reader=reader, **options)


def opened(root: Path, truth, folder: Path) -> Study:
    project = open_project(root)
    frames = read_selection(project.layout.selection("r004"))
    return Study(project, truth, folder, [frame.key for frame in frames])


@pytest.fixture
def study(scored, phantoms, tmp_path) -> Study:
    select_frames(scored, n=6, strategy="random")
    return opened(scored.root, phantoms.truth, tmp_path)


@pytest.fixture(scope="module")
def read_twice_study(scored_study, phantoms, tmp_path_factory) -> Path:
    """Anna draws the truth; Ben draws everything 0.8 px larger, and the EEM of the first two frames with a bulge."""
    folder = tmp_path_factory.mktemp("read-twice")
    root = Path(shutil.copytree(scored_study, folder / "study"))
    select_frames(open_project(root), n=6, strategy="random")
    study = opened(root, phantoms.truth, folder)
    study.read("anna", study.truth)
    study.read("ben", study.as_seen(larger, eem_bulges=tuple(study.keys[:2])))
    return root


@pytest.fixture
def read_twice(read_twice_study, phantoms, tmp_path) -> Study:
    return opened(Path(shutil.copytree(read_twice_study, tmp_path / "study")), phantoms.truth, tmp_path)


def packet_for_carl(study: Study) -> Path:
    packet = adjudicate(study.project, reader="carl", formats=["labelme", "csv"]).packet
    assert packet is not None
    return packet.folder


def documents(packet: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(packet.rglob("*.json"))]


def test_a_second_reader_is_sent_the_models_contours_and_nothing_of_the_first(study):
    first = export_for_annotation(study.project, reader="anna").folder
    sent_first = {document["imagePath"]: document["shapes"] for document in documents(first)}
    study.read("anna", study.truth, packet=first)
    finetune_model(study.project, device="cpu")
    second = export_for_annotation(study.project, reader="ben").folder
    assert len(study.project.models()) == 2
    assert {document["imagePath"]: document["shapes"] for document in documents(second)} == sent_first
    for path in second.rglob("*"):
        assert not path.is_file() or b"anna" not in path.read_bytes(), path
    packets = study.project.packets("r004")
    assert [(packet.reader, packet.purpose, packet.model_id) for packet in packets] == [
        ("anna", "reading", "m001"),
        ("ben", "reading", "m001"),
    ]
    assert packets[0].packet_id != packets[1].packet_id


def test_a_round_that_went_out_undrawn_goes_to_the_second_reader_undrawn(scored):
    assert {packet.model_id for packet in scored.packets("r001")} == {None}
    packet = export_for_annotation(scored, round_id="r001", reader="ben").folder
    assert [shape for document in documents(packet) for shape in document["shapes"]] == []


def test_each_reader_gets_an_order_of_their_own_and_always_the_same(study):
    planned = export_for_annotation(study.project, reader="anna", dry_run=True)
    assert not planned.folder.exists()
    orders = []
    for reader in ("anna", "ben", "carl"):
        export_for_annotation(study.project, reader=reader, formats=["csv"])
        _, sent = read_sent(study.project, "r004", reader)
        orders.append([frame.key for frame in sent])
    assert all(sorted(order) == sorted(study.keys) for order in orders)
    assert len({tuple(order) for order in orders}) > 1


def test_a_round_is_imported_when_all_its_readers_sent_theirs_back(study):
    for reader in ("anna", "ben"):
        export_for_annotation(study.project, reader=reader)
    assert study.record.readers == {"anna": "exported", "ben": "exported"}
    study.read("ben", study.truth, packet=study.project.layout.packet("r004", "ben"))
    assert (study.record.state, study.record.readers) == ("exported", {"anna": "exported", "ben": "imported"})
    study.read("anna", study.truth, packet=study.project.layout.packet("r004", "anna"))
    assert study.record.state == "imported"


def test_a_packet_of_another_reader_is_not_taken_for_ones_own(study):
    anna = export_for_annotation(study.project, reader="anna").folder
    export_for_annotation(study.project, reader="ben")
    with pytest.raises(PacketError, match="the packet of anna"):
        study.read("ben", study.truth, packet=anna)
    with pytest.raises(StateError, match="no packet of r004 went to 'dora'") as caught:
        study.read("dora", study.truth, packet=anna)
    assert "anna, ben" in caught.value.hint


@pytest.mark.parametrize("name", ["Dr. No", "../x", "", CONSENSUS])
def test_a_name_that_cannot_be_a_readers_is_refused(study, name):
    with pytest.raises(IvsqaError, match="cannot be the name of a reader"):
        export_for_annotation(study.project, reader=name)


def test_a_readers_packet_is_never_written_over(study):
    export_for_annotation(study.project, reader="anna")
    with pytest.raises(StateError, match="packet of anna in r004 was written before"):
        export_for_annotation(study.project, reader="anna")


def test_contours_that_the_first_reader_was_not_sent_do_not_go_to_the_second(study):
    export_for_annotation(study.project, reader="anna")
    shutil.rmtree(study.project.layout.scores("m001"))
    with pytest.raises(StateError, match="cannot be drawn again") as caught:
        export_for_annotation(study.project, reader="ben")
    assert "ivsqa score --model m001" in caught.value.hint
    assert study.record.readers == {"anna": "exported"}


def test_a_second_reader_can_follow_a_packet_that_went_to_nobody_in_particular(study):
    packet = export_for_annotation(study.project).folder
    study.read("anna", study.truth, packet=packet)
    result = study.read("ben", study.as_seen(larger))
    assert result.n_disputed == 6
    assert set(study.store.standings(study.keys[0][0])[study.keys[0][1]].readings) == {"anna", "ben"}


def test_nothing_learns_from_frames_in_dispute_until_they_are_settled(read_twice):
    before = {frame.key for frame in read_twice.project.annotated_frames("train")}
    assert before.isdisjoint(read_twice.keys)
    status = project_status(read_twice.project)
    assert status.n_disputed == 6
    assert status.next_step == ("settle 6 frames that several read", "ivsqa adjudicate")
    adjudicate(read_twice.project)
    after = {frame.key for frame in read_twice.project.annotated_frames("train")}
    assert after - before == set(read_twice.keys[2:])
    chosen = select_frames(read_twice.project, n=60, strategy="random", dry_run=True).frames
    assert not {frame.key for frame in chosen} & set(read_twice.keys)


def test_a_known_bias_is_measured_as_what_it_is(read_twice):
    result = reader_agreement(read_twice.project)
    assert (result.n_frames, result.n_disputed, result.n_unreadable_for_some) == (6, 6, 0)
    lumen = next(pair for pair in result.pairs if pair.structure == "lumen")
    assert (lumen.readers, lumen.n_frames, lumen.n_one_only) == (("anna", "ben"), 6, 0)
    spacing = [read_twice.project.pullback(key[0]).spacing_mm for key in read_twice.keys]
    true = [read_twice.true(key)["lumen"] for key in read_twice.keys]
    differences = [(a.area_px2 - moved(a, larger).area_px2) * x * y for a, (x, y) in zip(true, spacing, strict=True)]
    assert lumen.area_mm2.bland_altman.bias == pytest.approx(np.mean(differences), rel=0.01)
    assert lumen.area_mm2.bland_altman.sd == pytest.approx(np.std(differences, ddof=1), rel=0.03)
    # An outline moved outwards by b encloses about b times its length more.
    by_length = [-BIAS_PX * a.perimeter_px * x * y for a, (x, y) in zip(true, spacing, strict=True)]
    assert lumen.area_mm2.bland_altman.bias == pytest.approx(np.mean(by_length), rel=0.05)
    assert lumen.assd_px.value == pytest.approx(BIAS_PX, rel=0.03)
    assert lumen.assd_mm.value == pytest.approx(BIAS_PX * np.mean(spacing), rel=0.03)
    np.testing.assert_allclose(lumen.by_arc_px, BIAS_PX, atol=0.15)
    assert lumen.dice.low <= lumen.dice.value <= lumen.dice.high
    eem = next(pair for pair in result.pairs if pair.structure == "eem")
    inside = [number for number in range(36) if BULGE_DEG[0] <= 10 * number < BULGE_DEG[1]]
    assert np.argsort(eem.by_arc_px)[-1] in inside


def test_how_far_two_readers_of_one_frame_agree_is_pooled_over_pairs_and_only_of_the_subjects_asked_for(read_twice):
    agreement = reader_agreement(read_twice.project)
    between = between_readers(frames_read_twice(read_twice.project))
    assert set(between) == {"lumen", "eem"}
    for pair in agreement.pairs:
        one = between[pair.structure]
        assert one.dice == pytest.approx(pair.dice.value)
        assert one.n_frames == pair.n_frames
        assert one.area_mm2 == pair.area_mm2.bland_altman
    assert list(frames_read_twice(read_twice.project, split="train"))
    assert between_readers(frames_read_twice(read_twice.project, split="test")) == {}


def read_again(study: Study, truth=None, **options) -> Path:
    """Have Anna read frames of the round once more, and return the packet that she got."""
    packet = export_for_annotation(study.project, round_id="r004", repeats="anna", **options).folder
    study.read("anna-2", truth or study.as_seen(larger), packet=packet)
    return packet


def test_a_reader_who_reads_again_is_compared_with_themselves_and_with_nobody_else(read_twice):
    project = read_twice.project
    before = reader_agreement(project)
    assert not any(pair.is_repeat for pair in before.pairs)
    read_again(read_twice)
    after = reader_agreement(project)
    assert (after.n_frames, after.n_repeated, after.n_disputed) == (6, 6, 6)
    assert [(pair.readers, pair.is_repeat, pair.structure) for pair in after.pairs] == [
        (("anna", "ben"), False, "lumen"), (("anna", "ben"), False, "eem"),
        (("anna", "anna-2"), True, "lumen"), (("anna", "anna-2"), True, "eem"),
    ]  # fmt: skip
    lumen = after.pairs[2]
    # She drew 0.8 px larger the second time: the same as Ben, who draws with the same hand.
    assert lumen.assd_px.value == pytest.approx(BIAS_PX, rel=0.03)
    assert lumen.hd95_px.value == pytest.approx(BIAS_PX, rel=0.1)
    assert lumen.area_mm2.bland_altman.bias == pytest.approx(after.pairs[0].area_mm2.bland_altman.bias, rel=0.01)
    between, within = (between_readers(frames_read_twice(project), is_repeat=again) for again in (False, True))
    assert between["eem"].dice == pytest.approx(before.pairs[1].dice.value)
    assert within["lumen"].dice == pytest.approx(lumen.dice.value)
    assert within["lumen"].area_mm2 == lumen.area_mm2.bland_altman


def test_a_second_reading_counts_for_nothing_but_the_comparison(study):
    project = study.project
    study.read("anna", study.truth)
    contours = {key: project.annotations.current(key[0])[key[1]].contours for key in study.keys}
    read_again(study)
    status = project_status(project)
    assert status.n_disputed == 0
    assert {frame.key for frame in project.annotated_frames("train")} >= set(study.keys)
    for pullback_id, index in study.keys:
        now = project.annotations.current(pullback_id)[index]
        assert now.revision.reader == "anna"
        assert now.contours["eem"].points_px.tolist() == contours[pullback_id, index]["eem"].points_px.tolist()
        chain = explain_frame(project, f"{pullback_id}:{index}")
        assert [(one.reader, one.repeats, chain.counts(one), chain.is_compared(one)) for one in chain.revisions] == [
            ("anna", None, True, False), ("anna-2", "anna", False, True),
        ]  # fmt: skip
    # Where the first is taken back there is nothing to compare with, and the frame is nobody's again.
    undo(project, ["r004"], reader="anna")
    assert reader_agreement(project).n_repeated == 0
    assert study.keys[0][1] not in project.annotations.standings(study.keys[0][0])
    undo(project, ["r004"], reader="anna", redo=True)
    undo(project, ["r004"], reader="anna-2")
    assert reader_agreement(project).n_repeated == 0


def test_frames_to_read_again_are_drawn_from_what_the_reader_read_and_show_what_was_sent_then(study):
    project = study.project
    with pytest.raises(StateError, match="anna read no frame of r004"):
        export_for_annotation(project, repeats="anna")
    first = export_for_annotation(project).folder  # for nobody in particular
    study.read("anna", study.as_seen(larger), packet=first)
    undo(project, [f"{study.keys[0][0]}:{study.keys[0][1]}"], reader="anna")
    packet = read_again(study, n=4)
    record, sent = read_sent(project, "r004", "anna-2")
    assert (record.purpose, record.repeats, record.reader) == ("repeat", "anna", "anna-2")
    assert len({frame.key for frame in sent}) == 4
    assert {frame.key for frame in sent} < set(study.keys[1:])
    before = {frame.key: frame.contours for frame in read_sent(project, "r004")[1]}
    for frame in sent:
        assert frame.contours["eem"].points_px.tolist() == before[frame.key]["eem"].points_px.tolist()
    assert "You have read these frames before" in (packet / "INSTRUCTIONS.html").read_text()
    assert study.record.state == "imported"
    # Who joins now starts from the first packet of the round, with all of its frames.
    assert export_for_annotation(project, reader="ben", dry_run=True).n_frames == 6


def test_a_second_reading_has_a_name_of_its_own(read_twice):
    project = read_twice.project
    with pytest.raises(StateError, match="the packet of ben in r004 was written before"):
        export_for_annotation(project, reader="ben", repeats="anna")
    with pytest.raises(IvsqaError, match="only frames that are read once more"):
        export_for_annotation(project, reader="zoe", n=3)
    with pytest.raises(StateError, match="zoe read no frame of r004"):
        export_for_annotation(project, repeats="zoe")


def test_readers_are_not_waited_for_because_one_of_them_reads_again(read_twice):
    export_for_annotation(read_twice.project, repeats="anna")
    result = adjudicate(read_twice.project)
    assert result.awaited == ()
    assert len(result.settled) == 4


def test_agreement_is_that_of_the_readers_whatever_was_settled_since(read_twice, bytes_of):
    before = reader_agreement(read_twice.project)
    adjudicate(read_twice.project)
    files = bytes_of(read_twice.project.root)
    after = reader_agreement(read_twice.project, round_id="r004")
    assert bytes_of(read_twice.project.root) == files
    assert (after.n_frames, after.n_disputed) == (6, 2)
    assert agreement_csv(after.frames) == agreement_csv(before.frames)
    assert len(agreement_csv(after.frames).splitlines()) == 1 + 6 * 2
    assert reader_agreement(read_twice.project, round_id="r001").pairs == []


def test_what_readers_agree_on_settles_itself_midway(read_twice):
    planned = adjudicate(read_twice.project, dry_run=True)
    result = adjudicate(read_twice.project)
    assert [one.key for one in planned.settled] == [one.key for one in result.settled] == read_twice.keys[2:]
    for key in read_twice.keys[2:]:
        annotation = read_twice.store.current(key[0])[key[1]]
        revision = annotation.revision
        assert (revision.reader, revision.source) == (CONSENSUS, "adjudicate, within 0.2 mm")
        assert revision.origin_of(key[1]) == "agreed"
        assert len(revision.settles) == 2
        for name, contour in annotation.contours.items():
            midway = moved(read_twice.true(key)[name], lambda angles: 0.5 * larger(angles))
            assert contour.distances_px(midway).mean() < 0.05, name
    assert [dispute.key for dispute in result.left] == read_twice.keys[:2]
    assert all(dispute.reason.startswith("eem up to 0.") for dispute in result.left)
    again = adjudicate(read_twice.project)
    assert again.settled == []


def test_a_smaller_tolerance_leaves_everything_to_a_third(read_twice):
    result = adjudicate(read_twice.project, tolerance_mm=0.01, dry_run=True)
    assert (len(result.settled), len(result.left)) == (0, 6)
    assert all("lumen up to 0." in dispute.reason for dispute in result.left)


def test_a_third_sees_both_proposals_where_readers_differ_and_nobodys_name(read_twice):
    packet = packet_for_carl(read_twice)
    assert read_twice.record.readers == {"anna": "imported", "ben": "imported", "carl": "exported"}
    found = documents(packet)
    assert len(found) == 2
    for document in found:
        key = (document["ivsqa"]["pullback_id"], document["ivsqa"]["frame_index"])
        lines = [np.array(shape["points"]) - 0.5 for shape in document["shapes"] if shape["label"] == "look here"]
        assert len(lines) == 2, "one line a reader, over the one arc in which they differ"
        true = read_twice.true(key)["eem"]
        off = sorted(
            float(np.median([np.hypot(*(true.points_px - point).T).min() for point in line])) for line in lines
        )
        assert off[0] < 1.0
        assert off[1] > 4.0
        angles = np.degrees(np.arctan2(*(lines[0] - true.centroid_px)[:, ::-1].T)) % 360.0
        assert BULGE_DEG[0] - 20.0 < angles.min() < angles.max() < BULGE_DEG[1] + 20.0
    for path in packet.rglob("*"):
        if path.is_file():
            assert b"anna" not in path.read_bytes(), path
            assert b'"ben"' not in path.read_bytes(), path
    assert "Readers differed" in (packet / "INSTRUCTIONS.html").read_text()


def test_which_readers_line_comes_first_changes_from_frame_to_frame(study):
    keys = tuple(study.keys)
    study.read("anna", study.truth)
    study.read("ben", study.as_seen(larger, eem_bulges=keys))
    packet = packet_for_carl(study)
    first_is_true = []
    for document in documents(packet):
        key = (document["ivsqa"]["pullback_id"], document["ivsqa"]["frame_index"])
        line = next(np.array(one["points"]) - 0.5 for one in document["shapes"] if one["label"] == "look here")
        true = study.true(key)["eem"].points_px
        first_is_true.append(np.median([np.hypot(*(true - point).T).min() for point in line]) < 1.0)
    assert len(first_is_true) == 6
    assert len(set(first_is_true)) == 2


def test_what_the_third_decides_settles_the_rest_and_can_be_undone(read_twice):
    project, keys = read_twice.project, read_twice.keys
    packet = packet_for_carl(read_twice)
    out = adjudicate(project)
    assert (len(out.left), out.awaited, out.deciding) == (2, (), ("carl",))
    assert project_status(project).next_step[1] == "ivsqa import-annotations PATH --reader carl"
    result = read_twice.read("carl", read_twice.truth, packet=packet)
    assert (result.n_taken, result.n_disputed) == (2, 0)
    assert read_twice.record.state == "imported"
    key = keys[0]
    annotation = read_twice.store.current(key[0])[key[1]]
    said = read_twice.store.standings(key[0])[key[1]].readings
    assert annotation.revision.reader == "carl"
    assert set(annotation.revision.settles) == {record.revision_id for record in said.values()}
    assert annotation.contours["eem"].distances_px(read_twice.true(key)["eem"]).mean() < 0.1
    with pytest.raises(StateError, match="no frame is in dispute"):
        adjudicate(project)
    chain = explain_frame(project, f"{key[0]}:{key[1]}")
    assert [revision.reader for revision in chain.revisions] == ["anna", "ben", "carl"]
    assert chain.standing is not None
    assert chain.standing.reference == annotation.revision
    assert set(keys) <= {frame.key for frame in project.annotated_frames("train")}
    undo(project, ["r004"], reader="carl")
    assert project_status(project).n_disputed == 2


def test_midway_stands_where_the_third_only_ticks_it(read_twice):
    packet = packet_for_carl(read_twice)
    for path in packet.rglob("*.json"):
        document = json.loads(path.read_text())
        document["flags"]["checked"] = True
        path.write_text(json.dumps(document))
    import_annotations(read_twice.project, packet, reader="carl")
    key = read_twice.keys[0]
    annotation = read_twice.store.current(key[0])[key[1]]
    sent = read_contours_csv(read_twice.project.layout.sent_contours("r004", "carl"))[key[0]][key[1]]
    assert annotation.revision.origin_of(key[1]) == "accepted"
    np.testing.assert_array_equal(annotation.contours["eem"].points_px, sent["eem"].points_px)


def test_who_read_a_frame_does_not_decide_it(read_twice):
    with pytest.raises(IvsqaError, match="ben read some of these frames"):
        adjudicate(read_twice.project, reader="ben")
    assert read_twice.record.readers == {"anna": "imported", "ben": "imported"}


def test_what_only_one_reader_can_judge_goes_to_a_third(study):
    for reader, says in (("anna", {}), ("ben", {"unreadable": True})):
        packet = export_for_annotation(study.project, reader=reader).folder
        annotate_packet(packet, study.truth, rng=np.random.default_rng(0), annotator=STEADY)
        path = sorted(packet.rglob("*.json"))[0]
        document = json.loads(path.read_text())
        document["flags"] |= says
        path.write_text(json.dumps(document))
        import_annotations(study.project, packet, reader=reader)
    result = adjudicate(study.project, reader="carl")
    assert (len(result.settled), len(result.left)) == (5, 1)
    assert result.left[0].reason == "1 of 2 readers cannot judge it"
    assert reader_agreement(study.project).n_unreadable_for_some == 1


def test_an_undo_of_a_round_takes_back_one_readers_work_and_redo_brings_it_back(read_twice, bytes_of):
    project = read_twice.project
    with pytest.raises(StateError, match="is what anna and ben said"):
        undo(project, ["r004"])
    before = bytes_of(project.root)
    planned = undo(project, ["r004"], reader="ben", dry_run=True)
    assert bytes_of(project.root) == before
    assert undo(project, ["r004"], reader="ben") == planned
    assert [(step.pullback_id, step.frame_index) for step in planned] == sorted(read_twice.keys)
    assert project_status(project).n_disputed == 0
    assert {name: data for name, data in bytes_of(project.root).items() if name in before} == before
    with pytest.raises(StateError, match="nothing of r004 by ben can be taken back"):
        undo(project, ["r004"], reader="ben")
    assert len(undo(project, ["r004"], reader="ben", redo=True)) == 6
    assert project_status(project).n_disputed == 6


def test_an_undo_of_a_frame_or_a_revision_takes_back_only_that(read_twice):
    project, pullbacks = read_twice.project, [key[0] for key in read_twice.keys]
    pullback_id, index = next(key for key in read_twice.keys if pullbacks.count(key[0]) > 1)
    (step,) = undo(project, [f"{pullback_id}:{index}"], reader="anna")
    assert (step.after, step.reader) == (None, "anna")
    assert read_twice.store.current(pullback_id)[index].revision.reader == "ben"
    rest = undo(project, [str(step.before)])
    assert index not in {one.frame_index for one in rest}
    chain = explain_frame(project, f"{pullback_id}:{index}")
    assert [chain.counts(revision) for revision in chain.revisions] == [False, True]
    assert len(chain.pointers) == 1
    with pytest.raises(IvsqaError, match="no revision 'rev-00'"):
        undo(project, ["rev-00"])


def test_the_table_of_agreement_is_printed_to_five_digits_with_blanks_for_what_is_not_known(read_twice):
    agreement = reader_agreement(read_twice.project)
    with_one_gap = replace(agreement.frames[0], areas_mm2=(1 / 3, float("nan")))
    head, line = agreement_csv([with_one_gap]).splitlines()
    cells = dict(zip(head.split(","), line.split(","), strict=True))
    assert (cells["area_first_mm2"], cells["area_second_mm2"]) == ("0.33333", "")
    assert cells["dice"] == f"{with_one_gap.contours.dice:.5g}"
    assert head.startswith("pullback_id,subject_id,frame_index,structure,first_reader,second_reader,dice,assd_px,")
    assert head.endswith("area_second_mm2," + ",".join(f"arc_{degrees:03d}_px" for degrees in range(0, 360, 10)))
