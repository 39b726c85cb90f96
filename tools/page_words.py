"""Write the words of each recorded map as a script, which a page loads before rnn-word-map.js.

data/results/<name>_map.json, the record of a study whose run has what
`rnnlib.interactive.word_data` returns as "words", gives rnn-words-<name>.js.
`tools/build_book.py` calls this after each build.
"""

import json
from pathlib import Path
from typing import Any

from rnnlib import interactive

ROOT = Path(__file__).resolve().parent.parent


def write(folder: Path, root: Path = ROOT) -> list[Path]:
    """Write a script for each recorded map below ``root``; return the files written."""
    written = []
    for name, data in recorded(root).items():
        target = folder / f"rnn-words-{name}.js"
        target.write_text(interactive.word_script(name, data), "utf-8")
        written.append(target)
    return written


def recorded(root: Path = ROOT) -> dict[str, Any]:
    """By name, the words of each recorded map."""
    return {
        path.stem.removesuffix("_map"): json.loads(path.read_text("utf-8"))["runs"][0]["result"][
            "words"
        ]
        for path in sorted((root / "data" / "results").glob("*_map.json"))
    }
