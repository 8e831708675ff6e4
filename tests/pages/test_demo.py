from dataclasses import replace
from html.parser import HTMLParser
from math import nan
from pathlib import Path

from ivsqa.pages.demo import DemoStage, Example, demo_page

STAGE = DemoStage(
    "start", "m001", 8, {"lumen": 0.8, "eem": 0.9}, {"lumen": 0.4567, "eem": nan}, 3, 0.05, 0.75, 0.5, 0.25
)


class Page(HTMLParser):
    """Collects the cells of each row, and every address."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href") and value]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def page_of(*stages: DemoStage, caption: str = "S02-P1 frame 3") -> str:
    return demo_page(
        stages,
        examples=[Example(caption, Path("pictures/a b.png"))],
        heatmaps=[Path("study/scores/h.png")],
        packet=Path("study/rounds/r001/packet/INSTRUCTIONS.html"),
        study=Path("study"),
        report=Path("study/reports/report.html"),
        seconds=90.0,
    )


def test_every_model_has_a_row_and_what_is_not_known_a_dash():
    page = Page(page_of(STAGE, replace(STAGE, name="round 1", model_id="m002", n_labels=20)))
    header, start, last = page.rows
    assert header[:4] == ["model", "labels", "lumen Dice", "lumen HD95 mm"]
    assert [cell.strip() for cell in start[:6]] == ["start (m001)", "8", "0.800", "0.46", "0.900", "–"]
    assert [cell.strip() for cell in last[:2]] == ["round 1 (m002)", "20"]
    assert {len(row) for row in page.rows} == {len(header)}


def test_every_address_is_relative_to_the_page():
    page = Page(page_of(STAGE))
    assert page.addresses == [
        "study/reports/report.html",
        "study/rounds/r001/packet/INSTRUCTIONS.html",
        "pictures/a b.png",
        "study/scores/h.png",
    ]


def test_the_time_is_told_in_minutes_and_the_rounds_are_counted():
    text = page_of(STAGE, STAGE, STAGE)
    assert "1.5 minutes" in text
    assert "in 2 rounds" in text


def test_text_from_outside_is_never_markup():
    text = page_of(replace(STAGE, name="<b>"), caption='"><script>')
    assert "<script>" not in text
    assert "&lt;b&gt;" in text
