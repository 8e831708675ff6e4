"""A shard of an import: its sources are decoded ahead, and nothing else; the import without a shard takes them in."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ivsqa.domain.shards import Shard
from ivsqa.errors import IvsqaError
from ivsqa.io.leftovers import TEMPORARY_PREFIX, sweep, temporary_path
from ivsqa.io.outside import apart, entries
from ivsqa.io.parallel import in_processes
from ivsqa.io.project.project import Project
from ivsqa.io.reading import reading
from ivsqa.io.sources.source import PullbackSource
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.importing.ahead import Ahead
from ivsqa.workflow.importing.decode import decode_frames
from ivsqa.workflow.importing.import_pullbacks import find_all_sources
from ivsqa.workflow.importing.options import ImportOptions


@dataclass
class ShardResult:
    """The result of a shard of an import.

    Attributes:
        n_decoded: Sources decoded now.
        n_there: Sources that were decoded, or imported, before.
        failed: What could not be read; of files that no shard can have, the first shard tells.
        finished: False where someone asked to stop: the same command goes on.
    """

    n_decoded: int = 0
    n_there: int = 0
    failed: list[IvsqaError] = field(default_factory=list)
    finished: bool = True


def decode_shard(
    project: Project, paths: Sequence[Path], options: ImportOptions, shard: Shard, context: Context = DEFAULT_CONTEXT
) -> ShardResult:
    """Decode the share of a shard of all that is under some paths, ahead of its import.

    Writes `pullbacks/.decoded/`. In any order, and any number of times: what is decoded is not decoded again.
    """
    result = ShardResult()
    sources, failed = find_all_sources(paths)
    n_frames: dict[str, int] = {}
    for number, source in enumerate(sources):
        with apart(failed, source.path), reading(source.path):
            n_frames[str(number)] = options.facts_of(source).n_frames
    own = [sources[int(number)] for number in shard.share(n_frames)]
    result.failed = failed if shard.number == 1 else []
    ahead = Ahead(project.layout.decoded)
    sweep(entries(ahead.folder, f"{TEMPORARY_PREFIX}*"))
    known = frozenset(record.source_sha256 for record in project.pullbacks())
    run = partial(_decode_one, ahead=ahead, options=options, known=known)
    with context.progress("Decoding", len(own), "pullback") as advance:
        for outcome in in_processes(run, own, n_jobs=options.n_jobs, should_stop=context.should_stop):
            if isinstance(outcome, IvsqaError):
                result.failed.append(outcome)
            else:
                result.n_decoded += outcome
                result.n_there += not outcome
            advance(1)
    result.finished = not context.should_stop()
    return result


def _decode_one(
    source: PullbackSource, *, ahead: Ahead, options: ImportOptions, known: frozenset[str]
) -> bool | IvsqaError:
    """Decode a source; returns whether there was anything to do, or why it cannot be read."""
    folder = temporary_path(ahead.folder / "pullback")
    try:
        with reading(source.path):
            fingerprint, facts = source.fingerprint(), options.facts_of(source)
        path = ahead.of(fingerprint, options)
        if fingerprint in known or path.is_dir():
            return False
        ahead.keep(folder, path, *decode_frames(folder, source, facts, options))
    except IvsqaError as error:
        return error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True
