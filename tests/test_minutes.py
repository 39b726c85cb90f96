"""Reading times: counted from a page's own prose, the same on the page and on the first page."""

import re
import subprocess
import sys
from pathlib import Path

import minutes
import pytest

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = minutes.chapters()
LONGEST = 45

PAGE = """(a-label)=
# Four words of title

**Bold** words and *four* [more in links](x.md), `code` too: the state $h_t = \\tanh(a)$, by {eq}`x`.
A *second* line – ![not its picture](y.png) of six words.

% a comment that nobody sees

```{figure} _generated/x/y.png
:name: fig-x
:alt: A text for those who cannot see.

A caption of five words.
```

```{literalinclude} ../rnnlib/init.py
:pyobject: xavier_
```

```python
x = 1  # code is not prose
```

$$
x = \\text{nor is this}
$$ (eq-x)

| a table | is looked up |
|---|---|
| in its | own time |

:::{dropdown} Folded away
Not counted.
:::

````{exercise}
:label: ex-x

*Easy*

What is asked counts?

```{dropdown} Hint 1
A hint does not.
```
````

```{solution} ex-x
:class: dropdown

Nor this.
```

## References

Nor what stands here, from {cite:t}`elman1990`.
"""
TITLE, LINES, CAPTION, EXERCISE = 4, 14 + 6, 5, 5


def test_prose_is_counted_and_nothing_else() -> None:
    assert minutes.words(PAGE) == TITLE + LINES + CAPTION + EXERCISE


@pytest.mark.parametrize(
    ("words", "expected"), [(0, 5), (824, 5), (826, 10), (1374, 10), (1376, 15), (4950, 45)]
)
def test_minutes_are_rounded_to_five(words: int, expected: int) -> None:
    assert minutes.minutes("word\n" * words) == expected


def test_an_equation_takes_forty_seconds() -> None:
    displayed = "\n\n$$\nx\n$$\n"
    assert minutes.equations(PAGE) == 1 and minutes.equations(12 * displayed) == 12
    assert minutes.minutes("word\n" * 550 + 11 * displayed) == 10  # 5 minutes and 7.33
    assert minutes.minutes("word\n" * 550 + 12 * displayed) == 15  # 5 minutes and 8


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_time_to_read_is_typed(name: str) -> None:
    page = (ROOT / f"book/{name}.md").read_text("utf-8")
    assert re.findall(r"^\*\*Time\*\*: (.*) minutes to read", page, re.M) == [
        f"{{minutes}}`{name}`"
    ]
    index = (ROOT / "book/index.md").read_text("utf-8")
    assert f"- {{chapter-title}}`{name}` · {{minutes}}`{name}` min\n" in index


def test_no_chapter_takes_longer_than_a_lesson() -> None:
    times = {name: minutes.sizes(name)["minutes"] for name in CHAPTERS}
    assert {name for name, time in times.items() if time > LONGEST} == set()


def test_the_sizes_of_all_chapters_are_printed() -> None:
    command = [sys.executable, str(ROOT / "book/_ext/minutes.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    head, *rows = [line.split() for line in done.stdout.splitlines()]
    assert head == "chapter words minutes equations tables figures exercises".split()
    assert [row[0] for row in rows] == CHAPTERS
    assert rows[0][1:] == [f"{n:,}" for n in minutes.sizes(CHAPTERS[0]).values()]


def test_the_parts_of_a_chapter_are_counted(tmp_path: Path) -> None:
    for folder in ("book", "notebooks"):
        (tmp_path / folder).mkdir()
    more = "```{include} _generated/x/t.md\n```\n```{include} _generated/x/s.md\n```\n"
    (tmp_path / "book/x.md").write_text(PAGE.replace("## Ref", more + "## Ref"), "utf-8")
    (tmp_path / "notebooks/x.ipynb").write_text(
        '{"cells": [{"metadata": {"tags": ["paste:t"]}, "outputs":'
        ' [{"data": {"text/markdown": ["| a |"]}}]}, {"metadata": {"tags": ["paste:s"]},'
        ' "outputs": [{"data": {"text/markdown": ["a text"]}}, {"text": ["| a |"]}]},'
        ' {"metadata": {"tags": ["exercise-1"]}}, {"metadata": {}}]}',
        "utf-8",
    )
    found = minutes.sizes("x", tmp_path)
    assert found["words"] == minutes.words(PAGE) and found["minutes"] == 5
    counts = {"equations": 1, "tables": 2, "figures": 1, "exercises": 2}
    assert {key: found[key] for key in counts} == counts
