"""The boundary around each file from outside: whatever its reader meets becomes one error that names the file.

Readers turn what they know of into errors of their own. What is left is what no reader thinks of: decoders of other people raise
anything on a file that was made to, or that was cut at the wrong byte. Of a batch, the others go on.
"""

from __future__ import annotations

import lzma
import struct
import traceback
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ivsqa
from ivsqa.errors import IvsqaError, SourceError, located
from ivsqa.io.budgets import COPY_AGAIN

BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zlib.error,
)
"""What decoders raise on files that are cut short, wrong or of an unknown kind."""
OURS = (AssertionError, NotImplementedError)
"""What a line of ours never raises over a file: there it is a bug, and stays one."""
_PACKAGE = str(Path(ivsqa.__file__).parent)


@contextmanager
def reading(path: Path, *, error: type[IvsqaError] = SourceError) -> Iterator[None]:
    """Raise whatever goes wrong in the block, which only reads, as an error about a file.

    Args:
        path: The file or folder that is read.
        error: What is raised where no reader said what is wrong.

    Example:
        >>> with reading(Path("a.dcm")):
        ...     {}["Rows"]
        Traceback (most recent call last):
        ivsqa.errors.SourceError: a.dcm: is broken in a way that its reader does not know (KeyError) (copy or export it again)
    """
    with located(path=path):
        try:
            yield
        except OSError as problem:
            at = problem.filename if isinstance(problem.filename, str) else path
            reason = f"cannot be read: {problem.strerror}" if problem.strerror else "is broken or cut short"
            raise error(reason, hint="" if problem.strerror else COPY_AGAIN, path=Path(at)) from problem
        except MemoryError as problem:
            raise error("takes more memory than there is", hint="import it on a larger machine") from problem
        except BROKEN as problem:
            if isinstance(problem, OURS) and _is_raised_by_us(problem):
                raise
            kind = type(problem).__name__
            raise error(f"is broken in a way that its reader does not know ({kind})", hint=COPY_AGAIN) from problem


def _is_raised_by_us(problem: BaseException) -> bool:
    """Whether the very line that raised an error is one of this package, not of a decoder."""
    *_, (frame, _) = traceback.walk_tb(problem.__traceback__)
    return frame.f_code.co_filename.startswith(_PACKAGE)
