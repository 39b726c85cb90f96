"""A book of a few stub chapters, made by the steps of contributing.md and built strictly."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGE = """# The {name} chapter

```{{exercise}}
:label: ex-{name}
How much is it?
```

```{{solution}} ex-{name}
:class: dropdown
$x = 1$.
```

## Formulas of {name}

$$
x = 1
$$ (eq-{name})

By {{eq}}`eq-{name}`, $x$ is one.

```{{literalinclude}} ../rnnlib/{name}.py
:pyobject: f
:language: python
```
"""
TWIN = """# %% [markdown]
# # The {name} chapter: run it
#
# $$
# y = 2
# $$ (eq-{name}-run)

# %%
print("{name}")
"""
CODE = '''def f(x: float) -> float:
    r"""Twice $x$."""
    validate.real("x", x)
    if x < 0:
        raise ValueError("x")
    return 2 * x  # fmt: skip
'''


def start(root: Path) -> None:
    """A book with no chapters: the configuration and what the pages need."""
    for file in ("_config.yml", "book/references.bib", "pyproject.toml"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, root / file)
    vendored = shutil.ignore_patterns("vendor", "figures", "__pycache__")
    for folder in ("book/_ext", "book/_static", "book/_templates"):
        shutil.copytree(ROOT / folder, root / folder, ignore=vendored)
    (root / "rnnlib/interactive/js").mkdir(parents=True)
    (root / "notebooks/src").mkdir(parents=True)
    (root / "book/index.md").write_text("# A book\n", "utf-8")
    (root / "book/references.md").write_text("# References\n", "utf-8")


def add(root: Path, name: str) -> None:
    """Step 1 of "Add a chapter", with as little in it as goes, and step 3."""
    (root / f"book/{name}.md").write_text(PAGE.format(name=name), "utf-8")
    (root / f"notebooks/src/{name}.py").write_text(TWIN.format(name=name), "utf-8")
    (root / f"rnnlib/{name}.py").write_text(CODE, "utf-8")
    command = [sys.executable, str(ROOT / "tools/notebooks.py"), "--root", str(root), "execute"]
    done = subprocess.run([*command, name], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def order(root: Path, *parts: Iterable[str]) -> None:
    """Step 2: write `_toc.yml`, with these chapters in each part."""
    toc: dict = {"format": "jb-book", "root": "book/index", "parts": []}
    for number, names in enumerate(parts):
        chapters = [
            {"file": f"book/{name}", "sections": [{"file": f"notebooks/{name}"}]} for name in names
        ]
        toc["parts"].append({"caption": f"Part {number}", "numbered": 1, "chapters": chapters})
    toc["parts"].append({"caption": "Back", "chapters": [{"file": "book/references"}]})
    (root / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False), "utf-8")


def build(root: Path) -> subprocess.CompletedProcess[str]:
    """Build the book below `root` into `root/_build/html`; warnings are errors."""
    book = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-W", "ignore", "-c", book, "build", str(root), "--all", "--quiet"]
    return subprocess.run([*command, "-W", "--keep-going", "-n"], capture_output=True, text=True)
