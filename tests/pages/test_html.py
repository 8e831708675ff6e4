import re

from ivsqa.pages.html import color_keys, page, picture, table


def test_a_page_needs_nothing_beside_it_in_light_in_dark_and_on_paper():
    text = page("A & B", "<p>body</p>", style=".own { color: red }")
    assert "<title>A &amp; B</title>" in text
    assert ".own" in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert not re.search(r"https?://|@import|<script|<link", text)


def test_a_picture_lies_inside_and_its_words_are_never_markup():
    text = picture(b"jpeg", 'a" onerror="x')
    assert 'src="data:image/jpeg;base64,anBlZw=="' in text
    assert 'alt="a&quot; onerror=&quot;x"' in text


def test_a_table_wider_than_the_screen_scrolls_by_itself():
    assert table(["a"], [[["1"], ["2"]], [["3"]]]).startswith('<div class="wide"><table>')
    assert table(["a"], [[["1"], ["2"]], [["3"]]]).count("<tr>") == 4


def test_a_structure_is_named_beside_its_colour():
    assert "&lt;b&gt;" in color_keys({"<b>": "#000000"})
