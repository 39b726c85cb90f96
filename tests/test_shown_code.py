"""The code that pages show is rnnlib's, and shows the mathematics only."""

import ast
import re
from pathlib import Path

import pytest
from shown_code import mathematics

ROOT = Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r"```\{literalinclude\} (\S+)\n((?::[^\n]*\n)*)")
INCLUDED = [
    (page.stem, path, options)
    for page in sorted(ROOT.glob("book/*.md"))
    for path, options in INCLUDE.findall(page.read_text("utf-8"))
]


def source(path: str, name: str) -> str:
    """The lines of a function or method, with its decorators, as `literalinclude` takes them."""
    text = (ROOT / "book" / path).read_text("utf-8")
    node: ast.AST = ast.parse(text)
    for part in name.split("."):
        node = next(c for c in node.body if getattr(c, "name", None) == part)  # type: ignore[attr-defined]
    assert isinstance(node, ast.FunctionDef | ast.ClassDef)
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])


@pytest.mark.parametrize(("page", "path", "options"), INCLUDED)
def test_what_a_page_shows_has_no_plumbing(page: str, path: str, options: str) -> None:
    assert ":language: python" in options
    assert ":lines:" not in options, "lines by number go wrong when the code changes"
    name = re.search(r":pyobject: (\S+)", options)
    if name is None:
        assert ":start-at:" in options and ":end-at:" in options
        return
    code = source(path, name[1])
    shown = mathematics(code)
    assert not re.search(
        r'"""|\\[a-z]+\{|\$\$|#\s*(fmt|type|noqa)\b|validate\.\w+\("\w+", \w+\)\n', shown
    )
    assert not re.search(r"^\s*(raise|@(?!shapes\())", shown, re.M)
    assert len(shown.splitlines()) >= 3
    left = [line for line in shown.splitlines() if line not in code.splitlines()]
    assert all(any(old.startswith(line) for old in code.splitlines()) for line in left)


def test_a_page_shows_code_in_nine_chapters() -> None:
    assert len(INCLUDED) > 20 and len({page for page, _, _ in INCLUDED}) >= 9


CODE = '''    @shapes(x="N")
    @torch.no_grad()
    def f(self, x, y, K=None):  # type: ignore[override]
        r"""Twice $x$.

        $$2x$$
        """
        validate.real("x", x)
        y = validate.real("y", y, low=0.0)
        K = validate.positive_int("H", H)
        if K is not None:
            validate.positive_int("K", K)
        _check(x)
        if x < 0:
            raise ValueError(
                "x"
            )
        for k in y:
            if k < 0:
                raise ValueError("y")
        for k in y:
            x += k
        if x > 9:
            x = 9
        z = [x,  y]  # fmt: skip
        return 2 * x  # (N,), doubled
'''
SHOWN = """    @shapes(x="N")
    def f(self, x, y, K=None):
        K = validate.positive_int("H", H)
        for k in y:
            x += k
        if x > 9:
            x = 9
        z = [x,  y]
        return 2 * x  # (N,), doubled
"""


def test_docstring_decorators_checks_and_comments_to_tools_go_and_the_rest_stays() -> None:
    assert mathematics(CODE) == SHOWN


def test_code_that_is_no_whole_statement_loses_comments_only() -> None:
    assert mathematics("    return x  # noqa: E501\nelse:\n") == "    return x\nelse:\n"
