"""Columns of numbers stand on the right, so that their digits are under each other."""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

# With a sign, thousands, a power of ten, a per cent or a multiplication sign.
NUMBER = re.compile(r"[-\u2212+±]?\d+(,\d{3})*(\.\d+)?(e[-+]?\d+)?[%×x]?", re.IGNORECASE)
BETWEEN = {"to", "of", "±", "\u2013", "%"}
NOTHING = {"", "-", "--", "\u2013", "\u2014", "nan", "none", "never", "overflow"}


def is_number(text: str) -> bool:
    """One number, or a range or share: `0.5`, `1e-3`, `0.1 to 0.3`, `4 of 5`, `2 (1 to 3)`."""
    words = re.sub(r"[()]", " ", text).split()
    return NUMBER.fullmatch(words[0]) is not None and all(
        word in BETWEEN or NUMBER.fullmatch(word) for word in words
    )


def mark(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Give each cell of a column of numbers, its heading too, the class `number`."""
    for table in doctree.findall(nodes.table):
        rows = [[*row.findall(nodes.entry)] for row in table.findall(nodes.row)]
        heads = [[*row.findall(nodes.entry)] for h in table.findall(nodes.thead) for row in h]
        body = rows[len(heads) :]
        for column in zip(*rows, strict=False):
            texts = [cell.astext().strip() for cell in column[len(heads) :]]
            numbers = [text for text in texts if text not in NOTHING]
            if body and numbers and all(map(is_number, numbers)):
                for cell in column:
                    cell["classes"].append("number")


def setup(app: Sphinx) -> dict[str, Any]:
    """Look at tables when references are resolved and outputs of notebooks are chosen."""
    app.connect("doctree-resolved", mark, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
