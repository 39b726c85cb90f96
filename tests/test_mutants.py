"""The mutation tester: what it changes, and that it tells what tests find from what they do not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import mutations
import pytest

TOOL = Path(mutations.__file__).with_name("mutants.py")
FILES = {
    "rnnlib/__init__.py": "",
    "rnnlib/tiny/__init__.py": "",
    "rnnlib/tiny/numbers.py": '''"""Nothing is changed here, nor in «f-strings»."""

SIZES = (1, 2, 3)


def share(x: int, of: int = 10) -> float:
    """x in parts of 10."""
    if x > of:
        raise ValueError(f"x must be at most {of}, got {x + 0}")
    return x / of


def first_bit(n: int) -> int:
    n = abs(n)
    while n > 1:
        n //= 2
    return n
''',
    "rnnlib/tiny/words.py": """
def word() -> str:
    return "tiny"


def words(n: int) -> list[str]:
    return n * ["tiny"]
""",
    "tests/tell.py": "from rnnlib.tiny import words\nprint(words.word())\n",
    "tests/test_tiny.py": """import subprocess
import sys
from pathlib import Path

import pytest

from rnnlib.tiny import numbers, words


def test_numbers():
    assert numbers.SIZES[::2] == (1, 3)
    assert numbers.share(5, 20) == 0.25
    assert numbers.share(5) == 0.5
    with pytest.raises(ValueError):
        numbers.share(11)


def test_first_bit():
    assert [numbers.first_bit(n) for n in (0, 1, 4, 7)] == [0, 1, 1, 1]


def test_words():
    command = [sys.executable, Path(__file__).with_name("tell.py")]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "tiny\\n"
    assert len(words.words(2)) == 2
""",
}
SIZES = "rnnlib/tiny/numbers.py:3 <module>: SIZES = (1, 2, 3) -> SIZES = (1, 3, 3)"
BOUND = "rnnlib/tiny/numbers.py:8 share: if x > of: -> if x >= of:"
SIGN = [f"rnnlib/tiny/numbers.py:14 first_bit: n = abs(n) -> {new}" for new in ("n = n", "pass")]
WORDS = 'rnnlib/tiny/words.py:7 words: return n * ["tiny"] -> return n * ["mutant"]'


def key(survivor: str) -> str:
    """A survivor as it stands in the file of those known as equivalent."""
    return re.sub(r":\d+ ", " ", survivor, count=1)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    if not hasattr(os, "fork"):
        pytest.skip("the tool needs fork")
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def run(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, TOOL, "tiny", "--root", project, "--grace", "5", *options]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


def test_what_no_test_finds_is_listed_and_nothing_is_written(project) -> None:
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    done = run(project, "--workers", "1")
    first, *survivors, last = done.stdout.splitlines()
    assert first == "== tiny"
    assert survivors == [SIZES, BOUND, *SIGN[::-1], WORDS]
    assert last.startswith("22 mutants, 3 tests, ")
    assert last.endswith(": 5 survived, 1 hung, 5 to look at")  # without n //= 2
    assert done.returncode == 1
    assert before == {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}


def test_equivalent_mutants_have_a_reason_and_are_looked_at_again(project) -> None:
    known = project / "tests" / "equivalent_mutants.txt"
    known.write_text("\n".join(["# n is positive here", *map(key, SIGN), "", "# so", key(BOUND)]))
    done = run(project, "--only", "rnnlib/tiny/numbers.py:14")
    assert done.stdout.splitlines()[-1].startswith("2 mutants, 3 tests, ")
    assert done.returncode == 0
    found = "rnnlib/tiny/numbers.py:10 share: return x / of -> return None"
    gone, elsewhere = "rnnlib/tiny/words.py f: a -> b", "rnnlib/other.py f: a -> b"
    other = project / "other.txt"
    other.write_text("\n".join(["# wrong", key(found), "# gone", gone, elsewhere]))
    done = run(project, "--only", "rnnlib/tiny/numbers.py:10", "--equivalent", str(other))
    _, *told, _ = done.stdout.splitlines()
    assert told == [
        f"found, so not equivalent: {found}",
        f"equivalent, but no longer there: {gone}",
    ]
    assert done.returncode == 1
    other.write_text(f"# a group ends with an empty line\n{key(found)}\n\n{gone}\n")
    assert "expected a line '# reason' above" in run(project, "--equivalent", str(other)).stderr


@pytest.mark.parametrize(
    ("wrong", "order"), [("assert not seen", " in the reverse order"), ("assert False", "")]
)
def test_the_unbroken_library_must_pass_in_both_orders(project, wrong, order) -> None:
    text = f"seen = []\n\ndef test_a():\n    {wrong}\n\ndef test_b():\n    seen.append(1)\n"
    (project / "tests" / "test_tiny_order.py").write_text(text)
    done = run(project)
    assert done.stderr == f"tests fail on the unbroken library{order}: see above\n"
    assert "FAILED tests/test_tiny_order.py::test_a" in done.stdout
    assert done.returncode == 1


# The lines that take the place of a line given.
CHANGES = {
    "a = b + c * -d": ["a = b - c * -d", "a = b + c / -d", "a = b + c * d"],
    "a = b // c % d": ["a = b / c % d", "a = b // c // d"],
    "a = (b) @ (c ** d)": ["a = (b) * (c ** d)", "a = (b) @ (c * d)"],
    "a = isinstance(b, int | str)": ["a = isinstance(b, int)", "a = isinstance(b, str)", "a = isinstance(b, )"],
    "a = b <= c != d": ["a = b < c != d", "a = b <= c == d"],
    "a = b is not c in d": ["a = b is c in d", "a = b is not c not in d"],
    "a = b and c or d": ["a = b or c or d", "a = c or d", "a = b or d", "a = b and c and d", "a = d", "a = b and c"],
    "a = not b": ["a = b"],
    "a = [b, 0, 1.5, True, None, ...]": [
        "a = [b, 1, 1.5, True, None, ...]", "a = [b, 0, 2.5, True, None, ...]", "a = [b, 0, 1.5, False, None, ...]",
    ],
    "a = ['key', 'a sentence', 'one, two', f'{b + 1}']": ['a = ["mutant", \'a sentence\', \'one, two\', f\'{b + 1}\']'],
    "a = b if c else d": ["a = b if False else d", "a = b if True else d"],
    "a = [b for b in c if d]": ["a = [b for b in c if True]"],
    "a = b[c:d, ..., ::2]": ["a = b[:d, ..., ::2]", "a = b[c:, ..., ::2]", "a = b[c:d, ..., ::]", "a = b[c:d, ..., ::3]"],
    "a = b.T": ["a = b"],
    "a = b.sum": ["a = b.mean"],
    "a = max": ["a = min"],
    "a = b.c(d).e()": ["a = b.c(d)", "a = b.e()"],
    "import b\na = b.c(d)": ["a = d"],
    "a = b(c, d=e, f=g)": ["a = b(c, f=g)", "a = b(c, d=e, )"],
    "a = reversed(b)": ["a = b"],
    "a = self.b(c + d)": ["a = self.b(c - d)"],
    "import b\na = b.minimum(c, d)": ["a = b.maximum(c, d)", "a = c", "a = d", "a = b.minimum(c, )"],
    "a = a.b": ["pass"],
    "a += b": ["pass", "a -= b"],
    "a(b)": ["pass"],
    "a: int | None = b": [],
    "if a: raise b(1)": ["if False: raise b(1)"],
    "if a: b": ["if False: b", "if True: b"],
    "while a: break": ["while False: break", "while a: continue"],
    "for a in b: continue": ["for a in b: break"],
    "with a: b": ['with __import__("contextlib").nullcontext(): b'],
    "with a as b: c": [],
    "try: a\nexcept (b, c): d": ["except ((), c): d", "except (b, ()): d"],
    "try: a\nexcept b: c": ["except (): c"],
    "def a(b: int | str = 1, *, c: int = 2) -> int | str: pass": [
        "def a(b: int | str = 2, *, c: int = 2) -> int | str: pass",
        "def a(b: int | str = 1, *, c: int = 3) -> int | str: pass",
    ],
    "def a(): return b": ["def a(): return None"],
    "@a(b)\ndef c(): pass": ["#"],
    "class A:\n    b = 1": ["    b = 2"],
    "def extra_repr(): return a + b": [],
    "assert a == b": [],
    "bar.update(1)": [],
    "a = cast(b, c + d)": ["a = cast(b, c - d)"],
    "a = b + c  # pragma: no mutate: either will do": [],
    "from r import validate\na = validate.b('c', d + e, ('N', 3), f='g')": [
        "a = (d + e)", 'a = validate.b("mutant", d + e, (\'N\', 3), f=\'g\')', "a = validate.b('c', d - e, ('N', 3), f='g')",
        "a = validate.b('c', d + e, f='g')", "a = validate.b('c', d + e, ('N', 4), f='g')", "a = validate.b('c', d + e, ('N', 3), )",
    ],
    "validate.b('c', d)": ["pass", 'validate.b("mutant", d)'],
    "a = validate.one_of('b', c, ('d',))": [
        "a = c", 'a = validate.one_of("mutant", c, (\'d\',))', "a = validate.one_of('b', c, )", 'a = validate.one_of(\'b\', c, ("mutant",))',
    ],
}  # fmt: skip


@pytest.mark.parametrize("source", CHANGES)
def test_what_is_changed(source) -> None:
    old = source.splitlines()
    pairs = [zip(m.source.splitlines(), old, strict=True) for m in mutations.mutants("m", source)]
    found = [line for pair in pairs for line, before in pair if line != before]
    assert sorted(found) == sorted(CHANGES[source])
