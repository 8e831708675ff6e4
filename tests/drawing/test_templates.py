import re
import subprocess
import sys
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from ivsqa.drawing.templates import fill, source

PACKAGE = Path(__file__).parents[2] / "ivsqa"


def test_a_name_that_a_template_was_not_given_is_an_error_not_a_blank():
    with pytest.raises(UndefinedError, match="'plot' is undefined"):
        fill("drawing/scatter_chart.svg.j2", side=440.0, series=[], n=0)


def test_a_picture_lies_inside_the_page():
    assert source(b"jpeg") == "data:image/jpeg;base64,anBlZw=="


def test_the_template_engine_is_loaded_by_the_first_page_only():
    code = "import sys, ivsqa.pages.report, ivsqa.io.packets; sys.stdout.write(str('jinja2' in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False", "")


def test_no_template_lets_text_through_as_it_is():
    templates = sorted(PACKAGE.rglob("*.j2"))
    assert len(templates) > 10
    assert [
        path.name for path in templates if re.search(r"\|\s*safe|autoescape", path.read_text(encoding="utf-8"))
    ] == []


def test_only_templates_and_the_style_of_the_browsers_page_become_markup():
    makers = {path.name for path in PACKAGE.rglob("*.py") if "Markup(" in path.read_text(encoding="utf-8")}
    assert makers == {"templates.py", "page.py"}
