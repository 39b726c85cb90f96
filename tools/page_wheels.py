"""Write the data of each wheel as a script, which a page loads before rnn-wheel.js.

A notebook's output that shows `rnnlib.interactive.wheel(data, NAME)` holds its data as one line;
it gives rnn-wheels-<NAME>.js. `tools/build_book.py` calls this after each build.
"""

import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
LINE = re.compile(r"^\(globalThis\.RnnWheels \?\?= \{\}\)\.(\w+) = .*;\n", re.M)


def write(folder: Path, root: Path = ROOT) -> list[Path]:
    """Write a script for each wheel that a notebook below ``root`` shows; return the files."""
    written = []
    for name, script in shown(root).items():
        target = folder / f"rnn-wheels-{name}.js"
        target.write_text(script, "utf-8")
        written.append(target)
    return written


def shown(root: Path = ROOT) -> dict[str, str]:
    """By name, the script of each wheel in the notebooks' outputs."""
    found: dict[str, str] = {}
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                html = "".join(output.get("data", {}).get("text/html", ""))
                if "<rnn-wheel " in html:
                    found |= {line[1]: line[0] for line in LINE.finditer(html)}
    return found
