"""The live cell of a notebook, and which cells before it it needs."""

import ast
import symtable
from pathlib import Path

import jupytext

SOURCES = Path(__file__).resolve().parents[1] / "notebooks" / "src"
NAMES = sorted(path.stem for path in SOURCES.glob("*.py"))


def code_cells(name: str) -> tuple[list[str], int]:
    """The code cells of a notebook without the first, which installs, and the live one's place."""
    cells = [c for c in jupytext.read(SOURCES / f"{name}.py").cells if c.cell_type == "code"][1:]
    (place,) = (k for k, c in enumerate(cells) if "live" in c.metadata.get("tags", []))
    return [cell.source for cell in cells], place


def of_comprehensions(source: str) -> set[str]:
    """The names that nothing but comprehensions bind, outside functions and classes.

    Since Python 3.12 symtable counts these among the cell's own.
    """
    theirs, others, nodes = set(), set(), [(node, False) for node in ast.parse(source).body]
    while nodes:
        node, inside = nodes.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            others.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            (theirs if inside else others).add(node.id)
        elif not isinstance(node, ast.Lambda):
            for child in ast.iter_child_nodes(node):
                target = isinstance(node, ast.comprehension) and child is node.target
                nodes.append((child, inside or target))
    return theirs - others


def bound_and_read(source: str) -> tuple[set[str], set[str]]:
    """The notebook's names that a cell binds, and those that it reads, in functions too."""
    top = symtable.symtable(source, "cell", "exec")
    theirs = of_comprehensions(source)
    own = [s for s in top.get_symbols() if s.get_name() not in theirs]
    bound = {s.get_name() for s in own if s.is_assigned() or s.is_imported()}
    read = {s.get_name() for s in own if s.is_referenced()}
    inner = list(top.get_children())
    while inner:
        scope = inner.pop()
        inner += scope.get_children()
        read |= {s.get_name() for s in scope.get_symbols() if s.is_global()}
    return bound, read


def needed(name: str) -> list[str]:
    """The live cell, and before it the cells that bind what it reads, and what those read."""
    cells, place = code_cells(name)
    chosen, wanted = [], set()
    for k in range(place, -1, -1):
        bound, read = bound_and_read(cells[k])
        if k == place or bound & wanted:
            chosen.insert(0, cells[k])
            wanted = (wanted - bound) | (read - bound)
    return chosen


def rebound_later(name: str) -> set[str]:
    """Names that the live cell's functions read and that a later cell binds anew."""
    cells, place = code_cells(name)
    bound, read = bound_and_read(cells[place])
    later = set().union(*(bound_and_read(cell)[0] for cell in cells[place + 1 :]))
    return (bound | read) & later
