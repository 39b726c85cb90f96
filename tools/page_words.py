"""Write the words of each recorded map as a script, which a page loads before rnn-word-map.js.

data/results/words_<name>.json, a record that holds what `rnnlib.interactive.word_data` returns,
gives rnn-words-<name>.js. `tools/build_book.py` calls this after each build.
"""

import json
from pathlib import Path

from rnnlib import interactive

ROOT = Path(__file__).resolve().parent.parent


def write(folder: Path, root: Path = ROOT) -> list[Path]:
    """Write a script for each recorded map below ``root``; return the files written."""
    written = []
    for path in sorted((root / "data" / "results").glob("words_*.json")):
        name = path.stem.removeprefix("words_")
        target = folder / f"rnn-words-{name}.js"
        data = json.loads(path.read_text("utf-8"))
        target.write_text(interactive.word_script(name, data), "utf-8")
        written.append(target)
    return written
