"""Every exercise's folded solution passes the exercise's own check, and an empty answer does not."""

import ast
import re
from pathlib import Path

import jupytext
import matplotlib.pyplot as plt
import pytest

from rnnlib import corpora

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks" / "src").glob("*.py"))


def exercises(cells):
    """(index of the exercise's code cell, source of the solution that follows it)."""
    for k, cell in enumerate(cells):
        if any(tag.startswith("exercise-") for tag in cell.metadata.get("tags", [])):
            found = re.search(r"<details>.*?```python\n(.*?)```", cells[k + 1].source, re.DOTALL)
            yield k, found and found[1]


def with_solution(source, solution):
    """The exercise's cell with the reader's functions replaced by the solution's."""
    solved = ast.parse(solution).body
    names = {node.name for node in solved if isinstance(node, ast.FunctionDef)}
    rest = [
        node
        for node in ast.parse(source).body
        if not (isinstance(node, ast.FunctionDef) and node.name in names)
    ]
    return ast.Module(body=solved + rest, type_ignores=[])


def no_network(url, *_):
    raise ConnectionError(f"no test asks for {url}")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_solutions_pass_and_empty_answers_do_not(path, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("RNNLIB_FAST", "1")
    monkeypatch.setenv("RNNLIB_PROGRESS", "0")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("RNNLIB_CACHE", str(tmp_path))
    monkeypatch.delenv("RNNLIB_DATA_MIRROR", raising=False)
    monkeypatch.setattr(corpora, "_download", no_network)  # so everybody reads the tales
    cells = jupytext.read(path).cells
    found = dict(exercises(cells))
    assert len(found) >= 3, f"{path.name}: a chapter has at least three exercises"
    assert all(found.values()), f"{path.name}: an exercise has no folded solution"
    namespace = {"__name__": path.stem}
    for k, cell in enumerate(cells):
        if cell.cell_type != "code":
            continue
        if k in found:
            capsys.readouterr()
        exec(compile(cell.source, f"{path.name}, cell {k}", "exec"), namespace)
        plt.close("all")  # as Jupyter does
        if k not in found:
            continue
        empty = [line for line in capsys.readouterr().out.splitlines() if ": " in line]
        assert empty and all("not answered yet" in line for line in empty)
        code = compile(with_solution(cell.source, found[k]), f"{path.name}, cell {k}", "exec")
        exec(code, namespace)
        solved = capsys.readouterr().out.splitlines()
        assert len(solved) == len(empty) and all(": correct (" in line for line in solved), solved
