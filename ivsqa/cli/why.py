"""`ivsqa why`: the history of a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ivsqa.cli.options import JsonOption, ProjectOption, opened
from ivsqa.cli.output import count, picked, say, say_json, time_of_day

if TYPE_CHECKING:
    from ivsqa.io.project.annotation_records import RevisionRecord
    from ivsqa.workflow.reporting.why import FrameChain


def why(
    frame: Annotated[str, typer.Argument(help="PULLBACK:FRAME, or a packet's file name.", metavar="FRAME")],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the history of a frame. Its source, scores, rounds, readers, and the models that learnt from it."""
    from ivsqa.workflow.reporting.why import explain_frame

    chain = explain_frame(opened(project), frame)
    if as_json:
        say_json(_as_plain(chain))
    else:
        _say(chain)


def _as_plain(chain: FrameChain) -> dict[str, object]:
    """Return the history under its fixed keys."""
    current = chain.standing.current if chain.standing else None
    return {
        **picked(chain.pullback, "pullback_id", "subject_id", "split", "source_sha256"),
        **picked(chain, "frame_index", "position_mm", "held_by", "accepted_by", "trained"),
        "scores": [
            {"model_id": model.model_id, "quality": round(score.quality, 6), "dice": score.dice}
            for model, score in chain.scores
        ],
        "selections": [
            picked(record, "round_id", "strategy", "seed") | picked(chosen, "rank", "reason")
            for record, chosen in chain.selections
        ],
        "revisions": [
            {
                **picked(revision, "revision_id", "reader", "source", "round_id"),
                "created_at": revision.provenance.created_at,
                "origin": revision.origin_of(chain.frame_index),
                "is_reference": bool(revision.settles),
                "repeats": revision.repeats,
                "counts": chain.counts(revision),
            }
            for revision in chain.revisions
        ],
        "annotation": current.revision_id if current else None,
        "is_disputed": chain.standing is not None and chain.standing.is_disputed,
    }


def _say(chain: FrameChain) -> None:
    """Print the history as it went."""
    pullback = chain.pullback
    place = "" if chain.position_mm is None else f", {chain.position_mm:.1f} mm along"
    say(f"frame {chain.frame_index} of {pullback.pullback_id} (subject {pullback.subject_id}, {pullback.split}{place})")
    made = pullback.provenance
    say(
        f"imported {time_of_day(made.created_at)} with ivsqa {made.ivsqa_version}; source {pullback.source_sha256[:12]}"
    )
    for model, score in chain.scores:
        dice = ", ".join(f"{name} {value:.3f}" for name, value in score.dice.items())
        say(f"{model.model_id} predicts Dice {dice}; {count(score.n_regions, 'doubtful region')}")
    for record, chosen in chain.selections:
        rank = f"rank {chosen.rank} of {record.n} by {record.strategy}, seed {record.seed}"
        say(f"{record.round_id} ({record.state}): {rank}: {chosen.reason}")
    for revision in chain.revisions:
        origin = f"{revision.origin_of(chain.frame_index)} by {revision.reader}, {revision.source}"
        at = time_of_day(revision.provenance.created_at)
        say(f"{revision.revision_id}: {origin}, {at}{_role(chain, revision)}")
    for pointer, move in chain.pointers:
        target = move.revision_id or "nothing"
        since = time_of_day(pointer.provenance.created_at)
        say(f"{pointer.pointer_id}: {target} counts of {pointer.reader} since {since}")
    if chain.standing is not None and chain.standing.is_disputed:
        say("in dispute between readers: no model learns from it until it is settled")
    if chain.held_by:
        say(f"held back by the audit {chain.held_by}: no model learns from it until: ivsqa audit --release")
    if chain.accepted_by:
        say(f"accepted as the model drew it by {chain.accepted_by}")
    say(f"learnt by {', '.join(chain.trained)}" if chain.trained else "no model learnt from it")


def _role(chain: FrameChain, revision: RevisionRecord) -> str:
    """Return the role of a revision for the frame now, in words."""
    if chain.standing is not None and revision == chain.standing.current:
        return ", the reference" if revision.settles else ", counts"
    if chain.is_compared(revision):
        return f", read again, to be compared with {revision.repeats}"
    return "" if chain.counts(revision) else ", taken back or replaced"
