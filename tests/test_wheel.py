"""The wheel of rnnlib, installed into a bare environment: the library, its data, nothing else."""

import json
import os
import site
import subprocess
import sys
import tomllib
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import rnnlib

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def call(*command: str | Path, **settings: object) -> str:
    """Run a command, return what it prints, fail with what it said."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, **settings
    )  # type: ignore[call-overload]
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return str(done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the locked backend, so that no network is needed."""
    folder = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment with this wheel; what it depends on comes from the project's."""
    place = tmp_path_factory.mktemp("bare")
    venv.create(place, with_pip=False)
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index")
    call(*pip, wheel)
    packages = call(python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    # Behind the wheel; a .pth file in that folder, such as the one of an editable rnnlib, is not read.
    (Path(packages.strip()) / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    return python


def test_the_wheel_holds_the_library_and_its_data_and_nothing_else(wheel: Path) -> None:
    found = set(zipfile.ZipFile(wheel).namelist())
    tracked = call(
        "git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"
    )
    # Runs of a study that is not finished stay with its command, in the repository.
    files = [
        name
        for name in tracked.split("\0")
        if (ROOT / name).is_file() and not name.endswith(".partial.jsonl")
    ]
    wanted = {name for name in files if name.startswith("rnnlib/")}
    wanted |= {f"rnnlib/_{name}" for name in files if name.startswith("data/")}
    info = f"rnnlib-{rnnlib.__version__}.dist-info/"
    assert {name for name in found if not name.startswith(info)} == wanted
    assert {info + "licenses/LICENSE", info + "licenses/LICENSE-text"} <= found


def test_its_metadata_are_those_of_the_project(wheel: Path) -> None:
    info = f"rnnlib-{rnnlib.__version__}.dist-info/METADATA"
    metadata = Parser().parsestr(zipfile.ZipFile(wheel).read(info).decode())
    assert metadata["Version"] == rnnlib.__version__
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    needed = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert sorted(needed) == sorted(PROJECT["dependencies"])


def test_it_works_in_a_bare_environment(bare: Path, tmp_path: Path) -> None:
    code = (
        "import json, torch, rnnlib; from rnnlib import checkpoints, corpora, paths; "
        "folder = paths.data_dir(); "
        "model, vocabulary, _ = checkpoints.load_model(folder / 'weights/char_grimm.safetensors'); "
        "h, _ = rnnlib.LSTM(2, 3)(torch.zeros(1, 4, 2)); "
        "print(json.dumps([rnnlib.__file__, str(folder), len(vocabulary.symbols), list(h.shape)]))"
    )
    around = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    said = call(bare, "-I", "-W", "error", "-c", code, cwd=tmp_path, env=around)
    library, folder, symbols, shape = json.loads(said)
    assert Path(library).is_relative_to(bare.parent.parent)
    assert Path(folder) == Path(library).parent / "_data"
    assert symbols > 26 and shape == [1, 4, 3]
    listed = call(bare, "-I", "-m", "rnnlib.experiments", "--help", cwd=tmp_path, env=around)
    assert "char_lm" in listed
