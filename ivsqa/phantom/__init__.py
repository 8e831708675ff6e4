"""Synthetic IVUS pullbacks whose borders are known exactly: for the demo, the tutorial and the tests.

`phantom_pullback` draws a vessel, `iter_frames` makes its frames one by one. A vessel is made of geometry (`geometry`), tissue
(`tissue`) and the way one of five consoles (`consoles`) shows them (`beams`, `imaging`, `marks`).
"""

from ivsqa.phantom.consoles import CONSOLES, ConsoleLook
from ivsqa.phantom.pullback import PhantomPullback, iter_frames, phantom_pullback

__all__ = ["CONSOLES", "ConsoleLook", "PhantomPullback", "iter_frames", "phantom_pullback"]
