"""ivsqa: annotate intravascular ultrasound with far less work.

A project folder goes in, packets for annotators come out, better models come back. `ivsqa.open` is the way in from Python.

Layers, outermost last: errors → domain → drawing → io → pages → phantom → model → workflow → study → cli; each may import only
those before it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ivsqa.domain.contour import Contour as Contour
    from ivsqa.domain.pullback import FrameKey as FrameKey
    from ivsqa.errors import IvsqaError as IvsqaError
    from ivsqa.io.project.pullbacks import Pullback as Pullback
    from ivsqa.study import Study as Study
    from ivsqa.study import create as create
    from ivsqa.study import open as open  # noqa: A004  as in zarr.open and PIL.Image.open

__version__ = "0.1.0"
__all__ = ["Contour", "FrameKey", "IvsqaError", "Pullback", "Study", "__version__", "create", "open"]

_HOME = {
    "Contour": "domain.contour",
    "FrameKey": "domain.pullback",
    "IvsqaError": "errors",
    "Pullback": "io.project.pullbacks",
    "Study": "study",
    "create": "study",
    "open": "study",
}

if not TYPE_CHECKING:  # so that type checkers know a misspelt name

    def __getattr__(name: str) -> Any:  # noqa: ANN401  what it is depends on the name
        """Return a public name, imported when it is first asked for: `import ivsqa` and help load nothing heavy."""
        if name not in _HOME:
            raise AttributeError(f"module 'ivsqa' has no attribute {name!r}")
        return getattr(import_module(f"ivsqa.{_HOME[name]}"), name)
