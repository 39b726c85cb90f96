"""Figures are drawn finely; tables stay tables, whatever a cell holds."""

import re
import subprocess
import sys
from html import unescape

import pytest
from markdown_it import MarkdownIt

from rnnlib import figures

CELLS = [
    "|", "\\|", "\\\\|", "\\\\\\|", "||", "a|b|", "\\", "\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85",
    "\u2028", "\u2029", "a\nb\n", "`", "``", "*", "_", "<", "<!--", "[a](", "#", "---", "$", "\\$", "$$$",
    " ", "\t", "", None, True, 0, -1.5, 1e-300, "日", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("cell", CELLS, ids=ascii)
def test_a_cell_stays_one_cell(cell) -> None:
    lines = figures.table(["character", "count"], [[cell, 3], ["x", cell]]).data.splitlines()
    assert len(lines) == 4
    text = "\n".join(lines).encode("utf-8", "replace").decode()
    tokens = [token.type for token in MarkdownIt("commonmark").enable("table").parse(text)]
    assert [tokens.count(kind) for kind in ("table_open", "th_open", "td_open")] == [1, 2, 4]
    assert tokens[0] == "table_open" and tokens[-1] == "table_close"


def test_what_is_drawn_and_escaped() -> None:
    for cell, expected in {
        "|": "\\|", "\\|": "\\|", "\\\\|": "\\\\\\|", "a|b": "a\\|b", "||": "\\|\\|",
        "a\nb\r\nc\r": "a⏎b⏎c⏎", "\n\n": "⏎⏎",
        "$": "\\$", "\\$": "\\$", "\\\\$": "\\\\\\$", "$x|y$": "$x\\|y$", "a$b$c$": "a\\$b\\$c\\$",
        "$\\tau$ and `x`": "$\\tau$ and `x`", "<samp>\\|⏎</samp>": "<samp>\\|⏎</samp>", None: "None",
    }.items():  # fmt: skip
        assert figures.table(["a"], [[cell]]).data == f"| a |\n| --- |\n| {expected} |"
    assert (
        figures.table(["a|", "b"], iter([(1, 2.5)])).data
        == "| a\\| | b |\n| --- | --- |\n| 1 | 2.5 |"
    )


@pytest.mark.parametrize("row", [[1], [1, 2, 3], []])
def test_a_row_has_the_cells_of_the_header(row) -> None:
    with pytest.raises(ValueError, match=rf"rows must have 2 cells, got {len(row)}: \{row}"[:40]):
        figures.table(["a", "b"], [[1, 2], row])


def test_verses_stand_under_their_pinyin_beside_their_gloss() -> None:
    lines, gloss = ["重看山，", "<unk>"], ["again & again", "what"]
    html = figures.verses(lines, gloss, "看 <1>", {"重": "chóng"}).data
    assert html.count("<ruby>") == html.count('lang="zh-Hant"') + 1 == 3
    assert re.findall("<ruby>(.)<rp>.*?<rt[^>]*>(.*?)</rt>", html) == [
        ("重", "chóng"), ("看", "kàn"), ("山", "shān")
    ]  # fmt: skip
    text = unescape(re.sub("<rp>.*?</ruby>|<[^>]*>", "", html))
    assert text == "看 <1>重看山，again & again<unk>what"
    plain = figures.verses(lines[:1]).data
    assert "zhòng" in plain and "<strong>" not in plain
    assert "color" not in html  # the page's own, in a dark one as well


def test_a_gloss_belongs_to_each_line() -> None:
    with pytest.raises(ValueError, match="gloss must have a text for each of 2 lines, got 1"):
        figures.verses(["山", "水"], ["mountain"])


DRAW = """
import base64, struct
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
from rnnlib import figures
figures.use_style()
import matplotlib.pyplot as plt
data, shown = shell.display_formatter.formatters["image/png"](plt.subplots()[0])
print(*struct.unpack(">II", base64.b64decode(data)[16:24]), shown["width"], shown["height"])
"""


def test_a_notebook_draws_twice_as_finely_as_it_shows() -> None:
    done = subprocess.run([sys.executable, "-c", DRAW], capture_output=True, text=True, check=True)
    width, height, shown_width, shown_height = map(int, done.stdout.split())
    assert 1350 <= width <= 1450  # 7 inches and a margin, at 200 dots to the inch
    assert (shown_width, shown_height) == (width // 2, height // 2)


def test_mean_and_range_as_text() -> None:
    assert figures.spread([3.0, 1.0, 2.5]) == "2.2 (1.0 to 3.0)"
    assert figures.spread([1234.5, 2345.6], 0) == "1,790 (1,234 to 2,346)"
    assert figures.spread([0.5, 0.5], 3) == "0.500"
    with pytest.raises(ValueError, match="values must not be empty"):
        figures.spread([])
