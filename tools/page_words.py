"""Write the data of recorded figures as scripts, which a page loads before the figure's own.

Of data/results/<name>_map.json, the record of a study whose run has what
`rnnlib.interactive.word_data` returns as "words", it makes rnn-words-<name>.js; of
data/results/<name>_units.json, with what `unit_data` returns as "units", rnn-units-<name>.js.
`tools/build_book.py` calls this after each build.
"""

import json
from pathlib import Path
from typing import Any

from rnnlib import interactive

ROOT = Path(__file__).resolve().parent.parent
KINDS = {  # what a run's result calls its data: the end of its record's name, the script of it
    "words": ("_map", interactive.word_script),
    "units": ("_units", interactive.unit_script),
}


def write(folder: Path, root: Path = ROOT) -> list[Path]:
    """Write a script for each recorded figure below ``root``; return the files written."""
    written = []
    for kind, (_, script) in KINDS.items():
        for name, data in recorded(root, kind).items():
            target = folder / f"rnn-{kind}-{name}.js"
            target.write_text(script(name, data), "utf-8")
            written.append(target)
    return written


def recorded(root: Path = ROOT, kind: str = "words") -> dict[str, Any]:
    """By name, the recorded data of a kind of figure."""
    end, _ = KINDS[kind]
    return {
        path.stem.removesuffix(end): json.loads(path.read_text("utf-8"))["runs"][0]["result"][kind]
        for path in sorted((root / "data" / "results").glob(f"*{end}.json"))
    }
