"""Synthetic IVUS pullbacks whose borders are known exactly: for the demo, the tutorial, the tests and a first training.

`phantom_pullback` draws a vessel, `iter_frames` makes its frames one by one. A vessel is made of geometry (`geometry`), tissue
(`tissue`) and the way one of five consoles (`consoles`) shows them (`beams`, `imaging`, `marks`). `varied_pullback` draws the
console too (`looks`), and what happens to its pictures later (`artefacts`, `overlays`, `warps`).
"""

from ivsqa.phantom.consoles import CONSOLES, ConsoleLook
from ivsqa.phantom.pullback import PhantomPullback, iter_frames, phantom_pullback
from ivsqa.phantom.varied import varied_pullback

__all__ = ["CONSOLES", "ConsoleLook", "PhantomPullback", "iter_frames", "phantom_pullback", "varied_pullback"]
