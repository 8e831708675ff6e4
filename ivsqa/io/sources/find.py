"""Finding the pullbacks below a path. What is broken is reported and does not stop the rest.

In a folder:

* nnU-Net's raw data, the public set of 2011: recognised as a whole, a pullback a case or patient
* a multi-frame DICOM file, a TIFF of several pages, a NIfTI or NRRD volume, a video: a pullback each
* single-frame DICOM files: grouped and ordered by `runs_of`, as are the parts of a concatenation
* PNG, JPEG or TIFF files: one pullback; or those in a folder frames/, img/ or images/ in it. Beside DICOM they are previews.
* other folders: if their pictures are named like the frames, masks of this pullback; else looked into
* projects and packets of ivsqa: never looked into, their frames are in a study already
* notes, tables, hidden files, the index of a CD (DICOMDIR): no sources. Nor is what systems leave behind, which is named once.
* a link is followed once, and never back into what is being searched; one that leads nowhere counts as a file that cannot be read
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ivsqa.errors import AnnotationError, IvsqaError, SourceError
from ivsqa.io.formats.dicom_header import DicomHeader, looks_like_dicom
from ivsqa.io.formats.dicom_index import is_dicom_index, missing_files
from ivsqa.io.formats.dicom_length import read_image_header
from ivsqa.io.formats.files import (
    DICOM_EXTENSIONS,
    IMAGE_EXTENSIONS,
    PACKED_EXTENSIONS,
    UNREAD_EXTENSIONS,
    VIDEO_EXTENSIONS,
    VOLUME_EXTENSIONS,
    bare_name,
    is_file,
    is_litter,
    natural_key,
)
from ivsqa.io.formats.pictures import Picture, n_pages
from ivsqa.io.outside import apart
from ivsqa.io.project.layout import is_inside_project, is_ours
from ivsqa.io.reading import reading
from ivsqa.io.sources.archives.registry import format_of
from ivsqa.io.sources.challenge_2011 import challenge_sources
from ivsqa.io.sources.dicom import DicomSource
from ivsqa.io.sources.dicom_search import DicomSearch
from ivsqa.io.sources.frame_folder import FrameFolderSource
from ivsqa.io.sources.frame_names import name_notes
from ivsqa.io.sources.label_images import LABEL_FOLDERS, is_mask_like, label_files
from ivsqa.io.sources.nnunet import nnunet_sources
from ivsqa.io.sources.source import PullbackSource
from ivsqa.io.sources.video import VideoSource
from ivsqa.io.sources.volume_source import volume_sources

FRAME_FOLDERS = ("frames", "img", "images")
TIFF_EXTENSIONS = (".tif", ".tiff")
NEVER_DICOM = (".txt", ".md", ".csv", ".json", ".yaml", ".yml", ".xml", ".html", ".pdf", ".zip", ".py", ".sh", ".log")
MOST_NAMED = 5
LOOKED_FOR = (
    "DICOM ultrasound, folders of PNG, JPEG or TIFF frames, TIFF files of several pages, NIfTI and NRRD volumes, AVI and MP4 "
    "video, and data sets of nnU-Net were looked for"
)


def find_sources(
    path: Path,
    left_out: list[Path] | None = None,
    remarks: list[str] | None = None,
    *,
    beside: Sequence[Path] = (),
) -> tuple[list[PullbackSource], list[IvsqaError]]:
    """Return the pullbacks below a path in natural order, and what could not be used. Reads headers, writes nothing.

    Args:
        path: A file, which is then taken whatever it is called, or a folder, which is searched with all in it. The index of a CD
            stands for the folder that it lies in.
        left_out: Gets what systems put into the folders, projects and packets, and files that hold files.
        remarks: Gets what else a person should know: what the index of a CD names and is not there.
        beside: Files of its folder that were named with it, as a shell does: all are DICOM, and may be one pullback.

    Returns:
        The sources, and a SourceError for each file that should be one and is not, or one that says that nothing is there.
    """
    root = path.parent if beside else path
    search = _Search(root, [] if left_out is None else left_out, [] if remarks is None else remarks)
    with search.noting(path):
        if is_ours(path) or is_inside_project(path):
            hint = "give the folder that the pullbacks came in; what a reader sent back: ivsqa import-annotations"
            raise SourceError("is of a project or a packet, not an archive", hint=hint)
        if path.is_dir():
            search.below(path)
        elif path.is_file():
            if is_dicom_index(path):
                return find_sources(path.parent, left_out, remarks)
            search.named_file(path, beside)
        else:
            is_there = path.exists() or path.is_symlink()
            raise SourceError("is neither a file nor a folder" if is_there else "there is no such file or folder")
    search.finish()
    if not search.sources and not search.errors:
        search.errors.append(SourceError(f"nothing to import here{search.passed_over}", hint=LOOKED_FOR, path=path))
    return sorted(search.sources, key=lambda source: natural_key(source.relative)), search.errors


@dataclass
class _Search:
    """One walk below `root`."""

    root: Path
    left_out: list[Path]
    remarks: list[str]
    sources: list[PullbackSource] = field(default_factory=list)
    errors: list[IvsqaError] = field(default_factory=list)
    linked: set[Path] = field(default_factory=set)
    searched: list[Path] = field(default_factory=list)
    n_other_dicom: int = 0
    unread: list[Path] = field(default_factory=list)
    previews: list[Path] = field(default_factory=list)
    dicom: DicomSearch = field(default_factory=DicomSearch)

    @contextmanager
    def noting(self, path: Path) -> Iterator[None]:
        """Note what is wrong with a file or folder that is read in the block; the search goes on."""
        with apart(self.errors, path), reading(path):
            yield

    @property
    def passed_over(self) -> str:
        """What was there and was not taken, for the message: a project, DICOM that is no ultrasound, contours without frames."""
        ours = next(filter(is_ours, self.left_out), None)
        if ours is not None:
            return f" but a project or a packet of ivsqa, which is not imported: {ours.name}"
        if self.n_other_dicom:
            return f" ({self.n_other_dicom} DICOM files are no ultrasound images)"
        # Asked only when there was nothing to import, as it opens every file.
        for file in (file for folder in self.searched for file in _entries(folder)[0]):
            with self.noting(file):
                contours = format_of(file)
                if contours is not None:
                    return f" but contours, such as {file.name} ({contours.name})"
        return ""

    def below(self, folder: Path) -> None:
        """Take what is in a folder and in all folders in it, however deep they lie."""
        waiting = [folder]
        while waiting:
            self.searched.append(waiting.pop())
            with self.noting(self.searched[-1]):
                waiting += self.folder(self.searched[-1])

    def named_file(self, path: Path, beside: Sequence[Path] = ()) -> None:
        """Take a file the user named, with those of its folder that are DICOM like it."""
        suffix = path.suffix.lower()
        if suffix in IMAGE_EXTENSIONS:
            self.pictures([path], path)
        elif is_named_dicom(path):
            self.named_dicom([path, *beside])
        elif suffix in VIDEO_EXTENSIONS:
            self.sources.append(VideoSource(path, self.relative(path)))
        elif is_volume(path):
            # Its neighbours are looked at with it: only beside each other are labels and images told apart.
            beside = [file for file in _entries(path.parent)[0] if is_volume(file)]
            sources, errors = volume_sources(beside, dict.fromkeys(beside, self.relative(path)))
            self.sources += [source for source in sources if source.path == path]
            self.errors += [error for error in errors if error.path == path]
        elif (contours := format_of(path)) is not None:
            hint = "put it beside its frames, or import them first and give this file with --annotations"
            self.errors.append(SourceError(f"holds contours ({contours.name}) but no frames", hint=hint, path=path))
        elif is_packed(path):
            self.errors.append(SourceError("holds files", hint="unpack it, and import the folder", path=path))
        else:
            hint = f"write its frames as PNG files; {LOOKED_FOR}"
            self.errors.append(SourceError("is of no kind that can be imported", hint=hint, path=path))

    def folder(self, folder: Path) -> list[Path]:
        """Take what is in a folder, and return the folders in it that are to be searched."""
        files, folders = _entries(folder, self.left_out)
        data_set = nnunet_sources(folder, self.relative(folder))
        if data_set is not None:
            self.add(data_set)
            return []
        self.left_out += filter(is_ours, folders)
        self.left_out += filter(is_packed, files)
        self.unread += [file for file in files if file.name.lower().endswith(UNREAD_EXTENSIONS)]
        folders = [inner for inner in folders if inner not in self.left_out]
        # `may_enter` decides about links, further down.
        own_folders = [inner for inner in folders if not inner.is_symlink()]
        patients, used = challenge_sources(folder, self.relative(folder), own_folders)
        self.sources += patients
        # Where the set lies in this very folder, its files are taken.
        files = [] if patients and not used else files
        folders = [inner for inner in folders if inner not in used]
        volumes = [file for file in files if is_volume(file)]
        self.add(volume_sources(volumes, {file: self.relative(file) for file in volumes}))
        videos = (file for file in files if file.suffix.lower() in VIDEO_EXTENSIONS)
        self.sources += [VideoSource(file, self.relative(file)) for file in videos]
        taken = self.frames(folder, files, folders)
        return [inner for inner in folders if inner not in taken and self.may_enter(inner)]

    def frames(self, folder: Path, files: Sequence[Path], folders: Sequence[Path]) -> list[Path]:
        """Take the DICOM files and pictures of a folder; returns the folders in it that belong to them."""
        pictures = [file for file in files if file.suffix.lower() in IMAGE_EXTENSIONS]
        others = [file for file in files if file.suffix.lower() not in IMAGE_EXTENSIONS]
        has_dicom = self.dicom_files(others, folder)
        frames = next((inner for inner in folders if self.holds_frames(inner)), None)
        if frames is not None:
            pictures = label_files(frames)
        elif has_dicom:  # single pictures beside DICOM are previews
            pictures, previews = self.books(pictures)
            self.previews += previews
        stems = {bare_name(file.name) for file in pictures}
        labels = []
        for inner in (inner for inner in folders if inner != frames):
            with self.noting(inner):
                labels += [inner] if _holds_labels(inner, stems, beside_frames=frames is not None) else []
        if pictures:
            self.pictures(pictures, folder, labels)
        return labels if frames is None else [frames, *labels]

    def holds_frames(self, folder: Path) -> bool:
        """Return whether a folder is called like one of frames, and has some."""
        if folder.name.casefold() in FRAME_FOLDERS:
            with self.noting(folder):
                return bool(label_files(folder))
        return False

    def books(self, pictures: Sequence[Path]) -> tuple[list[Path], list[Path]]:
        """Return the pictures that hold several pages, and the others; what cannot be opened is noted, and is neither."""
        found: dict[bool, list[Path]] = {True: [], False: []}
        for file in pictures:
            with self.noting(file):
                found[file.suffix.lower() in TIFF_EXTENSIONS and n_pages(file) > 1].append(file)
        return found[True], found[False]

    def add(self, sources_and_errors: tuple[Sequence[PullbackSource], Sequence[IvsqaError]]) -> None:
        """Add sources, and what cannot be used."""
        self.sources += sources_and_errors[0]
        self.errors += sources_and_errors[1]

    def pictures(self, files: Sequence[Path], path: Path, labels: Sequence[Path] = ()) -> None:
        """Add TIFFs of several pages as a pullback each, and the other pictures as one."""
        single: list[Path] = []
        for file in files:
            pages = 0
            with self.noting(file):
                pages = n_pages(file) if file.suffix.lower() in TIFF_EXTENSIONS else 1
            if pages > 1:
                book = tuple(Picture(file, page) for page in range(pages))
                self.sources.append(FrameFolderSource(file, self.relative(file), book))
            elif pages:
                single.append(file)
        problem = _why_no_pullback(single, path)
        if problem is not None:
            self.errors.append(problem)
        elif single:
            frames = tuple(Picture(file) for file in single)
            notes = name_notes([bare_name(file.name) for file in single])
            self.sources.append(FrameFolderSource(path, self.relative(path), frames, tuple(labels), notes))

    def dicom_files(self, files: Sequence[Path], folder: Path) -> bool:
        """Add the DICOM files of a folder and return whether there are any."""
        headers: list[DicomHeader] = []
        for file in files:
            with self.noting(file):
                if is_dicom_index(file):
                    self.remarks += _index_remarks(file)
                    continue
                header = _dicom_header(file)
                headers += [header] if header else []
        images = [header for header in headers if header.is_image]
        self.n_other_dicom += len(headers) - len(images)
        self.dicom.add(images, folder)
        return bool(headers)

    def named_dicom(self, files: Sequence[Path]) -> None:
        """Add DICOM files of one folder that the user named, of which each is taken or refused."""
        images: list[DicomHeader] = []
        for file in files:
            with self.noting(file):
                header = read_image_header(file)
                header.check_is_image()
                images.append(header)
        self.dicom.add(images, files[0].parent)

    def finish(self) -> None:
        """Take the pullbacks in DICOM, of which parts may have lain in several folders, and remark what is not read."""
        left = {
            "of kinds that are not read": self.unread,
            "taken for previews, as pictures beside DICOM are": self.previews,
        }
        self.remarks += [f"{what}: {_named([file.name for file in files])}" for what, files in left.items() if files]
        for path, run in self.dicom.runs(self.errors):
            self.sources.append(DicomSource(path, self.relative(path), run))

    def relative(self, path: Path) -> str:
        """Return the POSIX path below the root without extension; the root's own name for the root."""
        if path == self.root:
            name = path.name or path.resolve().name
            return name if path.is_dir() else bare_name(name)
        below = path.relative_to(self.root)
        return (below if path.is_dir() else below.with_name(bare_name(below.name))).as_posix()

    def may_enter(self, folder: Path) -> bool:
        """Return whether to look into a folder: a link only where it leads out of the search, and once."""
        if not folder.is_symlink():
            return True
        target, root = folder.resolve(), self.root.resolve()
        if target.is_relative_to(root) or root.is_relative_to(target) or target in self.linked:
            return False
        self.linked.add(target)  # two links to one folder are one set of pullbacks
        return True


def is_named_dicom(file: Path) -> bool:
    """Return whether a file that the user named is DICOM, by its name or its content, and no index of a CD."""
    if not file.is_file() or file.suffix.lower() in IMAGE_EXTENSIONS or is_dicom_index(file):
        return False
    return file.suffix.lower() in DICOM_EXTENSIONS or looks_like_dicom(file)


def is_packed(file: Path) -> bool:
    """Return whether a file is called like one that holds files."""
    return file.name.lower().endswith(PACKED_EXTENSIONS)


def is_volume(file: Path) -> bool:
    """Return whether a file is called like a NIfTI or NRRD volume."""
    return file.name.lower().endswith(VOLUME_EXTENSIONS)


def _entries(folder: Path, left_out: list[Path] | None = None) -> tuple[list[Path], list[Path]]:
    """Return the files and folders in a folder in natural order, without hidden ones and what systems leave behind."""
    folders, files = [], []
    for path in sorted(folder.iterdir(), key=lambda path: natural_key(path.name)):
        if is_litter(path.name):
            (left_out if left_out is not None else []).append(path)
        elif not path.name.startswith("."):
            if path.is_dir():
                folders.append(path)
            elif is_file(path):
                files.append(path)
    return files, folders


def _dicom_header(file: Path) -> DicomHeader | None:
    """Return the header of a file that is DICOM, None for any other; raises SourceError for one that only claims to be."""
    if file.suffix.lower() in NEVER_DICOM:
        return None
    claims = file.suffix.lower() in DICOM_EXTENSIONS
    # What is called .dcm and is none is reported; any other file may be anything.
    return read_image_header(file) if claims or looks_like_dicom(file) else None


def _index_remarks(index: Path) -> list[str]:
    """Return a remark on the images that the index of a CD names and that are not there."""
    missing = missing_files(index)
    if not missing:
        return []
    return [f"{index} names {len(missing)} images that are not here: {_named(missing)}; copy all of the CD"]


def _named(names: Sequence[str]) -> str:
    """Return names in a row, of many the first."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _holds_labels(folder: Path, stems: set[str], *, beside_frames: bool) -> bool:
    """Return whether a folder belongs to the frames of these names.

    Beside a folder called frames/ all that is named like the frames does. Where the frames lie open in the pullback's folder,
    a folder with the same numbers may be another pullback: then the pictures themselves must be masks.
    """
    if not stems or folder.name.casefold() in LABEL_FOLDERS:
        return bool(stems)
    shared = [file for file in label_files(folder) if bare_name(file.name) in stems]
    return bool(shared) and (beside_frames or _is_mask(shared[0]))


def _is_mask(picture: Path) -> bool:
    """Return whether a picture can be read and is a mask."""
    try:
        return is_mask_like(picture)
    except AnnotationError:
        return False


def _why_no_pullback(pictures: Sequence[Path], path: Path) -> SourceError | None:
    """Return the error of pictures that are no pullback, or None: two of one name, or masks without frames."""
    stems: dict[str, Path] = {}
    for picture in pictures:
        other = stems.setdefault(bare_name(picture.name), picture)
        if other != picture:
            message = f"is there twice, as {other.suffix} and {picture.suffix}"
            return SourceError(message, hint="keep one of the two", path=picture)
    # Three are looked at: the first frame of a real pullback may be black and white by chance.
    if pictures and all(_is_mask(picture) for picture in {pictures[0], pictures[len(pictures) // 2], pictures[-1]}):
        hint = "put the frames into a folder called frames beside it, each named like its mask"
        return SourceError("holds masks but no frames", hint=hint, path=path)
    return None
