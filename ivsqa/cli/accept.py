"""`ivsqa accept`: deliver what a model drew, as far as an audit proves what is promised of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ivsqa.cli.options import DryRunOption, JsonOption, ModelOption, ProjectOption, opened
from ivsqa.cli.output import count, note, percent, picked, say, say_json
from ivsqa.cli.progress import command_context

if TYPE_CHECKING:
    from ivsqa.io.project.certificates import CertificateRecord
    from ivsqa.workflow.accepting.accept import AcceptResult


def _inside(value: float) -> float:
    """Refuse what is no promise: at least nothing, or at most everything."""
    if not 0.0 < value < 1.0:
        raise typer.BadParameter(f"{value}: wanted more than 0 and less than 1")
    return value


def _below_one(value: float | None) -> float | None:
    if value is not None and not 0.0 <= value < 1.0:
        raise typer.BadParameter(f"{value}: wanted at least 0 and less than 1")
    return value


LossOption = Annotated[
    Literal["dice", "area", "distance"],
    typer.Option(
        metavar="dice|area|distance",
        help="What a frame loses: 1 - Dice, relative error of the area, or HD95 in mm; of its worst structure.",
    ),
]
AtMostOption = Annotated[
    float, typer.Option(callback=_inside, metavar="X", help="Promise a mean loss of at most X over all frames.")
]
WorseThanOption = Annotated[
    float | None,
    typer.Option(
        callback=_below_one,
        metavar="T",
        help="Promise instead that at most a share X of frames under the bar loses more than T.",
    ),
]
ConfidenceOption = Annotated[float, typer.Option(callback=_inside, metavar="P", help="How surely the promise holds.")]
ReaderLossOption = Annotated[
    float, typer.Option(callback=_below_one, metavar="X", help="What a reader's own frame is taken to lose.")
]


def accept(
    project: ProjectOption = None,
    loss: LossOption = "dice",
    at_most: AtMostOption = 0.05,
    worse_than: WorseThanOption = None,
    confidence: ConfidenceOption = 0.9,
    reader_loss: ReaderLossOption = 0.0,
    model: ModelOption = None,
    audit: Annotated[
        str | None,
        typer.Option("--audit", metavar="ID", help="The audit, such as r002.", show_default="the newest for the model"),
    ] = None,
    missing_as_lost: Annotated[
        bool, typer.Option("--missing-as-lost", help="Count audited frames that did not come back as wholly lost.")
    ] = False,
    withdraw: Annotated[
        str | None,
        typer.Option("--withdraw", metavar="ID", help="Give up a certificate, such as c001; accept nothing."),
    ] = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Accept what the model drew, with a certificate. As many frames as the audit proves good enough."""
    from ivsqa.workflow.accepting.accept import accept as accept_frames
    from ivsqa.workflow.accepting.accept import withdraw_certificate

    with command_context() as context:
        if withdraw is not None:
            given_up = withdraw_certificate(opened(project), withdraw, dry_run=dry_run, context=context)
            _say_withdrawn(given_up, as_json=as_json, dry_run=dry_run)
            return
        result = accept_frames(
            opened(project),
            loss=loss,
            at_most=at_most,
            confidence=confidence,
            worse_than=worse_than,
            reader_loss=reader_loss,
            model_id=model,
            round_id=audit,
            missing_as_lost=missing_as_lost,
            dry_run=dry_run,
            context=context,
        )
    if as_json:
        say_json(_as_plain(result))
    else:
        _say(result, dry_run=dry_run)


def _say_withdrawn(record: CertificateRecord, *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        say_json(picked(record, "certificate_id", "is_withdrawn"))
        return
    unwritten = " (not written: --dry-run)" if dry_run else ""
    say(f"{record.certificate_id} withdrawn: {count(record.n_accepted, 'frame')} accepted no more{unwritten}")


def _as_plain(result: AcceptResult) -> dict[str, object]:
    """Return what is accepted under its fixed keys."""
    known = picked(result, "audits", "n_pool", "n_audited", "n_missing", "n_needed", "n_tried", "joint_confidence")
    promise = picked(
        result.promise, "model_id", "loss", "at_most", "confidence", "worse_than", "reader_loss", "sentence"
    )
    certificate = result.certificate
    names = ("bar", "bound", "n_lost", "n_accepted", "n_left", "is_assisted")
    return {
        "certificate_id": certificate and certificate.certificate_id,
        "page": result.page,
        "is_new": result.is_new,
        "reason": result.reason,
        "promise": promise,
        **known,
        **(picked(certificate, *names) if certificate else dict.fromkeys(names)),
        "assumptions": "; ".join(certificate.assumptions) if certificate else "",
    }


def _say(result: AcceptResult, *, dry_run: bool) -> None:
    """Print what is accepted."""
    audits = " and ".join(result.audits)
    say(f"promise: {result.promise.sentence}")
    say(f"audit {audits}: {count(result.n_audited, 'frame')} of {result.n_pool:,} that nobody had read")
    if dry_run:
        if result.n_missing:
            say(f"{count(result.n_missing, 'audited frame')} without a reading that counts")
        needed = f"{result.n_needed} frames without any loss would prove it for all; real ones lose something, so more are needed"
        say(needed)
        say("losses were not looked at, nothing is written: --dry-run")
        return
    if result.certificate is None:
        say(f"nothing is accepted: {result.reason}")
    else:
        _say_certificate(result.certificate, result)
    if result.n_tried > 1:
        note(
            f"{result.n_tried} promises were tried on this audit; that all of them hold is sure at "
            f"{percent(result.joint_confidence)}"
        )
    if result.certificate is None:
        say("next: audit more frames with: ivsqa audit; or promise less with: ivsqa accept --at-most")
    elif result.is_new and result.certificate.n_left:
        say(f"{count(result.certificate.n_left, 'frame')} left to read")
        say("next: ivsqa select -n 50 --strategy review")


def _say_certificate(certificate: CertificateRecord, result: AcceptResult) -> None:
    """Print what a certificate accepts and assumes."""
    share = percent(certificate.n_accepted / certificate.n_pool)
    accepted = (
        f"{count(certificate.n_accepted, 'frame')} accepted ({share}), predicted to lose at most {certificate.bar:.3f}"
    )
    say(f"{certificate.certificate_id}: {accepted}")
    say(f"proved: at most {certificate.bound:.3f}")
    if certificate.n_lost:
        say(f"{count(certificate.n_lost, 'audited frame')} given up or missing: counted as wholly lost")
    for assumption in certificate.assumptions:
        say(f"assumed: {assumption}")
    if not result.is_new:
        say(f"{certificate.certificate_id} says the same already: nothing new is written")
    say(f"page: {result.page}")
