"""Break the library in one place after another, and list what the tests do not notice.

    python tools/mutants.py metrics ngram                two rooms; without names all of them
    python tools/mutants.py init --only rnnlib/init.py:42

A room is a module or a package of rnnlib. Each of its mutants (see ``tools/mutations.py``) is tried
by the tests of the room. A survivor is a line that could be wrong and no test would fail: write the
test, or delete the line. Where no input tells the two apart, put the survivor, without its line
number, into ``tests/equivalent_mutants.txt``, below a line ``# reason``.

Why it is quick: torch is imported once. A mutant is a forked child, which imports rnnlib from a
copy of the project and runs pytest: the tests that execute the broken line, quick ones first, then
all others, up to the first that fails. A test fails that takes ten seconds more than ten times its
time. The working tree stays as it is. Needs fork: Linux or macOS.

Why no well-kept tool: mutmut 3.8 is as quick, but passes over a function with a decorator (eight of
twelve in ``rnnlib.init``, for ``@torch.no_grad()``) and over classes' and modules' own statements,
and it has no dropped statements, method calls, transposes or bounds. cosmic-ray 8.7 starts a
process a mutant, three seconds before the first test, and writes into the working tree.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import pickle
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import coverage
import pytest
from mutations import Mutant, mutants

ROOT = Path(__file__).resolve().parent.parent
ROOMS = (
    "cells scan layers bptt optim metrics text sampling training ngram init models fused phased "
    "check tasks validate"
).split()
# The tests of a room are test_ROOM*.py, test_wrong_inputs.py and these.
ALSO = {
    "cells": ["cells_layers", "layers_whole", "phased", "min_layers"],
    "layers": ["cells_layers", "models", "phased", "min_layers"],
}
# How a mutant is found: a test fails, or cannot be imported; it hangs; torch breaks down.
FOUND = {1, 2, 4, -signal.SIGALRM, -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGFPE}
MEMORY = 16 << 30  # bytes of address space of a child


class Watch:
    """A pytest plugin: the order of the tests, how long each may take, and what each executes."""

    grace = 10  # seconds that a test may take beyond ten times its own

    def __init__(
        self,
        rank: dict[str, float],
        seconds: dict[str, float],
        cover: coverage.Coverage | None = None,
    ):
        self.rank, self.seconds, self.cover = rank, seconds, cover
        self.taken: defaultdict[str, float] = defaultdict(float)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Tests of a lower rank come first."""
        items.sort(key=lambda test: self.rank.get(test.nodeid, 0.0))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Set the alarm, which ends the process."""
        if self.cover:
            self.cover.switch_context(nodeid)
        signal.alarm(self.grace + round(10 * self.seconds.get(nodeid, 60)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up setup, call and teardown."""
        self.taken[report.nodeid] += report.duration


class Bench:
    """A copy of the project in which a child can run tests."""

    def __init__(self, root: Path, folder: Path):
        self.project = folder / "project"
        self.output, self.seen = folder / "output", folder / "seen"
        self.project.mkdir(parents=True)
        self.writes = 0
        for path in root.iterdir():
            if path.name in ("rnnlib", "tests"):
                no_caches = shutil.ignore_patterns("__pycache__")
                shutil.copytree(path, self.project / path.name, ignore=no_caches)
            elif not path.name.startswith("."):
                (self.project / path.name).symlink_to(path)

    def write(self, file: str, source: str) -> None:
        """Put a module in its place, each time a second later: so no old bytecode fits it."""
        self.writes += 1
        (self.project / file).write_bytes(source.encode())
        os.utime(self.project / file, (self.writes, self.writes))

    def start(self, tests: list[str], watch: Watch) -> int:
        """Fork a child that runs the tests; return its process id."""
        if child := os.fork():
            return child
        code = -1
        try:
            os.setsid()
            with suppress(ValueError):  # macOS may not have it
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            with self.output.open("w") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            os.chdir(self.project)
            sys.path.insert(0, str(self.project))
            os.environ |= {"PYTHONPATH": str(self.project), "PYTHONDONTWRITEBYTECODE": ""}
            sys.dont_write_bytecode = False  # it lands in the copy and saves time
            assert "rnnlib" not in sys.modules
            if watch.cover:
                watch.cover.start()
            signal.alarm(120)  # for the imports
            options = ["-qx", "-p", "no:cacheprovider", f"--basetemp={self.output.parent}/tmp"]
            code = int(pytest.main([*options, *tests], plugins=[watch]))
            if watch.cover:
                watch.cover.stop()
                data = watch.cover.get_data()
                lines = {file: data.contexts_by_lineno(file) for file in data.measured_files()}
                files = {name: getattr(m, "__file__", None) for name, m in sys.modules.items()}
                used = [name for name, f in files.items() if f and str(self.project) not in f]
                self.seen.write_bytes(pickle.dumps((watch.taken, lines, used)))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)

    def end(self, child: int, status: int) -> int:
        """A child's exit code, or minus the signal that ended it; end what it left running."""
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(status)
        if code not in FOUND | {0}:
            print(self.output.read_text("utf-8", "replace")[-5000:])
            raise SystemExit(f"pytest ended with exit code {code}")
        return code


class Room:
    """A part of rnnlib and its tests: how long each takes, which lines it executes."""

    def __init__(self, name: str, root: Path, benches: list[Bench]):
        names = [f"{name}*", "wrong_inputs", *ALSO.get(name, [])]
        paths = {path for test in names for path in root.glob(f"tests/test_{test}.py")}
        files = [*root.glob(f"rnnlib/{name}.py"), *root.glob(f"rnnlib/{name}/**/*.py")]
        if not files or not paths:
            raise SystemExit(f"{name}: expected a module or package of rnnlib that has tests")
        self.benches = benches
        self.tests = sorted(str(path.relative_to(root)) for path in paths)
        self.sources = {str(f.relative_to(root)): f.read_bytes().decode() for f in sorted(files)}
        self.seconds: dict[str, float] = {}
        self.lines: dict[str, dict[int, list[str]]] = {}

    def unbroken(self) -> None:
        """Run the tests on the library as it is, and again in the reverse order: all must pass.

        A test that leans on one before it would fail for a mutant without having noticed it.
        """
        bench = self.benches[0]
        cover = coverage.Coverage(data_file=None, include=[f"{bench.project}/rnnlib/*"])
        rank: dict[str, float] = {}
        for watch in (Watch(rank, {}, cover), Watch(rank, {})):
            child = bench.start(self.tests, watch)
            if bench.end(*os.waitpid(child, 0)):
                print(bench.output.read_text("utf-8", "replace")[-5000:])
                order = " in the reverse order" if rank else ""
                raise SystemExit(f"tests fail on the unbroken library{order}: see above")
            if not rank:
                self.seconds, lines, used = pickle.loads(bench.seen.read_bytes())
                rank |= {test: -i for i, test in enumerate(self.seconds)}
        self.lines = {file: lines.get(f"{bench.project}/{file}", {}) for file in self.sources}
        for name in used:  # torch and what else rnnlib and pytest import, once for all children
            with suppress(Exception):
                importlib.import_module(name)
        gc.freeze()  # no child need search all that for garbage

    def rank(self, mutant: Mutant) -> dict[str, float]:
        """Seconds of each test; those that do not execute the mutant's lines come a day later."""
        executed = self.lines[mutant.file]
        first = {test for line in mutant.lines for test in executed.get(line, ())}
        return {test: s + 86400 * (test not in first) for test, s in self.seconds.items()}

    def tried(self, broken: list[Mutant]) -> Iterator[tuple[Mutant, int]]:
        """Try the mutants, one a bench at a time; give each with its exit code."""
        waiting, free = iter(broken), list(self.benches)
        running: dict[int, tuple[Bench, Mutant]] = {}
        try:
            while True:
                while free and (mutant := next(waiting, None)):
                    bench = free.pop()
                    bench.write(mutant.file, mutant.source)
                    child = bench.start(self.tests, Watch(self.rank(mutant), self.seconds))
                    running[child] = bench, mutant
                if not running:
                    return
                child, status = os.wait()
                bench, mutant = running.pop(child)
                code = bench.end(child, status)
                bench.write(mutant.file, self.sources[mutant.file])
                free.append(bench)
                yield mutant, code
        finally:
            for child in running:
                os.killpg(child, signal.SIGKILL)


def read_equivalent(path: Path) -> set[str]:
    """Mutants that no input tells from the original; above each group stands ``# reason``."""
    keys, reason = set(), False
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        if line and not line.startswith("#"):
            keys.add(line)
            if not reason:
                raise SystemExit(f"{path.name}: expected a line '# reason' above {line!r}")
        else:
            reason = bool(line)
    return keys


def report(room: Room, known: set[str], only: str | None) -> int:
    """Try a room's mutants, print the survivors; return how many are not known as equivalent."""
    start = time.perf_counter()
    broken = [m for file, source in room.sources.items() for m in mutants(file, source)]
    chosen = [m for m in broken if only in (None, f"{m.file}:{m.line}")]
    room.unbroken()
    counts, left = Counter[int](), 0
    for mutant, code in room.tried(chosen):
        counts[code] += 1
        if (code == 0) != (mutant.key in known):
            left += 1
            print(mutant if code == 0 else f"found, so not equivalent: {mutant}", flush=True)
    for key in sorted(known - {m.key for m in broken}):
        if key.split(" ", 1)[0] in room.sources:
            left += 1
            print(f"equivalent, but no longer there: {key}")
    print(
        f"{len(chosen)} mutants, {len(room.seconds)} tests, {time.perf_counter() - start:.0f} s: "
        f"{counts[0]} survived, {counts[-signal.SIGALRM]} hung, {left} to look at",
        flush=True,
    )
    return left


def main() -> int:
    """Try all mutants of the rooms named; 1 if there is something to look at."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rooms", nargs="*", default=ROOMS, help=f"by default {' '.join(ROOMS)}")
    parser.add_argument("--only", metavar="FILE:LINE", help="only the mutants of this line")
    parser.add_argument("--workers", type=int, default=2, help="mutants at a time (default 2)")
    parser.add_argument("--grace", type=int, default=10, help="seconds more than ten times its own")
    parser.add_argument("--equivalent", type=Path, help="by default tests/equivalent_mutants.txt")
    parser.add_argument("--root", type=Path, default=ROOT, help="the project's folder")
    args = parser.parse_args()
    root = args.root.resolve()
    known = read_equivalent(args.equivalent or root / "tests" / "equivalent_mutants.txt")
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    Watch.grace = args.grace
    left = 0
    with tempfile.TemporaryDirectory() as folder:
        benches = [Bench(root, Path(folder).resolve() / str(k)) for k in range(args.workers)]
        for name in args.rooms:
            print(f"== {name}", flush=True)
            left += report(Room(name, root, benches), known, args.only)
    return int(left > 0)


if __name__ == "__main__":
    sys.exit(main())
