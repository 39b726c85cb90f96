"""Each notebook alone, as Colab runs it: an empty folder, torch and friends, no rnnlib.

The environment is a fresh one. It sees the packages of the project's environment, all but rnnlib
and those that only rnnlib needs, so what pip installs for the first cell is its own. The
repository's address is redirected to a snapshot of this checkout: committed or not, without what
git ignores.
"""

import json
import os
import re
import shutil
import site
import subprocess
import tomllib
import venv
from pathlib import Path

import nbformat
import pytest
from live_moves import END, MOVES, SETUP

import rnnlib

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]
NAMES = sorted(path.stem for path in ROOT.glob("notebooks/*.ipynb"))
HIDDEN = ("rnnlib", "_rnnlib", "pooch", "safetensors")  # Colab must get these from the first cell
WHO = ("-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
MAY_BE_INSTALLED = {"rnnlib", "pooch", "safetensors"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("RNNLIB_COLAB_TEST") != "1", reason="set RNNLIB_COLAB_TEST=1 (.ci/run does)"
    ),
]


def call(*command: str | Path, **settings: object) -> str:
    """Run a command, return what it prints, fail with what it said."""
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **settings,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
    return str(done.stdout)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose only commit is this checkout as it stands."""
    repository = tmp_path_factory.mktemp("snapshot")
    listed = call("git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, repository / name)
    call("git", "init", "--quiet", "--initial-branch=main", repository)
    call("git", "-C", repository, "add", "--all", "--force")
    call("git", "-C", repository, *WHO, "commit", "--quiet", "--no-verify", "-m", "snapshot")
    return repository


@pytest.fixture(scope="module")
def colab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment that has torch, numpy and matplotlib but not rnnlib."""
    place = tmp_path_factory.mktemp("colab")
    shared = place / "preinstalled"
    shared.mkdir()
    for folder in map(Path, site.getsitepackages()):
        for entry in folder.iterdir():
            name = entry.name.lower().removeprefix("__editable__").lstrip("._")
            unwanted = name.startswith(HIDDEN) or entry.suffix == ".pth"
            if not unwanted and not name.startswith(("pip", "__editable", "editable")):
                (shared / entry.name).symlink_to(entry)
    venv.create(place / "venv", with_pip=True)
    python = place / "venv" / "bin" / "python"
    # Python 3.11 puts an old setuptools beside pip, which would hide the one that torch needs.
    call(python, "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools")
    where = call(python, "-c", "import site; print(site.getsitepackages()[0])").strip()
    (Path(where) / "preinstalled.pth").write_text(f"{shared}\n")
    return python


def installed(python: Path) -> dict[str, str]:
    """Every package that this python sees, with its version."""
    code = (
        "import importlib.metadata as m, json; "
        "print(json.dumps({d.name.lower(): m.version(d.name) for d in m.distributions()}))"
    )
    return dict(json.loads(call(python, "-I", "-c", code)))


@pytest.fixture
def content(colab: Path, tmp_path: Path) -> Path:
    """An empty folder; rnnlib is not installed."""
    call(colab, "-m", "pip", "uninstall", "--quiet", "--yes", *sorted(MAY_BE_INSTALLED))
    folder = tmp_path / "content"
    folder.mkdir()
    return folder


@pytest.mark.usefixtures("content")
def test_the_stage_is_set(colab: Path) -> None:
    packages = installed(colab)
    assert {"torch", "numpy", "matplotlib"} <= packages.keys()
    assert not MAY_BE_INSTALLED & packages.keys()
    done = subprocess.run([str(colab), "-I", "-c", "import rnnlib"], capture_output=True)
    assert done.returncode != 0


def environment(snapshot: Path, tmp_path: Path) -> dict[str, str]:
    """What a notebook finds: the repository's address leads to the snapshot."""
    found = os.environ | {
        "RNNLIB_FAST": "1",
        "RNNLIB_PROGRESS": "0",
        "RNNLIB_CACHE": str(tmp_path / "cache"),
        "JUPYTER_PATH": "",
        "JUPYTER_DATA_DIR": str(tmp_path / "jupyter"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{snapshot.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": ADDRESS,
    }
    for variable in ("PYTHONPATH", "VIRTUAL_ENV", "RNNLIB_STILL"):
        found.pop(variable, None)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_alone(
    name: str, colab: Path, content: Path, snapshot: Path, tmp_path: Path
) -> None:
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    for source in (SETUP, *MOVES[name], END):  # and a reader moves the knobs of its live cell
        notebook.cells.append(nbformat.v4.new_code_cell(source))
    nbformat.write(notebook, content / f"{name}.ipynb")
    before = installed(colab)
    around = environment(snapshot, tmp_path)
    run = ("-m", "nbconvert", "--to", "notebook", "--execute", "--log-level=ERROR")

    call(colab, *run, "--output=once", f"{name}.ipynb", cwd=content, env=around)
    after = installed(colab)
    came = {package for package in after if after[package] != before.get(package)}
    assert "rnnlib" in came and came <= MAY_BE_INSTALLED, f"the first cell changed {came}"
    assert before.keys() <= after.keys()
    code = "import rnnlib; print(rnnlib.__file__)"
    library = call(colab, "-I", "-c", code).strip()
    assert Path(library).is_relative_to(colab.parent.parent), library
    # The wheel brings the data.
    code = "import rnnlib.paths; print(*rnnlib.paths.data_dir().iterdir())"
    assert "samples" in call(colab, "-I", "-c", code)


def test_the_first_cell_twice(colab: Path, content: Path, snapshot: Path, tmp_path: Path) -> None:
    """Where rnnlib is there, the cell is silent and needs no network."""
    cell = (ROOT / "tools" / "first_cell.py").read_text("utf-8")
    around = environment(snapshot, tmp_path)
    run = (colab, "-I", "-c", f"{cell}\n{cell}")
    first, second = call(*run, cwd=content, env=around).splitlines()
    assert first == f"Installing rnnlib from {ADDRESS}, version main"
    assert "Save a copy in Drive" in second
    assert call(*run, cwd=content, env=around | {"PIP_NO_INDEX": "1", "PATH": ""}) == ""


def test_the_first_cell_of_a_release_installs_its_tag(
    colab: Path, content: Path, snapshot: Path, tmp_path: Path
) -> None:
    """Also when main has moved on; and beside a folder that is only called rnnlib."""
    repository = Path(shutil.copytree(snapshot, tmp_path / "moved"))
    call("git", "-C", repository, "tag", "v7.8.9")
    init = repository / "rnnlib" / "__init__.py"
    init.write_text(re.sub('__version__ = ".*"', '__version__ = "7.9.0"', init.read_text("utf-8")))
    call("git", "-C", repository, *WHO, "commit", "--quiet", "--no-verify", "-am", "moved on")
    (content / "rnnlib").mkdir()
    cell = (ROOT / "tools" / "first_cell.py").read_text("utf-8")
    around = environment(repository, tmp_path)
    code = f"import sys; sys.path.insert(0, '')\n{cell}\nimport rnnlib; print(rnnlib.__version__)"
    for version, expected in [("v7.8.9", rnnlib.__version__), ("main", "7.9.0")]:
        call(colab, "-m", "pip", "uninstall", "--quiet", "--yes", "rnnlib")
        source = code.replace('version = "main"', f'version = "{version}"')
        said = call(colab, "-I", "-c", source, cwd=content, env=around)
        assert said.splitlines()[-1] == expected
