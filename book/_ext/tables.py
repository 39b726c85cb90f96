"""Columns of numbers stand on the right, so that their digits are under each other."""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

# One number, with a sign, thousands, a power of ten, a per cent or a multiplication sign.
NUMBER = re.compile(r"[-\u2212+±]?\d[\d,  ]*(\.\d+)?(e[-+]?\d+)?( ?[%×x])?", re.IGNORECASE)
NOTHING = {"", "-", "–", "—", "nan"}


def mark(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Give each cell of a column of numbers, its heading too, the class `number`."""
    for table in doctree.findall(nodes.table):
        rows = [[*row.findall(nodes.entry)] for row in table.findall(nodes.row)]
        heads = [[*row.findall(nodes.entry)] for h in table.findall(nodes.thead) for row in h]
        body = rows[len(heads) :]
        for column in zip(*rows, strict=False):
            texts = [cell.astext().strip() for cell in column[len(heads) :]]
            numbers = [text for text in texts if text not in NOTHING]
            if body and numbers and all(NUMBER.fullmatch(text) for text in numbers):
                for cell in column:
                    cell["classes"].append("number")


def setup(app: Sphinx) -> dict[str, Any]:
    """Look at tables when references are resolved and outputs of notebooks are chosen."""
    app.connect("doctree-resolved", mark, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
