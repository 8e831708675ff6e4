"""Manifests: YAML files that say what they are, in which version, and hold nothing unknown.

Reading: strict YAML → kind → version, before anything else → one-step upgrades → pydantic, strict. A file of a later version is
never guessed at; a misspelt key gets "did you mean". Reading never writes.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol, TypeVar, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from ivsqa.errors import ManifestError, ManifestTooNewError, NotFoundError, OutsideError
from ivsqa.io import atomic
from ivsqa.io.ledger import doors
from ivsqa.io.outside import is_file, read_file
from ivsqa.io.project import strict_yaml
from ivsqa.io.project.manifest_index import FEWEST, ManifestIndex
from ivsqa.io.project.plain_yaml import plain_mapping

KIND_PREFIX = "ivsqa/"
LARGEST_BYTES = 16 * 2**20
"""A packet of 20,000 frames, or the frame times of 400,000, take less; YAML takes a hundred times its size in memory."""
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
OrNan = Annotated[float | None, BeforeValidator(lambda value: None if value == ".nan" else value)]
"""A number that an ivsqa before 0.2 wrote as NaN where it was unknown."""


class Section(BaseModel):
    """A part of a manifest: nothing unknown, nothing coerced, nothing changed after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Manifest(Section):
    """A whole file.

    Attributes:
        KIND: Written as `kind: ivsqa/<KIND>`.
        SCHEMA_VERSION: The version this code writes; its history stands beside it in each subclass.
        UPGRADES: From a version to the next: pure functions on the plain mapping.
    """

    KIND: ClassVar[str]
    SCHEMA_VERSION: ClassVar[int] = 1
    UPGRADES: ClassVar[dict[int, Upgrade]] = {}


def no_effect(key: str, value: object, *, beside: str, mend: str) -> PydanticCustomError:
    """Return the error of a section's validator about a value that changes nothing because of another.

    Args:
        key: The key in the section.
        value: What it was set to.
        beside: What makes it idle, as it stands in the file.
        mend: What to do about it.
    """
    known = {"key": key, "value": value, "beside": beside, "mend": mend}
    return PydanticCustomError("no_effect", "no effect beside {beside}", known)


AnyManifest = TypeVar("AnyManifest", bound=Manifest)


def read_manifest(path: Path, model: type[AnyManifest]) -> AnyManifest:
    """Return the manifest in a file, upgraded in memory where it is of an older version.

    Raises:
        NotFoundError: no such file.
        IntegrityError: it is in a project, and not what was written there last.
        ManifestTooNewError: written by a later ivsqa.
        ManifestError: anything else; names the line, what was wanted and the nearest known key.
    """
    try:
        data = read_file(path, at_most_bytes=LARGEST_BYTES)
    except OutsideError:
        if is_file(path):
            raise
        raise NotFoundError("no such file", path=path) from None
    try:
        doors.verify(path, data)
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(f"not UTF-8 text at byte {error.start}", path=path, hint="save it as UTF-8") from None
    return parse_manifest(text, model, path=path)


class ReadManifest(Protocol):
    """What reads a manifest: `read_manifest`, or a `ManifestCache`."""

    def __call__(self, path: Path, model: type[AnyManifest]) -> AnyManifest:
        """Return the manifest in a file."""


class ManifestCache:
    """Reads manifests as `read_manifest` does, and each only once for as long as its file stays as it is.

    A command asks for the same thousands of manifests several times; to parse one takes longer than to see that it is the same.
    """

    def __init__(self, index: Path | None = None) -> None:
        """Read nothing yet; where there is an index of the project, what it holds is not read from the files."""
        self._read: dict[tuple[Path, type[Manifest]], tuple[tuple[int, int, int], Manifest]] = {}
        self._index = None if index is None else ManifestIndex(index)
        self._new: dict[tuple[Path, type[Manifest]], str] = {}

    def __reduce__(self) -> tuple[type[ManifestCache], tuple[Path | None]]:
        """Leave behind what was read: a pullback that goes to another process would take all others along."""
        return ManifestCache, (None if self._index is None else self._index.path,)

    def __call__(self, path: Path, model: type[AnyManifest]) -> AnyManifest:
        """Return the manifest in a file; see `read_manifest` for errors."""
        try:
            stat = path.stat()
        except OSError:
            return read_manifest(path, model)  # which says what is wrong
        state = (stat.st_ino, stat.st_mtime_ns, stat.st_size)  # each write is a new file, so the inode changes too
        before = self._read.get((path, model))
        if before is None or before[0] != state:
            kept = None if self._index is None else self._index.find(path, model)
            if kept is None:
                # Asked before it is read: where it is written between, the index holds what counts for nothing.
                sha256 = None if self._index is None else doors.known_hash(path)
                kept = read_manifest(path, model)
                if sha256 is not None:
                    self._new[path, model] = sha256
            before = self._read[path, model] = (state, kept)
        manifest = before[1]
        assert isinstance(manifest, model)
        return manifest

    @property
    def is_index_due(self) -> bool:
        """Whether many manifests were read that the index does not hold."""
        return self._index is not None and len(self._new) >= FEWEST

    def note(self) -> None:
        """Add what was read from files to the index."""
        if self._index is not None:
            self._index.add((path, sha256, self._read[path, model][1]) for (path, model), sha256 in self._new.items())
            self._new = {}


def parse_manifest(text: str, model: type[AnyManifest], *, path: Path | None = None) -> AnyManifest:
    """Return the manifest in a text; see `read_manifest`."""
    data = plain_mapping(text)
    if data is None:
        data, _ = strict_yaml.parse(text, path=path)
    data = _upgraded(_checked_envelope(data, model, path), model)
    try:
        # Through JSON, where a list is a tuple's honest form: strict Python mode would refuse it.
        return model.model_validate_json(json.dumps(data))
    except ValidationError as error:
        _, node = strict_yaml.parse(text, path=path)
        raise _manifest_error(error.errors(include_url=False)[0], model, node, path) from None


def manifest_text(manifest: Manifest) -> str:
    """Return the YAML of a manifest: kind and version first, then its fields in the order of the class."""
    envelope = {"kind": KIND_PREFIX + manifest.KIND, "schema_version": manifest.SCHEMA_VERSION}
    return strict_yaml.to_text(envelope | manifest.model_dump(mode="json"))


def write_manifest(path: Path, manifest: Manifest, *, mode: int = 0o666) -> None:
    """Write a manifest atomically; `mode` as in `atomic.replacing`."""
    atomic.write_text(path, manifest_text(manifest), mode=mode)


def _checked_envelope(data: Any, model: type[Manifest], path: Path | None) -> dict[str, Any]:  # noqa: ANN401
    """Return the mapping once its kind and version are known to be readable."""
    wanted = KIND_PREFIX + model.KIND
    if not isinstance(data, dict):
        raise ManifestError(f"expected a mapping that starts with `kind: {wanted}`", path=path, where="line 1")
    if data.get("kind") != wanted:
        raise ManifestError(f"expected `kind: {wanted}`, found {data.get('kind')!r}", path=path, where="kind")
    version = data.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ManifestError(
            f"`schema_version` must be a whole number from 1 to {model.SCHEMA_VERSION}, found {version!r}",
            path=path,
            where="schema_version",
        )
    if version > model.SCHEMA_VERSION:
        raise ManifestTooNewError(
            f"this file has version {version}, this ivsqa reads up to {model.SCHEMA_VERSION}",
            path=path,
            hint="upgrade with: pip install --upgrade ivsqa",
        )
    return data


def _upgraded(data: dict[str, Any], model: type[Manifest]) -> dict[str, Any]:
    """Return the fields of a mapping brought to the current version, one step at a time."""
    version = data["schema_version"]
    fields = {key: value for key, value in data.items() if key not in ("kind", "schema_version")}
    for step in range(version, model.SCHEMA_VERSION):
        fields = model.UPGRADES[step](fields)
    return fields


def _manifest_error(
    detail: ErrorDetails, model: type[Manifest], node: yaml.Node | None, path: Path | None
) -> ManifestError:
    """Return the one line that says which key is wrong, where, and what was wanted."""
    idle = detail["ctx"] if detail["type"] == "no_effect" else None
    keys = (*detail["loc"], idle["key"]) if idle else detail["loc"]
    name = ".".join(str(key) for key in keys) or "the file"
    line = strict_yaml.line_of(node, keys)
    where = f"line {line}" if line else ""
    if idle:
        message = f"`{name}: {idle['value']}` has no effect beside `{idle['beside']}`"
        return ManifestError(message, path=path, where=where, hint=idle["mend"])
    if detail["type"] == "extra_forbidden":
        known = _known_keys(model, keys[:-1])
        near = difflib.get_close_matches(str(keys[-1]), known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
        return ManifestError(f"unknown key `{name}`", path=path, where=where, hint=hint)
    if detail["type"] == "missing":
        return ManifestError(f"the key `{name}` is missing", path=path, where=where, hint="add it")
    wanted = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if not keys:
        return ManifestError(f"does not fit together, wanted: {wanted}", path=path)
    return ManifestError(f"`{name}` is {detail['input']!r}, wanted: {wanted}", path=path, where=where)


def _known_keys(model: type[BaseModel], keys: tuple[str | int, ...]) -> list[str]:
    """Return the keys a manifest knows at a place, following lists, mappings and options inwards."""
    for key in keys:
        if isinstance(key, str) and key in model.model_fields:
            inner = _section_in(model.model_fields[key].annotation)
            if inner is None:
                return []
            model = inner
    return list(model.model_fields)


def _section_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401
    """Return the section class inside an annotation such as `tuple[X, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((section for part in get_args(annotation) if (section := _section_in(part)) is not None), None)
