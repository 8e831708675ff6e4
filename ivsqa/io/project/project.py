"""The project folder as a whole: finding it, and reading what is in it; `new_project` makes one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.pullback import FrameKey, spread_evenly
from ivsqa.domain.selection.pool import Allowed, Limits, Pool
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import IntegrityError, NotAProjectError, NotFoundError, StateError
from ivsqa.io.outside import is_file, read_file
from ivsqa.io.project.annotation_status import Standings
from ivsqa.io.project.annotations import AnnotationStore
from ivsqa.io.project.audits import AuditStore
from ivsqa.io.project.certificates import CertificateStore
from ivsqa.io.project.layout import ProjectLayout, folders_with, named_frame, numbered_folders
from ivsqa.io.project.manifest import ManifestCache, read_manifest
from ivsqa.io.project.pullbacks import AnnotatedFrame, Pullback
from ivsqa.io.project.records import (
    IdentityRecord,
    ModelRecord,
    PacketRecord,
    PullbackRecord,
    RoundRecord,
    Split,
    StarterRecord,
)
from ivsqa.io.project.rounds import Round
from ivsqa.io.project.selections import read_selection
from ivsqa.io.project.settings import ProjectSettings
from ivsqa.io.project.starter import STARTER, changed_image, find_starter, starter_weights

if TYPE_CHECKING:
    from ivsqa.io.project.scores import ScoreStore


@dataclass(frozen=True)
class Project:
    """An open project: the one owner of every fact of a study.

    What counts of a frame, which frames are out with a reader, which may be chosen, what a model says: each is derived here,
    once, and every command, the report and the Python interface ask for it. Nothing is remembered that a file could contradict.

    Attributes:
        layout: Where everything lies.
        settings: What `project.yaml` says.
    """

    layout: ProjectLayout
    settings: ProjectSettings
    _read: ManifestCache = field(default_factory=ManifestCache, repr=False, compare=False)

    @property
    def root(self) -> Path:
        """The project folder."""
        return self.layout.root

    @cached_property
    def structures(self) -> StructureSet:
        """The structures of the study."""
        return self.settings.structure_set

    @cached_property
    def pseudonym_key(self) -> bytes:
        """The secret that turns patient identifiers into pseudonyms."""
        return bytes.fromhex(read_manifest(self.layout.identity, IdentityRecord).pseudonym_key)

    @cached_property
    def annotations(self) -> AnnotationStore:
        """What people drew: every revision, and what counts of them."""
        return AnnotationStore(self.layout, self._read)

    @cached_property
    def audits(self) -> AuditStore:
        """Rounds whose frames were drawn to judge a model."""
        return AuditStore(self.layout, self._read)

    @cached_property
    def certificates(self) -> CertificateStore:
        """What was accepted of models' contours, and the audits that prove what is promised of them."""
        return CertificateStore(self.layout, self.annotations, self._read)

    # Pullbacks

    def pullback_ids(self) -> list[str]:
        """Return the ids of all pullbacks, sorted."""
        return folders_with(self.layout.pullbacks, "pullback.yaml")

    def pullback(self, pullback_id: str) -> Pullback:
        """Return one pullback.

        Raises:
            NotFoundError: no such pullback.
        """
        try:
            return Pullback.of(self, self._read(self.layout.pullback_record(pullback_id), PullbackRecord))
        except NotFoundError:
            raise NotFoundError.among("pullback", pullback_id, self.pullback_ids(), first="ivsqa import PATH") from None

    def pullbacks(self, split: Split | None = None) -> list[Pullback]:
        """Return the pullbacks of a split, or all, by id."""
        pullbacks = (self.pullback(pullback_id) for pullback_id in self.pullback_ids())
        return [pullback for pullback in pullbacks if split in (None, pullback.split)]

    def note_manifests(self) -> None:
        """Keep what manifests of pullbacks and annotations say in one file, where many of them are not in it yet."""
        if self._read.is_index_due:
            self.standings(self.pullbacks())
            self._read.note()

    # Frames

    def find_frame(self, frame: str) -> tuple[Pullback, int]:
        """Return the pullback and the index of a frame by the name that people type.

        Args:
            frame: "<pullback_id>:<frame_index>", or a packet's file name "<pullback_id>_f<frame_index>", with an extension
                or without.

        Raises:
            NotFoundError: that is no name of a frame, or there is no such frame.
        """
        named = named_frame(frame)
        if named is None:
            example = f"{next(iter(self.pullback_ids()), 'S01-P1')}:12"
            raise NotFoundError(
                f"{frame!r} is not the name of a frame", hint=f"write it as PULLBACK:FRAME, such as {example}"
            )
        pullback = self.pullback(named.pullback_id)
        pullback.check_index(named.frame_index)
        return pullback, named.frame_index

    def annotated_frames(self, split: Split, pullbacks: Sequence[Pullback] | None = None) -> list[AnnotatedFrame]:
        """Return the annotated frames of a split that teach, stop or judge models, by pullback and frame.

        Where pullbacks are given, these are all there are, read already.

        Models learn from training and validation subjects, but not from frames that an audit holds back. Frames that a review
        read of validation and test subjects judge no model: they were chosen for what one said of them.
        """
        held = {} if split == "test" else self.audits.held_frames()
        reviews = set() if split == "train" else self.review_ids()
        pullbacks = [one for one in pullbacks or self.pullbacks() if one.split == split]
        histories = self.annotations.histories(pullback.pullback_id for pullback in pullbacks).values()
        return [
            AnnotatedFrame(pullback, annotation)
            for pullback, history in zip(pullbacks, histories, strict=True)
            for annotation in self.annotations.annotations_of(history).values()
            if annotation.key not in held and annotation.revision.round_id not in reviews
        ]

    def review_ids(self) -> set[str | None]:
        """Return the ids of rounds that were opened to finish the study."""
        return {record.round_id for record in self.round_records() if record.strategy == "review"}

    def training_frames(self, pullbacks: Sequence[Pullback] | None = None) -> list[AnnotatedFrame]:
        """Return the annotated frames of training subjects.

        Raises:
            StateError: there are none.
        """
        frames = self.annotated_frames("train", pullbacks)
        if not frames:
            raise StateError(
                "no frame of a training subject is annotated yet",
                hint="choose some with: ivsqa select -n 50 --strategy stratified; or import masks with the frames",
            )
        return frames

    def unread_frames(self, n: int) -> list[FrameKey]:
        """Return n frames of training subjects that nobody read, or all there are, spread evenly over their pullbacks."""
        pullbacks = self.pullbacks("train")
        read = self.standings(pullbacks)
        unread = {one.pullback_id: np.flatnonzero(one.all_but(read[one.pullback_id])) for one in pullbacks}
        return spread_evenly(unread, n)

    def standings(self, pullbacks: Sequence[Pullback]) -> Standings:
        """Return what counts of each frame that somebody read, by pullback, in their order, and frame index."""
        return self.annotations.standings_of(pullback.pullback_id for pullback in pullbacks)

    def taken_frames(self, standings: Standings) -> set[FrameKey]:
        """Return the frames that need no new round: those that somebody read, by pullback, and all that are out."""
        read = {FrameKey(name, index) for name, indices in standings.items() for index in indices}
        return read.union(*(one.out for one in self.rounds()))

    def choosable(
        self, pullbacks: Sequence[Pullback], standings: Standings | None = None
    ) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Yield each pullback's id and a mask of its frames that a selection may choose, (n_frames,): not taken nor near one."""
        read = self.taken_frames(self.standings(pullbacks) if standings is None else standings)
        taken = {name: [*keys] for name, keys in groupby(sorted(read), lambda key: key.pullback_id)}
        for begin in range(0, len(pullbacks), 64):  # one pool for some at once is made in half of the time
            some = {one.pullback_id: one for one in pullbacks[begin : begin + 64]}
            pool = Pool.of(one.choices() for one in some.values())
            free = Allowed(pool, self.limits(), [key for name in some for key in taken.get(name, ())]).free
            parts = dict(zip(pool.pullback_ids, np.split(free, pool.begins[1:-1]), strict=False))
            yield from ((name, parts.get(name, np.empty(0, dtype=np.bool_))) for name in some)

    def limits(self, max_per_pullback: int | None = None) -> Limits:
        """Return the limits that keep chosen frames apart."""
        selection = self.settings.selection
        return Limits(max_per_pullback, selection.min_gap_frames, selection.min_gap_mm)

    # Models and scores

    def models(self) -> list[ModelRecord]:
        """Return all models of the study, oldest first."""
        return [
            self._read(self.layout.model_record(model_id), ModelRecord)
            for model_id in numbered_folders(self.layout.models, "model.yaml")
        ]

    def ready_models(self) -> list[ModelRecord]:
        """Return all models that can draw, oldest first: the starter model, where it fits, and those trained to their end."""
        trained = [model for model in self.models() if model.state == "ready"]
        starter = None if self.starter_misfit() else self.starter()
        return trained if starter is None else [starter, *trained]

    def current_model(self) -> ModelRecord | None:
        """Return the newest model that is ready and was accepted; before there is one, the starter model; else None."""
        return next((model for model in reversed(self.ready_models()) if model.accepted), None)

    def starter(self) -> StarterRecord | None:
        """Return the starter model for the structures of the study; None where none is named, comes along or draws them."""
        card = find_starter(self.settings.network.starter, self._read)
        return None if card is None else card.of_structures(self.structures.names)

    def starter_misfit(self) -> str:
        """Return why the starter model that `project.yaml` names cannot draw here; "" where it can, or there is none."""
        card = find_starter(self.settings.network.starter, self._read)
        if card is None:
            return ""
        if card.of_structures(self.structures.names) is None:
            drawn, wanted = (", ".join(names) for names in (card.structures, self.structures.names))
            return f"the starter model draws {drawn}, the project {wanted}"
        changed = changed_image(card, self.settings)
        return f"the starter model was taught with {changed[0]}, project.yaml says {changed[1]}" if changed else ""

    def get_model(self, model_id: str | None) -> ModelRecord:
        """Return the model asked for, or the current one.

        Raises:
            NotFoundError: no such model.
            StateError: it is not trained yet, or there is none.
        """
        if model_id is None:
            model = self.current_model()
            if model is None:
                why = self.starter_misfit()
                raise StateError(f"there is no model yet{why and f': {why}'}", hint="train one with: ivsqa train")
            return model
        starter = self.starter()
        if starter is not None and model_id in (STARTER, starter.model_id):
            return starter
        if not is_file(self.layout.model_record(model_id)):
            ready = [model.model_id for model in self.ready_models()]
            missing = NotFoundError.among("model", model_id, ready, first="ivsqa train")
            if model_id.startswith(STARTER):
                none = "project.yaml names none (network.starter), or none comes with this ivsqa"
                missing.hint = self.starter_misfit() or (none if starter is None else "it came with another ivsqa")
            raise missing
        model = self._read(self.layout.model_record(model_id), ModelRecord)
        if model.state != "ready":
            raise StateError(f"{model_id} is not trained to its end", hint="go on with: ivsqa train")
        return model

    def check_fits(self, model: ModelRecord) -> None:
        """Check that a model sees what it learnt to see: on another grid it would measure wrong without a word.

        Raises:
            StateError: the structures or the image settings of the project were changed since it was trained.
        """
        if model.structures != self.structures.names:
            raise StateError(
                f"{model.model_id} segments {', '.join(model.structures)}, the project {', '.join(self.structures.names)}",
                hint="train from scratch with: ivsqa train",
            )
        changed = changed_image(model, self.settings)
        if changed:
            raise StateError(
                f"{model.model_id} was trained with {changed[0]}, project.yaml now says {changed[1]}",
                hint="set it back in project.yaml, or train from scratch with: ivsqa train",
            )

    def weights(self, model_id: str) -> Path:
        """Return where the weights of a model should lie."""
        starter = self.starter()
        if starter is not None and model_id == starter.model_id:
            return starter_weights(self.settings.network.starter)
        return self.layout.weights(model_id)

    def read_weights(self, model: ModelRecord) -> bytes:
        """Read the weights of a model.

        Raises:
            IntegrityError: the file is missing or is not what was written.
        """
        path = self.weights(model.model_id)
        data = b""
        if is_file(path):
            data = read_file(path)
        if hashlib.sha256(data).hexdigest() != model.weights_sha256:
            raise IntegrityError(
                "weights are missing or were changed", path=path, hint="restore them from a copy, or train again"
            )
        return data

    def scores(self, model: ModelRecord | str | None = None) -> ScoreStore:
        """Return the scores of a model; None: the current one. One given by its id has the structures that it scored.

        Raises:
            StateError: None was given, and there is no model yet.
        """
        from ivsqa.io.project.scores import (
            ScoreStore,  # polars loads for a fifth of a second; not every command needs it
        )

        if isinstance(model, str):
            return ScoreStore.of(self.layout, model, self._read, otherwise=self.structures.names)
        model = model or self.get_model(None)
        return ScoreStore(self.layout, model.model_id, model.structures)

    # Rounds

    def round_records(self) -> list[RoundRecord]:
        """Return the manifests of all rounds as they were written, oldest first; `rounds` says what is so now."""
        return [
            self._read(self.layout.round_record(round_id), RoundRecord)
            for round_id in numbered_folders(self.layout.rounds, "round.yaml")
        ]

    def rounds(self) -> list[Round]:
        """Return all rounds, oldest first, with what is out and what is back.

        Raises:
            IntegrityError: the frames of one are missing.
        """
        return [self._round(record) for record in self.round_records()]

    def get_round(self, round_id: str | None) -> Round:
        """Return the round asked for, or the newest.

        Raises:
            NotFoundError: no such round.
            StateError: there is none.
            IntegrityError: its frames are missing.
        """
        if round_id is None:
            records = self.round_records()
            if not records:
                raise StateError("there is no round yet", hint="open one with: ivsqa select -n 50")
            return self._round(records[-1])
        if not is_file(self.layout.round_record(round_id)):
            known = [record.round_id for record in self.round_records()]
            raise NotFoundError.among("round", round_id, known, first="ivsqa select -n 50")
        return self._round(self._read(self.layout.round_record(round_id), RoundRecord))

    def packets(self, round_id: str) -> list[PacketRecord]:
        """Return the packets of a round, by reader; the one for nobody in particular comes first."""
        paths = self.layout.packet_records(round_id)
        return sorted((self._read(path, PacketRecord) for path in paths), key=lambda packet: packet.reader or "")

    def _round(self, record: RoundRecord) -> Round:
        """Return a round as it is now."""
        frames = read_selection(self.layout.selection(record.round_id))
        packets = self.packets(record.round_id) if record.readers else ()
        pullback_ids = sorted({frame.pullback_id for frame in frames}) if record.state != "selected" else ()
        revisions = chain.from_iterable(self.annotations.revisions(pullback_id) for pullback_id in pullback_ids)
        return Round.of(record, frames, packets, revisions)


def open_project(start: Path) -> Project:
    """Return the project in a folder or the nearest folder above it.

    Raises:
        NotAProjectError: there is none.
        ManifestError: its `project.yaml` is broken.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        layout = ProjectLayout(folder)
        if is_file(layout.settings):
            return Project(
                layout, read_manifest(layout.settings, ProjectSettings), ManifestCache(layout.manifest_index)
            )
    raise NotAProjectError(
        f"no {layout.settings.name} here or in a folder above",
        path=start,
        hint="go into a project, name one with --project DIR, or make one with: ivsqa init DIR",
    )
