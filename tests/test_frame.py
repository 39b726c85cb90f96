"""The book's frame: address, pins, contents, notebooks with their twins and outputs."""

import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml
from PIL import Image, ImageChops, ImageDraw

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SLUG = PROJECT["urls"]["Repository"].removeprefix("https://github.com/")
NAMES = sorted(path.stem for path in ROOT.glob("notebooks/*.ipynb"))


def tool(name: str, *args: str | Path, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a script of tools/ on the book under `root`."""
    command = [sys.executable, ROOT / "tools" / f"{name}.py", "--root", root, *args]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


# ---- address ------------------------------------------------------------------------------------


def test_the_address_is_the_same_everywhere() -> None:
    done = tool("address", "check")
    assert done.returncode == 0, done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the files that carry the address."""
    files = ["pyproject.toml", "_config.yml", "README.md", "CITATION.cff"]
    files += ["tools/first_cell.py", "tools/notebooks.py"]
    files += [f"notebooks/{name}.ipynb" for name in NAMES]
    files += [f"notebooks/src/{name}.py" for name in NAMES]
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, tmp_path / file)  # not whether it may be written
    return tmp_path


@pytest.mark.parametrize("file", ["_config.yml", "README.md", "CITATION.cff", *NAMES[:1]])
def test_another_address_is_found(copy: Path, file: str) -> None:
    path = copy / (file if "." in file else f"notebooks/{file}.ipynb")
    path.write_text(path.read_text("utf-8").replace(SLUG, "someone/else"), "utf-8")
    done = tool("address", "check", root=copy)
    assert done.returncode == 1
    assert f"{path.relative_to(copy)} names someone/else, expected {SLUG}" in done.stdout


def test_the_address_is_set_everywhere_and_outputs_stay_fresh(copy: Path) -> None:
    done = tool("address", "set", "https://github.com/Ada/rnn-book", root=copy)
    assert done.returncode == 0, done.stdout
    assert not [p for p in copy.rglob("*.*") if p.is_file() and SLUG in p.read_text("utf-8")]
    command = [sys.executable, copy / "tools/notebooks.py", "--root", copy, "check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_wrong_address_is_refused(copy: Path) -> None:
    done = tool("address", "set", "https://example.org/book", root=copy)
    assert done.returncode == 1
    assert "expected https://github.com/OWNER/REPOSITORY" in done.stderr


# ---- notebooks ----------------------------------------------------------------------------------


def test_notebooks_agree_with_twins_and_outputs() -> None:
    done = tool("notebooks", "check")
    assert done.returncode == 0, done.stdout


STUB = """# %% [markdown]
# # A stub

# %%
x = 20 + 1

# %%
print(2 * x)

# %%
print("one")
import sys; sys.stdout.flush()
print("two")

# %% mystnb={"image": {"alt": "A line."}}
from IPython.display import SVG
SVG('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>')
"""


@pytest.fixture(scope="session")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book with one notebook, executed from its twin."""
    root = tmp_path_factory.mktemp("stub")
    (root / "notebooks" / "src").mkdir(parents=True)
    (root / "notebooks" / "src" / "stub.py").write_text(STUB, "utf-8")
    done = tool("notebooks", "execute", root=root)
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.fixture
def stub(executed: Path, tmp_path: Path) -> Path:
    """A copy of that book, to be spoilt."""
    return Path(shutil.copytree(executed, tmp_path / "stub"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(old) == 1, f"expected {old!r} once in {path.name}"
    path.write_text(text.replace(old, new), "utf-8")


def complaint(root: Path) -> str:
    done = tool("notebooks", "check", root=root)
    assert done.returncode == 1, f"check found nothing: {done.stdout}"
    return done.stdout


def test_a_fresh_notebook_passes_and_executing_again_changes_nothing_but_the_time(
    stub: Path,
) -> None:
    assert tool("notebooks", "check", root=stub).returncode == 0
    path = stub / "notebooks" / "stub.ipynb"
    seconds = re.compile(r'"seconds": [\d.]+')
    before = path.read_text("utf-8")
    assert len(nbformat.read(path, as_version=4).cells[4].outputs) == 1  # sent in two pieces
    assert tool("notebooks", "execute", root=stub).returncode == 0
    assert seconds.sub("", path.read_text("utf-8")) == seconds.sub("", before)


def test_an_edited_twin_is_found(stub: Path) -> None:
    edit(stub / "notebooks/src/stub.py", "print(2 * x)", "print(3 * x)")
    assert "cell 4 ('print(2 * x)'): notebook and twin differ" in complaint(stub)


def test_a_stale_output_is_found_after_sync(stub: Path) -> None:
    edit(stub / "notebooks/src/stub.py", "print(2 * x)", "print(3 * x)")
    done = tool("notebooks", "sync", root=stub)
    assert "notebook from twin" in done.stdout and "must run again" in done.stdout
    assert "cell 4 ('print(3 * x)'): stale output" in complaint(stub)
    assert tool("notebooks", "execute", root=stub).returncode == 0
    assert tool("notebooks", "check", root=stub).returncode == 0
    assert '"63\\n"' in (stub / "notebooks/stub.ipynb").read_text("utf-8")


def test_an_edited_notebook_is_found_and_taken_by_sync(stub: Path) -> None:
    edit(stub / "notebooks/stub.ipynb", '"print(2 * x)"', '"print(4 * x)"')
    found = complaint(stub)
    assert "cell 4 ('print(4 * x)'): notebook and twin differ" in found
    assert "cell 4 ('print(4 * x)'): stale output" in found
    assert "twin from notebook" in tool("notebooks", "sync", root=stub).stdout
    assert "print(4 * x)" in (stub / "notebooks/src/stub.py").read_text("utf-8")


def test_two_edits_are_refused(stub: Path) -> None:
    edit(stub / "notebooks/stub.ipynb", '"print(2 * x)"', '"print(4 * x)"')
    edit(stub / "notebooks/src/stub.py", "print(2 * x)", "print(3 * x)")
    for command in ("sync", "execute"):
        done = tool("notebooks", command, root=stub)
        assert done.returncode == 1
        assert "both changed" in done.stderr and "--from twin" in done.stderr


def test_a_removed_output_is_found(stub: Path) -> None:
    path = stub / "notebooks/stub.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[3].outputs = []
    nbformat.write(notebook, path)
    assert "cell 4 ('print(2 * x)'): its output was removed or edited" in complaint(stub)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("print(2 * x)", "1 / 0", "ZeroDivisionError"),
        ("print(2 * x)", "import sys; sys.stderr.write('no')", "writes to stderr"),
        ("print(2 * x)", "print('/home/me/file.txt')", "path of one machine: '/home/me/file.txt'"),
        (' mystnb={"image": {"alt": "A line."}}', "", "image without alternative text"),
        ("print(2 * x)", "print(2 * x)  # fmt: skip", "readers see '# fmt: skip'"),
        ("# %%\nprint(2 * x)", '# %% tags=["hide-input"]\nprint(2 * x)', "folded without a name"),
        ("print(2 * x)", "import ipywidgets; ipywidgets.Button()", "its output is a widget"),
    ],
)
def test_unfit_outputs_are_found(stub: Path, old: str, new: str, expected: str) -> None:
    edit(stub / "notebooks/src/stub.py", old, new)
    done = tool("notebooks", "execute", root=stub)
    # A failing cell stops the run and is named at once; all else is found by the check.
    assert expected in (done.stderr if done.returncode else complaint(stub))


def test_no_code_that_readers_see_is_a_comment_for_a_tool() -> None:
    for name in NAMES:
        text = (ROOT / "notebooks/src" / f"{name}.py").read_text("utf-8")
        assert not re.search(r"#\s*(NBVAL|fmt:|noqa)", text), name
        assert 'tags=["nbval-check-output"' in text or ', "nbval-check-output"]' in text, name


def test_nbval_compares_the_outputs_of_the_tagged_cells(tmp_path: Path) -> None:
    cells = []
    for source, stored, tagged in [
        ("1 + 1", "2", True),
        ("1 + 2", "4", True),
        ("2 + 2", "5", False),
    ]:
        cell = nbformat.v4.new_code_cell(source, execution_count=len(cells) + 1)
        cell.metadata["tags"] = ["nbval-check-output"] * tagged
        data = {"text/plain": stored}
        cell.outputs = [
            nbformat.v4.new_output("execute_result", data, execution_count=cell.execution_count)
        ]
        cells.append(cell)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    command = ["-m", "pytest", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env"]
    done = subprocess.run(
        [sys.executable, *command, "--rootdir", tmp_path, tmp_path / "a.ipynb"],
        capture_output=True,
        text=True,
    )
    assert "1 failed, 2 passed" in done.stdout and "Cell 1" in done.stdout, done.stdout


def test_every_notebook_starts_with_the_same_folded_cell_that_has_a_name() -> None:
    found = []
    for name in NAMES:
        cells = jupytext.read(ROOT / "notebooks/src" / f"{name}.py").cells
        first = next(cell for cell in cells if cell.cell_type == "code")
        found.append((first.source, first.metadata))
        hidden = [
            c for c in cells if any(t.startswith("hide-") for t in c.metadata.get("tags", []))
        ]
        names = [cell.metadata["mystnb"]["code_prompt_show"] for cell in hidden]
        assert hidden[0] is first and len(set(names)) == len(names)
    assert all(one == found[0] for one in found)
    source, metadata = found[0]
    assert source == (ROOT / "tools/first_cell.py").read_text("utf-8").strip()
    assert source.startswith(f"# @title {metadata['mystnb']['code_prompt_show']}\n")
    assert metadata["cellView"] == "form"  # folded in Colab


def test_the_first_cell_is_folded_in_jupyter_and_put_in_the_place_of_its_older_versions(
    stub: Path,
) -> None:
    path = stub / "notebooks/stub.ipynb"
    notebook = nbformat.read(path, as_version=4)
    install = notebook.cells[1]
    assert install.metadata["jupyter"] == {"source_hidden": True}
    install.source = install.source.split("\n", 1)[1].replace("half a minute", "an hour")
    install.metadata = nbformat.NotebookNode(tags=["hide-input"])
    nbformat.write(notebook, path)
    assert tool("notebooks", "sync", root=stub).returncode == 0
    again = nbformat.read(path, as_version=4)
    assert [c.source for c in again.cells if "pip" in c.source] == [again.cells[1].source]
    assert "an hour" not in again.cells[1].source
    assert again.cells[1].metadata["jupyter"] == {"source_hidden": True}


def test_a_missing_twin_and_a_missing_notebook_are_found(stub: Path) -> None:
    (stub / "notebooks/src/stub.py").rename(stub / "notebooks/src/other.py")
    found = complaint(stub)
    assert "stub: has no twin" in found
    assert "other: the twin has no notebook" in found


# ---- contents and configuration -----------------------------------------------------------------


def contents() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    listed = [toc["root"]]
    for chapter in (c for part in toc["parts"] for c in part["chapters"]):
        listed += [chapter["file"], *(s["file"] for s in chapter.get("sections", []))]
    return listed


def test_every_page_and_notebook_is_in_the_table_of_contents() -> None:
    pages = [f"book/{path.stem}" for path in ROOT.glob("book/*.md")]
    pages += [f"notebooks/{path.stem}" for path in ROOT.glob("notebooks/*.ipynb")]
    assert sorted(contents()) == sorted(pages)


def test_a_notebook_follows_its_page() -> None:
    listed = contents()
    for name in NAMES:
        assert listed[listed.index(f"notebooks/{name}") - 1] == f"book/{name}"


def test_pages_are_not_executed_when_the_book_is_built() -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    assert config["execute"]["execute_notebooks"] == "off"


def test_the_book_pins_exactly_and_the_library_does_not() -> None:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    exact = re.compile(r"[\w.-]+==[\w.]+")
    assert [line for line in pins if not exact.fullmatch(line)] == []
    extras = PROJECT["optional-dependencies"].values()
    wanted = [*PROJECT["dependencies"], *(line for lines in extras for line in lines)]
    assert [line for line in wanted if not re.fullmatch(r"[\w-]+>=[\d.]+", line)] == []
    assert PROJECT["requires-python"] == ">=3.11"
    missing = {re.split("[>=]", line)[0] for line in wanted} - {p.split("==")[0] for p in pins}
    assert not missing, f"requirements.txt does not pin {missing}"


def test_importing_rnnlib_is_quick_since_it_brings_little_beside_torch() -> None:
    code = (
        "import sys, torch; before = set(sys.modules); import rnnlib; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} "
        "- sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {*done.stdout.split()} - {"numpy", "tqdm"} == {"rnnlib"}


def test_a_figure_is_stored_small_unless_an_eye_could_tell() -> None:
    notebooks = importlib.import_module("notebooks")

    def png(image: Image.Image) -> str:
        buffer = BytesIO()
        image.save(buffer, "PNG", dpi=(200, 200))
        return b64encode(buffer.getvalue()).decode()

    plot = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(plot).line((0, 0, 299, 199), fill=(0, 114, 178), width=3)
    small = notebooks.smaller(png(plot))
    assert len(small) < len(png(plot))
    with Image.open(BytesIO(b64decode(small))) as image:
        assert ImageChops.difference(image.convert("RGB"), plot).getbbox() is None
        assert round(image.info["dpi"][0]) == 200
    noise = Image.merge("RGB", [Image.effect_noise((99, 99), 90) for _ in "rgb"])
    assert notebooks.smaller(png(noise)) == png(noise)
