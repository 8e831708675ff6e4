import subprocess
import sys

import pytest
from jinja2 import UndefinedError

from ivsqa.drawing.templates import fill, source


def test_a_name_that_a_template_was_not_given_is_an_error_not_a_blank():
    with pytest.raises(UndefinedError, match="'plot' is undefined"):
        fill("drawing/scatter_chart.svg.j2", series=[], n=0)


def test_a_picture_lies_inside_the_page():
    assert source(b"jpeg") == "data:image/jpeg;base64,anBlZw=="


def test_the_template_engine_is_loaded_by_the_first_page_only():
    code = "import sys, ivsqa.pages.report, ivsqa.io.packets; sys.stdout.write(str('jinja2' in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False", "")
