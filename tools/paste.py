"""Take tagged outputs out of the executed notebooks, so that pages can show them.

A cell tagged `paste:NAME` in notebooks/STEM.ipynb gives book/_generated/STEM/NAME.png for a
figure, or NAME.md for a table, verse or text. `tools/build_book.py` calls this before each build:
the files are build products and always agree with the notebook that a reader can open.
"""

import base64
import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
TAG = "paste:"
NAME = re.compile(r"\w[\w-]*")  # no dots and no slashes: a name leads to no other folder


def paste(root: Path = ROOT) -> list[Path]:
    """Write the outputs of all tagged cells; return the files written."""
    written = []
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for tag in cell.metadata.get("tags", []):
                if not tag.startswith(TAG):
                    continue
                where, name = f"{path.name}, cell tagged {tag}", tag.removeprefix(TAG)
                if not NAME.fullmatch(name):
                    raise ValueError(
                        f"{where}: expected a name of letters, digits, _ and -, got {name!r}"
                    )
                suffix, content = output(cell, where)
                target = root / "book" / "_generated" / path.stem / (name + suffix)
                target.parent.mkdir(parents=True, exist_ok=True)
                if not target.exists() or target.read_bytes() != content:
                    target.write_bytes(content)
                written.append(target)
    return written


def output(cell: nbformat.NotebookNode, where: str) -> tuple[str, bytes]:
    """The cell's one figure, table, verse or text, as a file suffix and the file's content."""
    for item in cell.outputs:
        data = item.get("data", {})
        if "image/png" in data:
            return ".png", base64.b64decode(data["image/png"])
        if "text/markdown" in data:
            return ".md", data["text/markdown"].encode()
        if "text/html" in data:
            return ".md", f"```{{raw}} html\n{data['text/html'].strip()}\n```\n".encode()
        if item.output_type == "stream":
            return ".md", f"```text\n{item.text.rstrip()}\n```\n".encode()
    raise ValueError(f"{where}: expected a figure, a table or text as output, got none")


if __name__ == "__main__":
    for file in paste():
        print(file.relative_to(ROOT))
    sys.exit(0)
