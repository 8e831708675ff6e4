"""The command line: `ivsqa COMMAND`. Commands import what they need when they run, so that help is quick."""

from __future__ import annotations

import atexit
import gc
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

import ivsqa
from ivsqa.cli.commands import GROUPS, SHARED_OUT, LazyCommands
from ivsqa.cli.output import ANSWER, flush_answer, lose_answer, say, tell, tell_error
from ivsqa.cli.progress import STOPS
from ivsqa.errors import EXIT_INTERRUPTED, EXIT_NOBODY_READS, EXIT_USAGE, EXIT_USER_ERROR, IvsqaError
from ivsqa.io.outside import outside
from ivsqa.io.ranks import this_rank

INTERRUPTED = "interrupted; the same command goes on where this one stopped"
COLLECT_AFTER = (50_000, 20, 20)
"""When Python looks for objects that hold one another. A command makes hundreds of thousands that live to its end, and to go
through them as often as Python does by itself took a quarter of its time over a study of thousands of pullbacks."""
UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What a command line is refused with; typer gives a name to its child only."""


@contextmanager
def told_errors() -> Iterator[None]:
    """Turn errors into messages and exit codes: a user's is one line and 3 or 2, an interruption 130, a bug a traceback and 1.

    What the system refuses is a user's error too.
    """
    try:
        with outside():
            try:
                yield
            finally:
                flush_answer()
    except BrokenPipeError:
        lose_answer()
        raise typer.Exit(EXIT_NOBODY_READS) from None
    except IvsqaError as error:
        if error.path == ANSWER:
            lose_answer()
        _tell_once(error)
        raise typer.Exit(EXIT_USER_ERROR) from None
    except UsageError as error:
        message, context = error.format_message(), error.ctx  # type: ignore[attr-defined]
        if message.startswith("Usage: "):  # nothing was asked for
            typer.echo(message, err=True)
        else:
            # As our own messages begin, and on one line; but a name in quotes stays as it is.
            line = " ".join((message[:1].lower() + message[1:].removesuffix(".")).split()).replace("Value error, ", "")
            _tell_once(IvsqaError(line, hint=f"{context.command_path if context else 'ivsqa'} --help"))
        raise typer.Exit(EXIT_USAGE) from None
    except KeyboardInterrupt:
        tell(INTERRUPTED)
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _tell_once(error: IvsqaError) -> None:
    """Print an error; where several processes share out a command, only that of the first that fails, which ends the others."""
    if this_rank().of > 1:
        from ivsqa.model.ranks import is_first_to_fail  # torch loads for seconds

        if not is_first_to_fail(error):
            return
    tell_error(error)


class CommandGroup(TyperGroup):
    """All commands; and the one place where errors become messages and exit codes: the same for the shell and for tests."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  typer's own types are private
        super().__init__(**settings)
        self.commands = LazyCommands()  # type: ignore[assignment]  # nothing is added to it

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002
        """Write the list of commands by group; typer does so only in the help that rich draws, which is not used here."""
        width = max(map(len, self.commands))
        for heading, names in GROUPS.items():
            with formatter.section(heading):
                helps = [self.commands[name].get_short_help_str(formatter.width - 6 - width) for name in names]
                formatter.write_dl([(name.ljust(width), text) for name, text in zip(names, helps, strict=True)])

    def make_context(self, *args: Any, **settings: Any) -> Any:  # noqa: ANN401
        """Read the options before the command."""
        with told_errors():
            return super().make_context(*args, **settings)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Read the command with its options, and run it."""
        from ivsqa.io.ledger import doors  # hashes and clocks load: help needs none

        asked = [*ctx._protected_args, *ctx.args]
        if asked and asked[0] not in SHARED_OUT and not this_rank().is_first:
            return None
        with told_errors(), doors.command(asked[0], "\0".join(asked)) if asked else nullcontext():
            return super().invoke(ctx)


app = typer.Typer(
    cls=CommandGroup,
    name="ivsqa",
    epilog="Start with: ivsqa demo   ·   or: ivsqa init STUDY, then ivsqa status tells what to do next.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # tracebacks with locals would show patient data
    rich_markup_mode=None,  # plain help: half the start-up time, and it reads well in a pipe
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _show_version(value: bool) -> None:
    if value:
        say(f"ivsqa {ivsqa.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Annotate intravascular ultrasound with far less work: a network that predicts its own errors chooses the frames."""


def main() -> None:
    """Run the command line."""
    gc.set_threshold(*COLLECT_AFTER)
    atexit.register(gc.freeze)  # nor are they gone through once more when all is done
    for number in STOPS:
        signal.signal(number, _interrupt)
    # Closed by whoever started us: then nobody wants to read it.
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except KeyboardInterrupt:  # before a command began, or while what it left was cleaned up
        tell(INTERRUPTED)
        sys.exit(EXIT_INTERRUPTED)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does: what is half-written is removed, and locks are given back."""
    raise KeyboardInterrupt


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")
