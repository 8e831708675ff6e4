"""A small study in which every kind of file is there, and what its files are called."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from ivsqa.io.project.project import Project
from ivsqa.workflow.accepting.accept import accept
from ivsqa.workflow.accepting.audit import draw_audit
from ivsqa.workflow.evaluating.evaluate import evaluate_model
from ivsqa.workflow.measuring.measure import measure_pullbacks
from ivsqa.workflow.readers.undo import undo
from ivsqa.workflow.reporting.report import write_report
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.import_annotations import import_annotations
from ivsqa.workflow.rounds.select import select_frames
from tests.conftest import Phantoms

KINDS: dict[str, str] = {
    "settings": r"project\.yaml",
    "identity": r"identity\.yaml",
    "ledger": r"ledger/.*\.jsonl",
    "pullback": r"pullbacks/.*/pullback\.yaml",
    "frames": r"pullbacks/.*/frames\.npy",
    "revision": r"annotations/.*rev-[^.]*\.yaml",
    "drawn contours": r"annotations/.*contours\.csv",
    "pointer": r"annotations/.*ptr-.*\.yaml",
    "model": r"models/.*/model\.yaml",
    "weights": r"models/.*/weights\.safetensors",
    "training frames": r"models/.*/training_frames\.csv",
    "training log": r"models/.*/log\.csv",
    "scores record": r"scores/.*/scores\.yaml",
    "scores": r"scores/.*/frames-.*\.parquet",
    "error maps": r"scores/.*/error-maps-.*\.parquet",
    "round": r"rounds/.*/round\.yaml",
    "selection": r"rounds/.*/selection\.csv",
    "audit": r"rounds/.*/audit\.yaml",
    "audit pool": r"rounds/.*/pool\.csv",
    "packet record": r"rounds/[^/]*/packet[^/]*\.yaml",
    "sent contours": r"rounds/[^/]*/sent[^/]*\.csv",
    "packet's copy": r"rounds/[^/]*/packet[^/]*/\.ivsqa/.*",
    "packet": r"rounds/[^/]*/packet[^/]*/.*",
    "packet zip": r"rounds/.*\.zip",
    "return": r"rounds/.*/returns/.*",
    "certificate": r"certificates/.*/certificate\.yaml",
    "accepted frames": r"certificates/.*/frames\.csv",
    "audited frames": r"certificates/.*/audited\.csv",
    "certificate curve": r"certificates/.*/curve\.csv",
    "certificate page": r"certificates/.*\.html",
    "evaluation": r"reports/evaluation-.*\.json",
    "evaluation page": r"reports/evaluation-.*/.*",
    "measures": r"reports/measures-.*",
    "report": r"reports/report\.html",
}
"""Kinds of file by their names; the first that fits counts, and what fits none is of the kind "other"."""


def kind_of(name: str) -> str:
    return next((kind for kind, pattern in KINDS.items() if re.fullmatch(pattern, name)), "other")


def files_by_kind(root: Path) -> dict[str, list[Path]]:
    """Return the files of a study, as paths in it, by kind."""
    found: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            inside = path.relative_to(root)
            found.setdefault(kind_of(inside.as_posix()), []).append(inside)
    return found


def complete(project: Project, phantoms: Phantoms) -> None:
    """Bring a scored study so far that it has every kind of file."""

    def read(reader: str) -> None:
        packet = export_for_annotation(project, reader=reader, make_zip=True).folder
        with TemporaryDirectory() as name:
            back = Path(shutil.copytree(packet, Path(name) / "back"))
            phantoms.annotate(back, seed=len(reader))
            import_annotations(project, back, reader=reader, accept_untouched=True)

    frames = select_frames(project, n=3, strategy="random").frames
    read("anna")
    read("bertil")
    undo(project, [str(frames[0].key)], reader="bertil")
    audit = draw_audit(project, 12)
    packet = export_for_annotation(project, round_id=audit.round.round_id).folder
    phantoms.annotate(packet)
    import_annotations(project, packet, reader="anna", accept_untouched=True)
    accept(project, at_most=0.6, confidence=0.5, missing_as_lost=True)
    evaluate_model(project)
    measure_pullbacks(project)
    write_report(project)
    select_frames(project, n=2, strategy="random")
    export_for_annotation(project)


def linked_copy(root: Path, target: Path) -> Path:
    """Copy a study without its bytes: whoever writes a file anew leaves the original as it is."""
    return Path(shutil.copytree(root, target, copy_function=os.link))
