"""A newcomer's machine: what each command says, leaves behind and ends with where something is missing."""

import importlib.util
import json
import os
import re
import runpy
import shutil
import socket
import subprocess
import sys
import tomllib
import types
from collections.abc import Callable
from pathlib import Path

import bounds
import build_book
import environment
import lock
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]


def run(*command: str | Path, **settings: object) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, **settings)  # type: ignore[call-overload]


# ---- the environment ----------------------------------------------------------------------------

# As Debian's without the package python3-venv: a Python is laid down, pip cannot be, exit 1.
DEBIANS_VENV = """
import os, pathlib, sys
folder = pathlib.Path(sys.argv[-1])
(folder / "bin").mkdir(parents=True)
(folder / "pyvenv.cfg").write_text("home = /usr/bin")
os.symlink(sys.executable, folder / "bin/python")
print("ensurepip is not available", file=sys.stderr)
sys.exit(1)
"""


def make(monkeypatch: pytest.MonkeyPatch, venv: Path) -> list[Path]:
    """Run tools/environment.py on this folder; the Pythons for which it would install."""
    installed: list[Path] = []
    monkeypatch.setattr(sys, "argv", ["environment.py", "--venv", str(venv)])
    monkeypatch.setattr(environment, "install", installed.append)
    environment.main()
    return installed


def test_without_debians_venv_package_advice_and_no_half_environment_and_a_rerun_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    broken, venv = tmp_path / "broken", tmp_path / "env"
    broken.mkdir()
    (broken / "venv.py").write_text(DEBIANS_VENV)
    with monkeypatch.context() as debian:
        debian.setenv("PYTHONPATH", str(broken))
        with pytest.raises(SystemExit) as left:
            make(debian, venv)
    assert left.value.code == 1
    assert "sudo apt-get install python3-venv" in capfd.readouterr().err
    assert not venv.exists()
    (python,) = make(monkeypatch, venv)  # the package is there now
    assert environment.has_pip(python)
    assert (venv / "rnnlib-stamp").read_text() == environment.fingerprint()
    assert make(monkeypatch, venv) == []  # up to date


def test_an_environment_without_pip_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = tmp_path / "env"
    assert run(sys.executable, "-m", "venv", "--without-pip", venv).returncode == 0
    assert not environment.has_pip(venv / "bin/python")
    (python,) = make(monkeypatch, venv)
    assert environment.has_pip(python)


def test_a_folder_with_other_files_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(SystemExit):
        make(monkeypatch, tmp_path)
    assert "holds other files" in capsys.readouterr().err
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("file", ["PINS", "LOCK", "TORCH_LOCK"])
def test_the_environment_is_renewed_when_the_lock_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    before = environment.fingerprint()
    changed = tmp_path / "changed"
    changed.write_text(getattr(environment, file).read_text("utf-8") + "\n# changed")
    monkeypatch.setattr(environment, file, changed)
    assert environment.fingerprint() != before


Calls = list[tuple[list[str], dict[str, str]]]


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> tuple[Calls, Callable[[list[str]], int]]:
    """Every call of pip, none of which runs: `status` says how each ends."""
    calls: Calls = []
    status = types.SimpleNamespace(of=lambda command: 0)

    def call(command: list[str], **settings: dict[str, str]) -> int:
        calls.append((command, settings.get("env", {})))
        return int(status.of(command))

    monkeypatch.setattr(environment.subprocess, "call", call)
    monkeypatch.delenv("TORCH_INDEX", raising=False)
    return calls, status


def test_all_is_installed_with_hashes_from_one_index(
    pip: tuple[Calls, types.SimpleNamespace],
) -> None:
    calls, status = pip
    status.of = lambda command: "--no-index" in command  # no wheel of torch on this machine
    environment.install(Path("python"))
    rest, wheel, torch, editable = (command for command, _ in calls)
    for command, path in [(rest, environment.LOCK), (torch, environment.TORCH_LOCK)]:
        assert command[-3:] == ["--require-hashes", "-r", str(path)]
        assert "--no-deps" in command and "--only-binary" in command
    assert "--no-index" in wheel and wheel[-1].startswith("torch==")
    assert "--no-build-isolation" in editable and "--no-deps" in editable


def test_another_index_is_asked_for_torch_alone(
    pip: tuple[Calls, types.SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, _ = pip
    monkeypatch.setenv("TORCH_INDEX", environment.CPU_TORCH)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://elsewhere.invalid")
    environment.install(Path("python"))
    asked = [(c, env) for c, env in calls if environment.CPU_TORCH in c]
    ((command, around),) = asked
    assert command[-1].startswith("torch==") and "--no-deps" in command
    assert around["PIP_EXTRA_INDEX_URL"] == ""
    assert len(calls) == 3  # the rest, torch, rnnlib


def test_a_failed_install_gives_advice(
    pip: tuple[Calls, types.SimpleNamespace], capsys: pytest.CaptureFixture[str]
) -> None:
    calls, status = pip
    status.of = lambda command: 1
    with pytest.raises(SystemExit) as left:
        environment.install(Path("python"))
    assert left.value.code == 1 and len(calls) == 1
    assert "PIP_INDEX_URL" in capsys.readouterr().err


# ---- the lock -----------------------------------------------------------------------------------


def locked(path: Path) -> dict[str, list[str]]:
    """Each package of a lock: its lines name==version ; marker, each with its hashes."""
    found: dict[str, list[str]] = {}
    for package in re.split(r"^(?=[^\s#])", path.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        first, *hashes = package.replace(" \\\n", "\n").strip().split("\n")
        assert re.fullmatch(r"[a-z\d.-]+==[^\s;]+( ; [^\\]+)?", first), first
        assert hashes, f"{first} has no hash"
        for line in hashes:
            assert re.fullmatch(r"    --hash=sha256:[\da-f]{64}", line), line
        found.setdefault(first.split("==")[0], []).append(first)
    return found


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_holds_every_pin_with_hashes_and_torch_apart() -> None:
    rest, torch = locked(environment.LOCK), locked(environment.TORCH_LOCK)
    assert not rest.keys() & torch.keys()
    both = rest | torch
    for pin in bounds.pins(environment.PINS):
        name, version = pin.split("==")
        assert both.get(canonical(name)) == [f"{canonical(name)}=={version}"], pin
    assert "torch" in torch and all(lock.WITH_TORCH.match(f"{name}==") for name in torch)
    assert {"sympy", "jinja2", "numpy", "hatchling", "uv"} <= rest.keys()  # also what pins bring


def test_the_lock_holds_what_the_installed_packages_need() -> None:
    """Of each package that is here as it is locked, what it requires here is locked too."""
    from importlib.metadata import PackageNotFoundError, requires, version

    packaging = importlib.import_module("packaging.requirements")
    both = locked(environment.LOCK) | locked(environment.TORCH_LOCK)
    seen = 0
    for name in both:
        try:
            wanted = [packaging.Requirement(line) for line in requires(name) or []]
            here = f"{name}=={version(name).split('+')[0]}"
        except PackageNotFoundError:
            continue
        if not any(line.split(" ")[0] == here for line in both[name]):
            continue  # another version than the lock's, as in the floor's environment
        for need in wanted:
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                assert canonical(need.name) in both, f"{name} needs {need.name}"
                seen += 1
    assert seen > 100


def test_torch_and_what_only_it_needs_is_split_off() -> None:
    resolved = "a==1 \\\n    --hash=x\nnvidia-b==2 ; sys_platform == 'linux' \\\n    --hash=y\ntorch==3 \\\n    --hash=z\ntorchmetrics==4 \\\n    --hash=w\n"
    rest, torch = lock.split(resolved)
    assert re.findall(r"^\S+==\d", rest, re.MULTILINE) == ["a==1", "torchmetrics==4"]
    assert re.findall(r"^\S+==\d", torch, re.MULTILINE) == ["nvidia-b==2", "torch==3"]
    assert "--hash=x" in rest and "--hash=y" in torch


# ---- other versions -----------------------------------------------------------------------------


def test_the_floor_is_that_of_the_project_and_colab_has_its_own_versions() -> None:
    floor, colab = bounds.wanted("floor"), bounds.wanted("colab")
    for bound in PROJECT["dependencies"]:
        assert bound.replace(">=", "==") in floor
    assert set(bounds.pins(bounds.COLAB)) <= set(colab)
    for lines in (floor, colab):
        named = [canonical(line.split("==")[0]) for line in lines]
        assert len(named) == len(set(named)) and "pytest" in named
    assert re.search(r"as of 20\d\d-\d\d-\d\d", bounds.COLAB.read_text("utf-8"))


# ---- commands -----------------------------------------------------------------------------------


def test_a_busy_port_gives_advice(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("the book")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run(sys.executable, ROOT / "tools/serve.py", "--port", port, "--folder", tmp_path)
    assert done.returncode == 1
    assert f"Port {port} is taken" in done.stderr and "make serve PORT=" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("port", "word"), [("70000", "cannot be used"), ("-1", "cannot be used")])
def test_a_port_that_is_none_gives_advice(tmp_path: Path, port: str, word: str) -> None:
    (tmp_path / "index.html").write_text("the book")
    done = run(sys.executable, ROOT / "tools/serve.py", f"--port={port}", "--folder", tmp_path)
    assert done.returncode == 1 and word in done.stderr and "Traceback" not in done.stderr


def test_without_a_book_nothing_is_served(tmp_path: Path) -> None:
    done = run(sys.executable, ROOT / "tools/serve.py", "--port", "0", "--folder", tmp_path)
    assert done.returncode == 1 and "make book" in done.stderr


def links(folder: Path, *found: tuple[str, str]) -> Path:
    lines = [
        json.dumps(
            {"filename": "book/a.md", "lineno": 7, "status": status, "uri": uri, "info": "404"}
        )
        for status, uri in found
    ]
    (folder / "output.json").write_text("\n".join(lines))
    return folder


def test_broken_links_are_listed_with_their_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = ("working", "https://a.org"), ("broken", "https://b.org")
    assert build_book.report_links(links(tmp_path, good)) == 0
    assert build_book.report_links(links(tmp_path, good, bad)) == 1
    said = capsys.readouterr()
    assert "book/a.md:7: https://b.org" in said.out
    assert "1 of 2 links are broken" in said.err and "connected" not in said.err
    assert build_book.report_links(links(tmp_path, bad, ("timeout", "https://c.org"))) == 1
    assert "connected?" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["node", "npm"])
def test_without_npm_advice_and_a_status_of_its_own(tmp_path: Path, missing: str) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "rm", "cat"):
        (tools / name).symlink_to(str(shutil.which(name)))
    if missing == "npm":
        (tools / "node").write_text("#!/bin/sh\n")
        (tools / "node").chmod(0o755)
    done = run("bash", ROOT / "tools/vendor.sh", env={"PATH": str(tools)})
    assert done.returncode == 3
    assert f"{missing} is not installed" in done.stderr
    assert "Install Node.js 20 or later" in done.stderr and "still builds" in done.stderr


def test_an_old_node_gives_advice(tmp_path: Path) -> None:
    for name, said in (("node", "18"), ("npm", "")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {said}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = run("bash", ROOT / "tools/vendor.sh", env=os.environ | {"PATH": path})
    assert done.returncode == 3 and "Node.js 18 is too old" in done.stderr


def test_scripts_from_elsewhere_have_a_version_and_a_hash() -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["sphinx"]["config"]
    assert re.search(r"@\d+\.\d+\.\d+/", config["mathjax_path"])
    assert re.fullmatch(r"sha384-[\w+/]{64}", config["mathjax_options"]["integrity"])
    assert config["mathjax_options"]["crossorigin"] == "anonymous"


# ---- the first cell -----------------------------------------------------------------------------


@pytest.fixture
def cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[list[list[str]], Exception | None]]:
    """Run the first cell in an empty folder on a machine without rnnlib; pip is not called.

    What it would call, and what it raised. `comes`: whether the library is there afterwards.
    """
    library = tmp_path / "site"
    folder = tmp_path / "content"
    folder.mkdir()
    (library / "rnnlib" / "layers").mkdir(parents=True)
    (library / "rnnlib" / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "rnnlib")
    plain = [p for p in sys.path if p and not (Path(p) / "rnnlib").is_dir()]
    monkeypatch.setattr(sys, "path", [str(folder), *plain])
    monkeypatch.setattr(sys, "meta_path", [f for f in sys.meta_path if "editable" not in repr(f)])

    def started(comes: bool = True) -> tuple[list[list[str]], Exception | None]:
        calls: list[list[str]] = []

        def pip(command: list[str], **_: object) -> types.SimpleNamespace:
            calls.append(command)
            if comes:
                sys.path.append(str(library))
            return types.SimpleNamespace(returncode=0, stderr="")

        monkeypatch.setattr(subprocess, "run", pip)
        importlib.invalidate_caches()
        try:
            runpy.run_path(str(ROOT / "tools/first_cell.py"))
        except RuntimeError as problem:
            return calls, problem
        return calls, None

    return started


def test_the_first_cell_installs_its_version_once(
    cell: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    calls, problem = cell()
    assert problem is None and len(calls) == 1
    assert calls[0][-1] == f"rnnlib @ git+{ADDRESS}@main"
    assert "Save a copy in Drive" in capsys.readouterr().out
    assert cell() == ([], None)
    assert capsys.readouterr().out == ""


def test_a_folder_that_is_only_called_rnnlib_does_not_count(cell: Callable, tmp_path: Path) -> None:
    (tmp_path / "content" / "rnnlib").mkdir()
    (tmp_path / "content" / "rnnlib" / "notes.txt").touch()
    calls, problem = cell()
    assert len(calls) == 1 and problem is None


@pytest.mark.parametrize("name", ["rnnlib.py", "rnnlib/__init__.py"])
def test_another_module_of_that_name_is_named(cell: Callable, tmp_path: Path, name: str) -> None:
    other = tmp_path / "content" / name
    other.parent.mkdir(exist_ok=True)
    other.touch()
    calls, problem = cell()
    assert len(calls) == 1 and str(other) in str(problem) and "Rename it" in str(problem)


# ---- releases -----------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what a release writes to."""
    names = ["CHANGELOG.md", "CITATION.cff", "_config.yml", "rnnlib/__init__.py"]
    names += ["tools/first_cell.py", "tools/notebooks.py"]
    names += [str(p.relative_to(ROOT)) for p in ROOT.glob("notebooks/*.ipynb")]
    names += [str(p.relative_to(ROOT)) for p in ROOT.glob("notebooks/src/*.py")]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


def release(root: Path, word: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, ROOT / "tools/release.py", "--root", root, word)


def test_the_version_and_what_first_cells_install_agree() -> None:
    done = release(ROOT, "check")
    assert done.returncode == 0, done.stdout


def test_a_release_installs_its_tag_and_main_installs_main_again(copy: Path) -> None:
    before = {p: p.read_bytes() for p in copy.rglob("*") if p.is_file()}
    done = release(copy, "7.8.9")
    assert done.returncode == 1 and "no section '## 7.8.9'" in done.stdout
    assert before == {p: p.read_bytes() for p in copy.rglob("*") if p.is_file()}
    changes = (copy / "CHANGELOG.md").read_text("utf-8")
    (copy / "CHANGELOG.md").write_text(changes.replace("\n## ", "\n## 7.8.9\n\nNew.\n\n## ", 1))
    done = release(copy, "7.8.9")
    assert done.returncode == 0 and "git tag v7.8.9" in done.stdout
    for path in copy.rglob("notebooks/**/*.*"):
        assert len(re.findall(r'version = \\?"v7\.8\.9\\?"', path.read_text("utf-8"))) == 1, path
    assert yaml.safe_load((copy / "_config.yml").read_text())["repository"]["branch"] == "v7.8.9"
    assert "\nversion: 7.8.9\n" in (copy / "CITATION.cff").read_text()
    assert '__version__ = "7.8.9"' in (copy / "rnnlib/__init__.py").read_text()
    assert release(copy, "main").returncode == 0
    changed = {p.name for p, content in before.items() if p.read_bytes() != content}
    assert changed == {"CHANGELOG.md", "CITATION.cff", "__init__.py"}


def test_another_version_is_found(copy: Path) -> None:
    path = next(copy.glob("notebooks/*.ipynb"))
    path.write_text(path.read_text("utf-8").replace('version = \\"main', 'version = \\"v0.0.1'))
    done = release(copy, "check")
    assert done.returncode == 1 and f"{path.name} has v0.0.1, expected main" in done.stdout
    assert release(copy, "next").returncode == 2


# ---- workflows ----------------------------------------------------------------------------------

WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_names_commits_gives_few_rights_and_asks_one_index(path: Path) -> None:
    text = path.read_text("utf-8")
    used = re.findall(r"uses: (.*)", text)
    for line in used:
        assert re.fullmatch(r"[\w/-]+@[\da-f]{40} # v\d+\.\d+\.\d+", line), line
    assert "EXTRA_INDEX" not in text
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        wanted = {"contents": "read"}
        if name == "deploy":
            wanted = {"pages": "write", "id-token": "write"}
            assert [step["uses"].split("@")[0] for step in job["steps"]] == ["actions/deploy-pages"]
        assert job["permissions"] == wanted, name
        assert job["timeout-minutes"] <= 120
        for step in job["steps"]:
            assert "${{ github." not in step.get("run", ""), "a value of GitHub's in a shell line"
            if step.get("uses", "").startswith("actions/checkout"):
                assert step["with"]["persist-credentials"] is False


def test_an_action_has_one_commit_everywhere() -> None:
    used = {u for path in WORKFLOWS for u in re.findall(r"uses: (.*)", path.read_text("utf-8"))}
    assert len(used) == len({line.split("@")[0] for line in used})


def test_the_workflows_test_the_floor_colab_and_other_systems() -> None:
    test, weekly = (
        yaml.safe_load((ROOT / ".github/workflows" / name).read_text("utf-8"))["jobs"]
        for name in ("test.yml", "weekly.yml")
    )
    commands = {
        name: [step.get("run") for step in job["steps"]] for name, job in (test | weekly).items()
    }
    assert "3.13" in test["test"]["strategy"]["matrix"]["python"]
    assert "make floor" in commands["floor"] and "make colab" in commands["colab"]
    systems = weekly["systems"]["strategy"]["matrix"]["system"]
    assert {name.split("-")[0] for name in systems} == {"macos", "windows"}
