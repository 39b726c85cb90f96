"""Every exercise in one form; checks that take the solution and no likely wrong answer."""

import ast
import re
from pathlib import Path

import jupytext
import numpy as np
import pytest
from wrong_answers import WRONG

from rnnlib import check

ROOT = Path(__file__).parents[1]
CELLS = {p.stem: jupytext.read(p).cells for p in (ROOT / "notebooks" / "src").glob("*.py")}
PAGES = [ROOT / "book" / f"{stem}.md" for stem in sorted(CELLS)]


def exercises(cells):
    """(number, index of the code cell) of each exercise of a notebook."""
    for k, cell in enumerate(cells):
        for tag in cell.metadata.get("tags", []):
            if tag.startswith("exercise-"):
                yield int(tag.removeprefix("exercise-")), k


EXERCISES = [(stem, n) for stem in sorted(CELLS) for n, _ in exercises(CELLS[stem])]


def parts(stem, n):
    """The statement, the cell and the solution of an exercise."""
    cells = CELLS[stem]
    k = dict(exercises(cells))[n]
    statement = cells[k - 1].source.split(f"### Exercise {n}: ")[-1]
    return statement, cells[k].source, cells[k + 1].source.split("\n#")[0]


def code_of(solution):
    return re.search(r"```python\n(.*?)```", solution, re.DOTALL)[1]


def answered(source, answer):
    """The exercise's cell with the reader's functions replaced by an answer's."""
    given = ast.parse(answer).body
    names = {node.name for node in given if isinstance(node, ast.FunctionDef)}
    rest = [
        node
        for node in ast.parse(source).body
        if not (isinstance(node, ast.FunctionDef) and node.name in names)
    ]
    assert len(rest) < len(ast.parse(source).body), "the answer replaces nothing"
    return ast.Module(body=given + rest, type_ignores=[])


@pytest.fixture
def verdicts(monkeypatch, capsys):
    """Run an exercise's cell after the notebook's imports and nothing else.

    Returns (what is said, the answer, what was expected, the tolerance) of each check.
    """
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("RNNLIB_FAST", "1")

    def run(stem, n, answer=None):
        found = []

        def answer_(name, yours, expected, tolerance=1e-8):
            capsys.readouterr()
            honest(name, yours, expected, tolerance)
            says = capsys.readouterr().out.rstrip("\n").removeprefix(f"{name}: ")
            found.append((says, yours, expected, tolerance))

        honest = check.answer
        source = parts(stem, n)[1]
        imports = next(
            c.source for c in CELLS[stem] if re.search(r"^from rnnlib im", c.source, re.M)
        )
        code = source if answer is None else answered(source, answer)
        namespace = {"__name__": stem}
        with monkeypatch.context() as patch:
            patch.setattr(check, "answer", answer_)
            exec(compile(imports, f"{stem}, imports", "exec"), namespace)
            exec(compile(code, f"{stem}, exercise {n}", "exec"), namespace)
        return found

    return run


@pytest.mark.parametrize(("stem", "n"), EXERCISES)
def test_the_solution_passes_and_an_empty_answer_does_not(stem, n, verdicts):
    empty = [says for says, *_ in verdicts(stem, n)]
    assert empty and set(empty) == {"not answered yet"}
    solved = [says for says, *_ in verdicts(stem, n, code_of(parts(stem, n)[2]))]
    assert len(solved) == len(empty)
    assert all(says.startswith("correct (") for says in solved), solved


def edited(solution, edits):
    for old, new in edits:
        assert solution.count(old) >= 1, f"the solution has no {old!r}"
        solution = solution.replace(old, new)
    return solution


@pytest.mark.parametrize(("stem", "n"), EXERCISES)
def test_wrong_answers_are_refused_each_with_words_of_its_own_that_are_true(stem, n, verdicts):
    solution = code_of(parts(stem, n)[2])
    wrong = WRONG[stem][n]
    assert len(wrong) >= 3
    said = {}
    for name, edits in wrong.items():
        found = verdicts(stem, n, edited(solution, edits))
        words = tuple(says for says, *_ in found)
        assert not all(says.startswith("correct (") for says in words), f"{name!r} passes"
        assert words not in said, f"{name!r} is told the same as {said[words]!r}: {words}"
        said[words] = name
        for says, *numbers in found:
            assert true(says, *numbers), (name, says)


def test_every_wrong_answer_belongs_to_an_exercise():
    assert {(stem, n) for stem, table in WRONG.items() for n in table} == set(EXERCISES)


def true(says, yours, expected, tolerance):
    """Is what was said of an answer so? In other words than the check's own."""
    yours, expected = (check._array("", a) for a in (yours, expected))
    size = np.abs(expected).max()

    def close(a, b):
        return a.shape == b.shape and np.allclose(a, b, 2 * tolerance + 1e-5, 1e-12 * size)

    right = np.isclose(yours, expected, tolerance, 0) if yours.shape == expected.shape else None
    if says.startswith("correct ("):
        return right.all() or np.allclose(yours, expected, tolerance, 1e-12 * size)
    says = says.removeprefix("not yet: ")
    if found := re.fullmatch(r"yours is (\S+) times the expected answer everywhere", says):
        return close(yours, float(found[1]) * expected)
    if found := re.fullmatch(r"yours is (\S+), too (high|low)", says):
        side = yours > expected if found[2] == "high" else yours < expected
        return bool(side) and float(found[1]) == pytest.approx(float(yours), rel=1e-5)
    pattern = r"yours is (\S+) at \(([\d, ]+)\), ([a-z ]+); (\d+) of (\d+) entries differ"
    if found := re.fullmatch(pattern, says):
        at = tuple(int(k) for k in found[2].split(",") if k)
        signs = yours[at] * expected[at] < 0
        side = {
            "too high": yours[at] > expected[at],
            "too low": yours[at] < expected[at],
            "of the wrong sign": signs,
        }
        counts = int(found[4]) == (~right).sum() and int(found[5]) == right.size
        return side[found[3]] and counts and float(found[1]) == pytest.approx(yours[at], rel=1e-5)
    if found := re.fullmatch(
        r"the right numbers in another order: yours at \((.*)\) belongs at \((.*)\)", says
    ):
        here, there = (tuple(int(k) for k in part.split(",") if k) for part in found.groups())
        ordered = close(*(np.array(sorted(a.flat)) for a in (yours, expected)))
        return ordered and here != there and yours[here] == pytest.approx(expected[there])
    if found := re.fullmatch(
        r"right within (\S+), and (\S+) is asked for: mind the rounding", says
    ):
        error = np.abs(yours / expected - 1).max()
        return error == pytest.approx(float(found[1]), rel=0.5) and error > float(found[2])
    return {
        f"the shape is {yours.shape}, expected {expected.shape}": lambda: (
            yours.shape != expected.shape
        ),
        "the answer holds NaN or infinity": lambda: not np.isfinite(yours).all(),
        "this is the transpose": lambda: close(yours.T, expected),
        "the order is reversed": lambda: any(close(np.flip(yours, k), expected) for k in (0, -1)),
        "yours differs from the expected answer by the same amount everywhere": lambda: (
            np.ptp(yours - expected) < 1e-6 * size
        ),
        "yours is one over the expected answer everywhere": lambda: close(
            yours * expected, expected**0
        ),
    }[says]()


@pytest.mark.parametrize(
    ("says", "yours"),
    [
        ("not yet: yours is 2 times the expected answer everywhere", [2.0, 4.0, 8.1]),
        ("not yet: yours is 2 at (0,), too high; 2 of 3 entries differ", [2.0, 4.0, 8.0]),
        ("not yet: yours is 2 at (0,), too low; 3 of 3 entries differ", [2.0, 4.0, 8.0]),
        ("not yet: the order is reversed", [4.0, 1.0, 2.0]),
        ("correct (largest relative error 0e+00)", [1.0, 2.0, 4.1]),
    ],
)
def test_what_is_false_is_noticed(says, yours):
    assert not true(says, yours, [1.0, 2.0, 4.0], 1e-8)


# ---- the form of all exercises -------------------------------------------------------------------

LEVEL = r"\*(Easy|Medium|Hard) · ([1-9]\d?) minutes · {}\*"


@pytest.mark.parametrize(("stem", "n"), EXERCISES)
def test_an_exercise_of_a_notebook_has_all_its_parts(stem, n):
    statement, _, solution = parts(stem, n)
    assert len(re.findall(LEVEL.format("with a check"), statement)) == 1
    summaries = re.findall(
        r"<details>\n<summary>(.*?)</summary>\n\n.+?\n\n</details>", statement, re.S
    )
    assert summaries == ["Hint 1", "Hint 2"]
    assert solution.startswith(f"<details>\n<summary>Solution {n}</summary>\n\n")
    assert code_of(solution)


def test_every_notebook_has_at_least_three_exercises_in_order():
    for stem, cells in CELLS.items():
        numbers = [n for n, _ in exercises(cells)]
        assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) >= 3, stem


def pages():
    """(label, text of the exercise, what stands after it up to the next one)."""
    for path in PAGES:
        for found in re.split(r"^````\{exercise\}", path.read_text("utf-8"), flags=re.M)[1:]:
            inside, after = found.split("\n````\n", 1)
            yield pytest.param(inside, after, id=f"{path.stem}-{inside.split()[1]}")


@pytest.mark.parametrize(("exercise", "after"), list(pages()))
def test_an_exercise_of_a_page_has_all_its_parts(exercise, after):
    label = re.match(r"\n:label: (ex-\S+)\n\n", exercise)[1]
    assert re.match(r"\n:label: \S+\n\n" + LEVEL.format("on paper") + "\n", exercise)
    hints = re.findall(r"^```\{dropdown\} (.*)\n\n?(?:.+\n)+?[^`]*```$", exercise, re.M)
    assert hints == ["Hint 1", "Hint 2"]
    assert re.match(rf"\n```{{solution}} {label}\n:class: dropdown\n\n\S", after)


def test_every_page_has_exercises_all_in_that_form():
    for path in PAGES:
        text = path.read_text("utf-8")
        assert text.count("````{exercise}\n") >= 2, path.stem
        assert (
            text.count("{exercise}\n")
            == text.count("{solution} ")
            == text.count("{dropdown} Hint 1")
        )
