"""Where everything lies in a project folder: the only place that knows its file names."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ivsqa.domain.pullback import FrameKey
from ivsqa.io.ledger import doors
from ivsqa.io.ledger.rooms import IDENTITY_NAME, SETTINGS_NAME
from ivsqa.io.outside import is_file, names_in
from ivsqa.io.project.lock import LOCK_PREFIX

PACKET_RECORD = "packet.yaml"
SENT_CONTOURS = "sent.csv"
PACKET_NOTES = ".ivsqa"
"""Folder of a packet with a copy of both, for `check`; what is imported is compared with those of the project."""

OWN_FOLDERS = frozenset({"pullbacks", "annotations", "models", "scores", "rounds", "certificates", "reports"})
"""Folders of a project that are the machine's; what else lies in it is the user's."""


@dataclass(frozen=True)
class ProjectLayout:
    """The paths of one project.

    Attributes:
        root: The project folder.
    """

    root: Path

    @property
    def settings(self) -> Path:
        """The file people edit."""
        return self.root / SETTINGS_NAME

    @property
    def identity(self) -> Path:
        """The pseudonym key."""
        return self.root / IDENTITY_NAME

    @property
    def pullbacks(self) -> Path:
        """A folder a pullback."""
        return self.root / "pullbacks"

    def pullback_record(self, pullback_id: str) -> Path:
        """Facts of one pullback."""
        return self.root.joinpath("pullbacks", pullback_id, "pullback.yaml")

    def amendment(self, pullback_id: str, amendment_id: str) -> Path:
        """One correction of its facts."""
        return self.pullbacks / pullback_id / f"amendment-{amendment_id.removeprefix('a')}.yaml"

    @property
    def decoded(self) -> Path:
        """Frames that shards of an import decoded ahead."""
        return self.pullbacks / ".decoded"

    def frames(self, pullback_id: str) -> Path:
        """Its frames, uint8 (n, height, width)."""
        return self.pullbacks / pullback_id / "frames.npy"

    @property
    def annotations(self) -> Path:
        """A folder of revisions a pullback."""
        return self.root / "annotations"

    def revision(self, pullback_id: str, revision_id: str) -> Path:
        """One revision's manifest."""
        return self.annotations / pullback_id / f"{revision_id}.yaml"

    def revision_contours(self, pullback_id: str, revision_id: str) -> Path:
        """One revision's contours."""
        return self.annotations / pullback_id / f"{revision_id}.contours.csv"

    def pointer(self, pointer_id: str) -> Path:
        """One move of the pointer to the revisions that count."""
        return self.annotations / f"{pointer_id}.yaml"

    @property
    def models(self) -> Path:
        """A folder a model."""
        return self.root / "models"

    def model(self, model_id: str) -> Path:
        """One model's folder."""
        return self.models / model_id

    def model_record(self, model_id: str) -> Path:
        """Its manifest."""
        return self.model(model_id) / "model.yaml"

    def weights(self, model_id: str) -> Path:
        """Its weights."""
        return self.model(model_id) / "weights.safetensors"

    def training_frames(self, model_id: str) -> Path:
        """Which annotated frames it learnt from."""
        return self.model(model_id) / "training_frames.csv"

    def training_log(self, model_id: str) -> Path:
        """Loss and validation Dice by step."""
        return self.model(model_id) / "log.csv"

    def checkpoint(self, model_id: str) -> Path:
        """What a killed training goes on from."""
        return self.model(model_id) / "checkpoint" / "state.safetensors"

    @property
    def all_scores(self) -> Path:
        """A folder a model that scored."""
        return self.root / "scores"

    def scores(self, model_id: str) -> Path:
        """One model's scores."""
        return self.all_scores / model_id

    def scores_record(self, model_id: str) -> Path:
        """What made them."""
        return self.scores(model_id) / "scores.yaml"

    def score_chunk(self, model_id: str, pullback_id: str, first: int, last: int) -> Path:
        """Rows of the frames first … last (inclusive) of one pullback."""
        return _folder_of_scores(self.root, model_id, pullback_id) / f"frames-{first:06d}-{last:06d}.parquet"

    def error_map_chunk(self, model_id: str, pullback_id: str, first: int, last: int) -> Path:
        """Error maps of the same frames."""
        return _folder_of_scores(self.root, model_id, pullback_id) / f"error-maps-{first:06d}-{last:06d}.parquet"

    @property
    def manifest_index(self) -> Path:
        """What thousands of manifests say; can be deleted."""
        return self.root / ".manifests"

    def quality_index(self, model_id: str) -> Path:
        """The quality of every frame it scored; can be deleted."""
        return self.scores(model_id) / ".quality"

    def heatmap(self, model_id: str, pullback_id: str, frame_index: int) -> Path:
        """One frame's error picture."""
        return self.scores(model_id) / "heatmaps" / f"{frame_name(pullback_id, frame_index)}.png"

    @property
    def rounds(self) -> Path:
        """A folder a round."""
        return self.root / "rounds"

    def round(self, round_id: str) -> Path:
        """One round's folder."""
        return self.rounds / round_id

    def round_record(self, round_id: str) -> Path:
        """Where the round stands."""
        return self.round(round_id) / "round.yaml"

    def selection(self, round_id: str) -> Path:
        """Its frames, with score and reason."""
        return self.round(round_id) / "selection.csv"

    def audit_record(self, round_id: str) -> Path:
        """What is known of it as an audit."""
        return self.round(round_id) / "audit.yaml"

    def audit_pool(self, round_id: str) -> Path:
        """The frames that the audit was drawn from."""
        return self.round(round_id) / "pool.csv"

    @property
    def certificates(self) -> Path:
        """A folder a certificate."""
        return self.root / "certificates"

    def certificate(self, certificate_id: str) -> Path:
        """One certificate's folder."""
        return self.certificates / certificate_id

    def certificate_record(self, certificate_id: str) -> Path:
        """What it promises, of which frames, and by what."""
        return self.certificate(certificate_id) / "certificate.yaml"

    def accepted_frames(self, certificate_id: str) -> Path:
        """The frames that it accepts."""
        return self.certificate(certificate_id) / "frames.csv"

    def audited_frames(self, certificate_id: str) -> Path:
        """The audited frames that prove it, with what each loses."""
        return self.certificate(certificate_id) / "audited.csv"

    def certificate_curve(self, certificate_id: str) -> Path:
        """Bound against share accepted."""
        return self.certificate(certificate_id) / "curve.csv"

    def certificate_page(self, certificate_id: str) -> Path:
        """The same for people, on one page."""
        return self.certificate(certificate_id) / "certificate.html"

    def packet(self, round_id: str, reader: str | None = None) -> Path:
        """What goes to the annotator, or to one of several readers."""
        return self.round(round_id) / f"packet{_of_reader(reader)}"

    def packet_zip(self, round_id: str, reader: str | None = None) -> Path:
        """The same as one file."""
        return self.round(round_id) / f"packet-{round_id}{_of_reader(reader)}.zip"

    def packet_record(self, round_id: str, reader: str | None = None) -> Path:
        """What was sent, kept beside the packet, since people edit what is inside it."""
        return self.round(round_id) / PACKET_RECORD.replace(".", f"{_of_reader(reader)}.")

    def packet_records(self, round_id: str) -> list[Path]:
        """Return what was sent in a round, by reader; raises IntegrityError where a file of the round is gone."""
        pattern = r"packet[^/]*\.yaml|sent[^/]*\.csv|selection\.csv|audit\.yaml|pool\.csv"
        listed = doors.entries_of(self.round(round_id), pattern)
        return [path for path in listed if path.name.startswith("packet")]

    def sent_contours(self, round_id: str, reader: str | None = None) -> Path:
        """The contours as they were sent."""
        return self.round(round_id) / SENT_CONTOURS.replace(".", f"{_of_reader(reader)}.")

    def returns(self, round_id: str) -> Path:
        """Copies of what came back."""
        return self.round(round_id) / "returns"

    @property
    def reports(self) -> Path:
        """What can be deleted and rebuilt."""
        return self.root / "reports"

    def evaluation(self, model_id: str, split: str) -> Path:
        """Measured accuracy of one model on one split."""
        return self.reports / f"evaluation-{model_id}-{split}.json"

    def evaluation_page(self, model_id: str, split: str) -> Path:
        """The same for people, with diagrams and pictures."""
        return self.reports / f"evaluation-{model_id}-{split}" / "index.html"

    def simulation(self, name: str) -> Path:
        """What rounds replayed on annotated frames came to."""
        return self.reports / name

    def measures(self, model_id: str | None) -> Path:
        """Tables of measures of drawn contours, and of one model's where nobody drew."""
        return self.reports / f"measures-{model_id or 'annotations'}"

    @property
    def report(self) -> Path:
        """The study on one page."""
        return self.reports / "report.html"

    def lock(self, purpose: str) -> Path:
        """The advisory lock that guards one purpose."""
        return self.root / f"{LOCK_PREFIX}{purpose}"

    def claim(self, model_id: str, pullback_id: str) -> Path:
        """The lock of who writes scores of a pullback by a model, or removes them."""
        return self.lock(f"score-{model_id}-{pullback_id}")


@lru_cache(maxsize=4)
def _folder_of_scores(root: Path, model_id: str, pullback_id: str) -> Path:
    """Return the folder of the scores of a pullback; it is asked for with each of its files."""
    return root.joinpath("scores", model_id, pullback_id)


def is_ours(folder: Path) -> bool:
    """Return whether a folder is a project or a packet: what ivsqa wrote is no archive to import from.

    False also where the folder may not be looked into: whoever enters it finds that out.
    """
    with suppress(PermissionError):
        return (folder / SETTINGS_NAME).is_file() or (folder / PACKET_NOTES).is_dir()
    return False


def is_inside_project(path: Path) -> bool:
    """Return whether a path is one of the folders that ivsqa writes in a project, or lies in one."""
    parts = path.resolve().parts
    own = (index for index, name in enumerate(parts) if name in OWN_FOLDERS)
    return any(Path(*parts[:index], SETTINGS_NAME).is_file() for index in own)


def frame_name(pullback_id: str, frame_index: int) -> str:
    """Return the name of a frame in file names.

    Example:
        >>> frame_name("pb-1a2b3c", 7)
        'pb-1a2b3c_f00007'
    """
    return f"{pullback_id}_f{frame_index:05d}"


def named_frame(name: str) -> FrameKey | None:
    """Return the frame that a name is of: as people type it, or that of a file; None where it is no such name.

    Example:
        >>> named_frame("pb-1a2b3c_f00007.png") == named_frame("pb-1a2b3c:7") == ("pb-1a2b3c", 7)
        True
    """
    match = re.fullmatch(r"(?P<pullback>[\w-]+?)(?::|_f)(?P<index>\d+)(?:\.\w+)?", name)
    return None if match is None else FrameKey(match["pullback"], int(match["index"]))


def _of_reader(reader: str | None) -> str:
    """Return the ending of the file names of a reader's own packet; "" for that of the round."""
    return "" if reader is None else f"-{reader}"


def folders_with(parent: Path, manifest_name: str) -> list[str]:
    """Return the sorted names of the folders in `parent` that hold a manifest.

    Raises:
        IntegrityError: the manifest of one is gone.
    """
    # A shared disk may tell of a folder only a while after another machine made it: what was written is there.
    there = {name.partition("/")[0] for name in doors.written_in(parent, rf"[^/]+/{re.escape(manifest_name)}")}
    others = (name for name in names_in(parent) if name not in there and not name.startswith("."))
    return sorted(there.union(name for name in others if is_file(parent / name / manifest_name)))


def numbered_folders(parent: Path, manifest_name: str) -> list[str]:
    """Return the names of a letter and a number, by number: m1000 is newer than m999. A copy such as "m001-old" is none."""
    names = [name for name in folders_with(parent, manifest_name) if name[1:].isdecimal()]
    return sorted(names, key=lambda name: int(name[1:]))


def next_id(prefix: str, taken: list[str]) -> str:
    """Return the next id of a numbered kind.

    Example:
        >>> next_id("m", ["m001", "m002"])
        'm003'
    """
    return f"{prefix}{max((int(name.removeprefix(prefix)) for name in taken), default=0) + 1:03d}"
