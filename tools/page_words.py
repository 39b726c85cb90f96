"""Write the data of figures as scripts, which a page loads before the figure's own.

Of data/results/<name>_map.json, the record of a study whose run has what
`rnnlib.interactive.word_data` returns as "words", it makes rnn-words-<name>.js; of
data/results/<name>_units.json, with what `unit_data` returns as "units", rnn-units-<name>.js; of a
notebook's output that shows `interactive.wheel(data, NAME)`, rnn-wheels-<NAME>.js.
`tools/build_book.py` calls this after each build.
"""

import json
import re
from pathlib import Path
from typing import Any

from rnnlib import interactive

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = {  # by the kind of data, as files and records name it
    "words": interactive.word_script,
    "units": interactive.unit_script,
    "wheels": interactive.wheel_script,
}
ENDS = {"words": "_map", "units": "_units"}  # of records' names; other data are in notebooks
LINE = re.compile(r"^\(globalThis\.Rnn(\w+) \?\?= \{\}\)\.(\w+) = (.*);$", re.M)  # in an output


def write(folder: Path, root: Path = ROOT) -> list[Path]:
    """Write a script for each figure's data below ``root``; return the files written."""
    written = []
    for kind in SCRIPTS:
        for name, script in scripts(kind, root).items():
            target = folder / f"rnn-{kind}-{name}.js"
            target.write_text(script, "utf-8")
            written.append(target)
    return written


def scripts(kind: str, root: Path = ROOT) -> dict[str, str]:
    """By name, the script of each figure's data of a kind."""
    return {name: SCRIPTS[kind](name, data) for name, data in data_of(kind, root).items()}


def data_of(kind: str, root: Path = ROOT) -> dict[str, Any]:
    """By name, each figure's data of a kind."""
    return recorded(kind, root) if kind in ENDS else shown(kind, root)


def recorded(kind: str, root: Path) -> dict[str, Any]:
    """By name, the data of a kind that studies recorded."""
    end = ENDS[kind]
    return {
        path.stem.removesuffix(end): json.loads(path.read_text("utf-8"))["runs"][0]["result"][kind]
        for path in sorted((root / "data" / "results").glob(f"*{end}.json"))
    }


def shown(kind: str, root: Path) -> dict[str, Any]:
    """By name, the data of a kind in the outputs of notebooks."""
    found = {}
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                html = "".join(output.get("data", {}).get("text/html", ""))
                for of, name, data in LINE.findall(html):
                    if of.lower() == kind:
                        found[name] = json.loads(data)
    return found
