"""Tables of numbers that can be read down: digits under each other, ranges in columns of their own.

A first column without a heading names its rows.
"""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

# With a sign, thousands, a power of ten, a per cent or a multiplication sign.
DIGITS = r"[-\u2212+±]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?[%×x]?"
NUMBER = re.compile(DIGITS, re.IGNORECASE)
RANGE = rf"{DIGITS} to {DIGITS}"
RANGED = re.compile(rf"({DIGITS}) \(({RANGE})\)|(?P<alone>{RANGE})", re.IGNORECASE)
BETWEEN = {"to", "of", "±", "\u2013", "%"}
NOTHING = {"", "-", "--", "\u2013", "\u2014", "nan", "none", "never", "overflow"}


def is_number(text: str) -> bool:
    """One number, or a range or share: `0.5`, `1e-3`, `0.1 to 0.3`, `4 of 5`, `2 (1 to 3)`."""
    words = re.sub(r"[()]", " ", text).split()
    return NUMBER.fullmatch(words[0]) is not None and all(
        word in BETWEEN or NUMBER.fullmatch(word) for word in words
    )


def text_of(cell: nodes.entry) -> str:
    """What a cell says, without the space around it."""
    return cell.astext().strip()


def cells(table: nodes.table) -> tuple[list[list[nodes.entry]], int]:
    """The cells of each row, and how many rows are headings: they come first."""
    rows = [[*row.findall(nodes.entry)] for row in table.findall(nodes.row)]
    return rows, sum(len(head) for head in table.findall(nodes.thead))


def split(table: nodes.table) -> None:
    """`2 (1 to 3)` becomes two cells, in columns of numbers that have it; the second is a range."""
    rows, heads = cells(table)
    [group] = table.findall(nodes.tgroup)
    specs = [*group.findall(nodes.colspec)]
    if any(len(row) != len(specs) for row in rows):
        return  # cells over several columns
    for n, spec in enumerate(specs):
        texts = [text for row in rows[heads:] if (text := text_of(row[n])) not in NOTHING]
        if not any(text.endswith(")") for text in texts) or not all(
            RANGED.fullmatch(text) or NUMBER.fullmatch(text) for text in texts
        ):
            continue
        spec.parent.insert(spec.parent.index(spec) + 1, spec.deepcopy())
        group["cols"] += 1
        for k, row in enumerate(rows):
            cell, beside = row[n], nodes.entry("", nodes.paragraph())
            cell.parent.insert(cell.parent.index(cell) + 1, beside)
            if k < heads:
                beside[0] += nodes.Text("range" if k == heads - 1 else "")
                for text in cell.findall(nodes.Text):
                    text.parent.replace(text, nodes.Text(re.sub(r",? \(range\)$", "", text)))
            elif found := RANGED.fullmatch(text_of(cell)):
                [text] = cell.findall(nodes.Text)  # alone, or in bold
                text.parent.replace(text, nodes.Text(found[1] or ""))
                beside[0] += nodes.Text(found[2] or found["alone"])


def mark(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Give each cell of a column of numbers, its heading too, the class `number`."""
    for table in doctree.findall(nodes.table):
        split(table)
        rows, heads = cells(table)
        for column in zip(*rows, strict=False):
            texts = [text_of(cell) for cell in column[heads:]]
            numbers = [text for text in texts if text not in NOTHING]
            if numbers and all(map(is_number, numbers)):
                for cell in column:
                    cell["classes"].append("number")
        if heads and not text_of(rows[0][0]):
            next(iter(table.findall(nodes.colspec)))["stub"] = 1


def setup(app: Sphinx) -> dict[str, Any]:
    """Look at tables when references are resolved and outputs of notebooks are chosen."""
    app.connect("doctree-resolved", mark, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
