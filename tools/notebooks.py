"""Notebooks and their text twins: execute, sync, check.

    python tools/notebooks.py execute [NAME ...] [--fast]
    python tools/notebooks.py sync [NAME ...] [--from twin|notebook]
    python tools/notebooks.py check [NAME ...]

`notebooks/<name>.ipynb` is what readers open, with its outputs. `notebooks/src/<name>.py` is the
same cells as text (jupytext percent), which people edit and review. The notebook's metadata
remembers hashes: `agreed` of all cells when both were last the same, so that `sync` knows which
side was edited; `code` and `outputs` of every code cell when it last ran, so that `check` finds
outputs that are stale, removed or edited.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import time
from base64 import b64decode, b64encode
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode
from PIL import Image, ImageChops, ImageStat

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
INSTALL = (HERE / "first_cell.py").read_text("utf-8").strip()
INSTALL_MARK = "# This notebook uses rnnlib, the small library of this book."  # in all its versions
INSTALL_NAME = INSTALL.splitlines()[0].removeprefix("# @title ")
INSTALL_METADATA = {
    "cellView": "form",  # Colab shows the name and folds the code
    "jupyter": {"source_hidden": True},  # Jupyter folds it
    "mystnb": {"code_prompt_show": INSTALL_NAME, "code_prompt_hide": INSTALL_NAME},  # the pages
    "tags": ["hide-input"],
}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
LANGUAGE |= {"pygments_lexer": "ipython3"}
MAX_BYTES = 2_000_000
MACHINE_PATH = re.compile(
    r"(?<![\w.:/-])(?:/(?:home|root|tmp|Users|mnt|work|opt|var)/|[A-Z]:\\)[^\s'\"]*"
)
TOOL_COMMENT = re.compile(r"# *(?:NBVAL_\w+|fmt: *\w+|noqa\b)")
PNG = "image/png"
WIDGET = "application/vnd.jupyter.widget-view+json"
TWIN_FORMAT = {"extension": ".py", "format_name": "percent"}


class Failure(Exception):
    """Notebook and twin were both edited, or a cell failed: said without a traceback."""


# ---- reading and writing ------------------------------------------------------------------------


class Pair:
    """One notebook and its twin, which may or may not exist."""

    def __init__(self, root: Path, name: str) -> None:
        """Name the two files of `name` under `root`."""
        self.name = name
        self.notebook = root / "notebooks" / f"{name}.ipynb"
        self.twin = root / "notebooks" / "src" / f"{name}.py"

    def read_notebook(self) -> NotebookNode | None:
        """The notebook with its outputs, or None when there is none."""
        if not self.notebook.exists():
            return None
        return nbformat.read(self.notebook, as_version=4)

    def read_twin(self) -> NotebookNode | None:
        """The twin's cells as a notebook without outputs, or None when there is none."""
        return from_text(self.twin.read_text("utf-8")) if self.twin.exists() else None

    def write_notebook(self, notebook: NotebookNode) -> None:
        """Write beside, then replace: an interrupted write leaves the old file."""
        nbformat.validate(notebook)
        replace(self.notebook, nbformat.writes(notebook) + "\n")


def replace(path: Path, text: str) -> None:
    """Write `text` to `path` in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.partial")
    beside.write_text(text, "utf-8", newline="\n")
    os.replace(beside, path)


def to_text(notebook: NotebookNode) -> str:
    """The twin's text: cells and their metadata, nothing else."""
    plain = nbformat.v4.new_notebook(cells=[bare(cell) for cell in notebook.cells])
    plain.metadata["jupytext"] = {"notebook_metadata_filter": "-all", "cell_metadata_filter": "all"}
    return jupytext.writes(plain, fmt=TWIN_FORMAT)


def from_text(text: str) -> NotebookNode:
    """A notebook without outputs from a twin's text."""
    return jupytext.reads(text, fmt=TWIN_FORMAT)


def bare(cell: NotebookNode) -> NotebookNode:
    """A copy of `cell` with neither outputs nor what Jupyter adds while running it."""
    new = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}.get(
        cell.cell_type, nbformat.v4.new_raw_cell
    )(source=cell.source.strip("\n"))
    volatile = {
        "execution",
        "collapsed",
        "scrolled",
        "id",
        "outputId",
        "colab",
        "jupyter",
        "jp-MarkdownHeadingCollapsed",
    }
    new.metadata.update({k: v for k, v in cell.metadata.items() if k not in volatile})
    return new


# ---- what two versions have in common -----------------------------------------------------------


def is_install(cell: NotebookNode) -> bool:
    """Whether this is the standard cell that installs rnnlib, in any of its versions."""
    return bool(cell.cell_type == "code" and INSTALL_MARK in cell.source)


def content(notebook: NotebookNode) -> list[list[Any]]:
    """The cells as (type, source, metadata), as they look after a trip through the twin."""
    round_trip = from_text(to_text(notebook))
    return [[c.cell_type, c.source, dict(c.metadata)] for c in round_trip.cells]


def sha256(thing: Any) -> str:
    """Hash of anything that JSON can write."""
    return hashlib.sha256(json.dumps(thing, sort_keys=True).encode()).hexdigest()


def cells_sha256(notebook: NotebookNode) -> str:
    """Hash of all cells but the install cell, which `tools/address.py` may rewrite."""
    return sha256([cell for cell in content(notebook) if INSTALL_MARK not in cell[1]])


def numbered_code(notebook: NotebookNode) -> list[tuple[int, NotebookNode]]:
    """The code cells but the install cell, each with its number from the top."""
    cells = enumerate(notebook.cells, 1)
    return [(i, cell) for i, cell in cells if cell.cell_type == "code" and not is_install(cell)]


def ran(notebook: NotebookNode) -> dict[str, list[str]]:
    """Short hashes of every code cell's source and of its outputs."""
    cells = [cell for _, cell in numbered_code(notebook)]
    return {
        "code": [sha256(cell.source.strip("\n"))[:12] for cell in cells],
        "outputs": [sha256(cell.outputs)[:12] for cell in cells],
    }


def with_install_cell(notebook: NotebookNode) -> NotebookNode:
    """The standard install cell stands before all other code, once, in its newest version."""
    cells = [cell for cell in notebook.cells if not is_install(cell)]
    old = [i for i, cell in enumerate(notebook.cells) if is_install(cell)]
    install = notebook.cells[old[0]] if old else nbformat.v4.new_code_cell()
    install.source, install.metadata = INSTALL, NotebookNode(INSTALL_METADATA)
    first_code = next((i for i, cell in enumerate(cells) if cell.cell_type == "code"), len(cells))
    # Where it already stands before the other code it stays; else it comes after the title cell.
    place = old[0] if old and old[0] <= first_code else min(1, first_code)
    notebook.cells = [*cells[:place], install, *cells[place:]]
    return notebook


def with_ids(notebook: NotebookNode) -> NotebookNode:
    """Give each cell an id that depends on its own source only, so that diffs stay small."""
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        key = sha256([cell.cell_type, cell.source])[:12]
        seen[key] += 1
        cell["id"] = key if seen[key] == 1 else f"{key}-{seen[key]}"
    return notebook


# ---- sync ---------------------------------------------------------------------------------------


def merged(pair: Pair, source: str | None = None) -> tuple[NotebookNode, str]:
    """The cells both sides should have, with what outputs there are, and what has to change.

    The second value is "same", "twin" (the twin was edited) or "notebook".
    """
    notebook, twin = pair.read_notebook(), pair.read_twin()
    if notebook is None and twin is None:
        raise Failure(f"{pair.name}: neither {pair.notebook} nor {pair.twin} exists")
    if twin is None or (source == "notebook" and notebook is not None):
        assert notebook is not None
        return notebook, "notebook"
    if notebook is None:
        return twin, "twin"
    if content(notebook) == content(twin):
        return notebook, "same"
    agreed = notebook.metadata.get("rnnlib", {}).get("agreed")
    if source is None:
        sides = {"twin": twin, "notebook": notebook}
        edited = [side for side, cells in sides.items() if cells_sha256(cells) != agreed]
        if len(edited) == 2:
            raise Failure(
                f"{pair.name}: notebook and twin differ, and both changed since they were last "
                f"the same. Choose one: sync {pair.name} --from twin (or --from notebook)"
            )
        source = edited[0] if edited else "twin"  # none: only the install cell differs
    if source == "notebook":
        return notebook, "notebook"
    # The twin's cells, with the outputs of those code cells that did not change.
    old: dict[str, list[NotebookNode]] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            old.setdefault(cell.source.strip("\n"), []).append(cell)
    for cell in twin.cells:
        if cell.cell_type == "code" and old.get(cell.source):
            kept = old[cell.source].pop(0)
            cell.outputs, cell.execution_count = kept.outputs, kept.execution_count
    twin.metadata = notebook.metadata
    return twin, "twin"


def finish(pair: Pair, notebook: NotebookNode, seconds: float | None = None) -> None:
    """Normalise what depends on the machine and write both sides; `seconds`: it has just run."""
    remembered = dict(notebook.metadata.get("rnnlib", {}))
    cells = []
    for cell in with_install_cell(notebook).cells:
        new = bare(cell)
        if cell.cell_type == "code":
            new.outputs, new.execution_count = cell.outputs, cell.execution_count
        if is_install(cell):
            new.metadata = cell.metadata  # with what else only Jupyter adds
        cells.append(new)
    clean = nbformat.v4.new_notebook(cells=cells)
    clean = nbformat.reads(nbformat.writes(clean), as_version=4)  # as it will be read again
    if seconds is not None:
        remembered = ran(clean) | {"seconds": seconds}
    remembered["agreed"] = cells_sha256(clean)
    clean.metadata.update(kernelspec=KERNEL, language_info=LANGUAGE, rnnlib=remembered)
    pair.write_notebook(with_ids(clean))
    twin = pair.read_twin()
    if twin is None or content(twin) != content(clean):
        replace(pair.twin, to_text(clean))


def sync(pair: Pair, source: str | None = None) -> None:
    """Give both sides the same cells, and say which side was re-made."""
    notebook, edited = merged(pair, source)
    before = [path.read_bytes() if path.exists() else b"" for path in (pair.notebook, pair.twin)]
    finish(pair, notebook)
    after = [path.read_bytes() for path in (pair.notebook, pair.twin)]
    if before == after:
        print(f"{pair.name}: notebook and twin are the same")
        return
    made = "notebook from twin" if edited == "twin" else "twin from notebook"
    print(f"{pair.name}: {made if edited != 'same' else 'normalised'}")
    if notebook.metadata.get("rnnlib", {}).get("code") != ran(notebook)["code"]:
        print(
            f"{pair.name}: its code changed, so it must run again: make execute NAMES={pair.name}"
        )


# ---- execute ------------------------------------------------------------------------------------


def smaller(png: str) -> str:
    """A figure (base64) in 256 colours, a third of its bytes; as it is if an eye could tell."""
    with Image.open(BytesIO(b64decode(png))) as image:
        true, dpi = image.convert("RGB"), image.info.get("dpi")
    few = true.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    off = ImageStat.Stat(ImageChops.difference(few.convert("RGB"), true)).mean
    buffer = BytesIO()
    few.save(buffer, "PNG", optimize=True, **({"dpi": dpi} if dpi else {}))
    new = b64encode(buffer.getvalue()).decode()
    return new if max(off) < 1 and len(new) < len(png) else png  # of 255


def execute(pair: Pair, fast: bool) -> None:
    """Run the twin's cells from the top and store their outputs (not with `fast`)."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook, _ = merged(pair)
    notebook = with_install_cell(notebook)
    os.environ |= {"RNNLIB_PROGRESS": "0", "JUPYTER_PREFER_ENV_PATH": "1", "RNNLIB_STILL": "1"}
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # matrices this small gain nothing from more
    os.environ.pop("RNNLIB_FAST", None)
    if fast:
        os.environ["RNNLIB_FAST"] = "1"
    print(f"{pair.name}: running in the {'fast' if fast else 'default'} size ...", flush=True)
    folder = {"metadata": {"path": str(pair.notebook.parent)}}
    start = time.perf_counter()
    client = NotebookClient(notebook, timeout=3600, kernel_name="python3", resources=folder)
    client.startup_timeout = client.iopub_timeout = 600  # what takes longer hangs
    client.coalesce_streams = True  # else what is printed is cut where the kernel sent it
    client.extra_arguments = ["--log-level=ERROR"]
    try:
        client.execute()
    except CellExecutionError as error:
        raise Failure(f"{pair.name}: a cell failed, nothing was written.\n{error}") from None
    seconds = round(time.perf_counter() - start, 1)
    if fast:
        print(f"{pair.name}: {seconds} s, nothing written (fast outputs are not committed)")
        return
    for output in (o for _, cell in numbered_code(notebook) for o in cell.outputs):
        if PNG in output.get("data", {}):
            output.data[PNG] = smaller(output.data[PNG])
    finish(pair, notebook, seconds)
    slow = " (more than the five minutes that a notebook may take)" if seconds > 300 else ""
    print(f"{pair.name}: {seconds} s{slow}")


# ---- check --------------------------------------------------------------------------------------


def where(number: int, cell: NotebookNode) -> str:
    """Name a cell for a person: its number from the top and its first line."""
    line = next((text for text in cell.source.splitlines() if text.strip()), "(empty)")
    return f"cell {number} ({line[:60]!r})"


def output_text(output: NotebookNode) -> str:
    """All text of an output."""
    data = output.get("data", {})
    texts = [data[key] for key in data if key.startswith("text/") or key.endswith("json")]
    return "\n".join([output.get("text", ""), *map(str, texts)])


def check_cell(place: str, cell: NotebookNode) -> list[str]:
    """What is wrong with the outputs of one code cell."""
    problems = []
    images = 0
    for output in cell.outputs:
        if output.output_type == "error":
            problems.append(f"{place}: its output is an error, {output.ename}: {output.evalue}")
        if output.get("name") == "stderr":
            problems.append(f"{place}: writes to stderr: {output.text.strip()[:80]!r}")
        if match := MACHINE_PATH.search(output_text(output)):
            problems.append(f"{place}: its output names a path of one machine: {match[0]!r}")
        images += any(key.startswith("image/") for key in output.get("data", {}))
        if WIDGET in output.get("data", {}):
            problems.append(f"{place}: its output is a widget, which is dead without a kernel")
    if comment := TOOL_COMMENT.search(cell.source):
        problems.append(f"{place}: readers see {comment[0]!r}; nbval takes a cell tag")
    hidden = any(tag.startswith("hide-") for tag in cell.metadata.get("tags", []))
    if hidden and "code_prompt_show" not in cell.metadata.get("mystnb", {}):
        problems.append(
            f"{place}: is folded without a name. Say in the twin what it holds: "
            'mystnb={"code_prompt_show": "...", "code_prompt_hide": "..."}'
        )
    alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
    if images and not str(alt).strip():
        problems.append(
            f"{place}: shows an image without alternative text. Describe it in the twin: "
            '# %% mystnb={"image": {"alt": "..."}}'
        )
    if images > 1:
        problems.append(
            f"{place}: shows {images} images; one a cell, so that each has its own text"
        )
    return problems


def check_stale(notebook: NotebookNode) -> list[str]:
    """Which outputs are not those that the code gave."""
    stored, now = notebook.metadata.get("rnnlib", {}), ran(notebook)
    if "code" not in stored:
        return ["was never executed. Run: make execute"]
    cells = numbered_code(notebook)
    if len(stored["code"]) != len(now["code"]):
        return [
            f"its outputs are stale: it ran with {len(stored['code'])} code cells "
            f"and has {len(cells)}. Run: make execute"
        ]
    problems = []
    for i, (number, cell) in enumerate(cells):
        if stored["code"][i] != now["code"][i]:
            problems.append(f"{where(number, cell)}: stale output, the code changed after it ran")
        elif stored["outputs"][i] != now["outputs"][i]:
            problems.append(f"{where(number, cell)}: its output was removed or edited after it ran")
    return [f"{problem}. Run: make execute" for problem in problems]


def check(pair: Pair) -> list[str]:
    """What is wrong with one notebook and its twin; an empty list when nothing is."""
    if not pair.twin.exists():
        return [f"{pair.name}: has no twin. Make it: python tools/notebooks.py sync {pair.name}"]
    if not pair.notebook.exists():
        return [f"{pair.name}: the twin has no notebook. Make it: make execute NAMES={pair.name}"]
    notebook, twin = pair.read_notebook(), pair.read_twin()
    assert notebook is not None and twin is not None
    problems = []

    ours, theirs = content(notebook), content(twin)
    if ours != theirs:
        number = next(
            (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b),
            min(len(ours), len(theirs)),
        )
        longer = notebook if len(ours) > number else twin
        problems.append(
            f"{where(number + 1, longer.cells[number])}: notebook and twin differ from here. "
            f"Run: make sync, then make execute NAMES={pair.name}"
        )

    code = [(i, cell) for i, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code"]
    if not code or code[0][1].source.strip("\n") != INSTALL:
        problems.append("the first code cell is not tools/first_cell.py. Run: make sync")
    for count, (number, cell) in enumerate(code, 1):
        place = where(number, cell)
        if cell.execution_count != count:
            problems.append(f"{place}: was run as {cell.execution_count}, expected {count}")
        problems += check_cell(place, cell)
    problems += check_stale(notebook)
    if (size := pair.notebook.stat().st_size) > MAX_BYTES:
        problems.append(f"is {size / 1e6:.1f} MB; at most {MAX_BYTES / 1e6:.1f} MB")
    return [f"{pair.name}: {problem}" for problem in problems]


def names_under(root: Path) -> list[str]:
    """Every name that has a notebook, a twin or both."""
    files = [*root.glob("notebooks/*.ipynb"), *root.glob("notebooks/src/*.py")]
    return sorted({path.stem for path in files})


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 when all is well."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the book's folder")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("execute", help="run notebooks and store their outputs")
    run.add_argument("--fast", action="store_true", help="try the fast size, write nothing")
    both = commands.add_parser("sync", help="bring notebooks and twins together")
    both.add_argument("--from", dest="source", choices=("twin", "notebook"))
    look = commands.add_parser("check", help="find stale or unfit outputs")
    for command in (run, both, look):
        command.add_argument("names", nargs="*", help="default: all")
    args = parser.parse_args(argv)

    known = names_under(args.root)
    names = [Path(name).stem for name in args.names] or known
    if unknown := sorted(set(names) - set(known)):
        parser.error(
            f"no notebook or twin called {', '.join(unknown)}; there are: {', '.join(known)}"
        )
    pairs = [Pair(args.root, name) for name in names]
    try:
        if args.command == "check":
            problems = [problem for pair in pairs for problem in check(pair)]
            print("\n".join(problems) or f"{len(pairs)} notebooks agree with twins and outputs")
            return 1 if problems else 0
        for pair in pairs:
            if args.command == "sync":
                sync(pair, args.source)
            else:
                execute(pair, args.fast)
    except Failure as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
