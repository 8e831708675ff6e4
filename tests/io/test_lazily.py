"""A package that is loaded when something of it is asked for."""

import subprocess
import sys

import pytest

from ivsqa.io.lazily import lazily


def test_package_is_loaded_when_something_of_it_is_asked_for():
    code = "import sys; from ivsqa.io.lazily import lazily; one = lazily('colorsys'); assert 'colorsys' not in sys.modules;"
    subprocess.run([sys.executable, "-c", f"{code} assert one.rgb_to_hsv(1, 1, 1) == (0.0, 0.0, 1)"], check=True)


def test_what_is_not_in_it_is_missed_as_ever():
    with pytest.raises(AttributeError, match="no_such"):
        _ = lazily("colorsys").no_such
