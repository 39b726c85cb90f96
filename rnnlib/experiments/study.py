"""Run a function over many settings on all cores, keep each finished run, write one record."""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import math
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import nn
from tqdm import tqdm

from rnnlib import corpora, validate
from rnnlib.experiments import partial, signals, version
from rnnlib.experiments.partial import Run, Settings, key
from rnnlib.experiments.workers import outcomes
from rnnlib.paths import data_dir, written_beside

anew: ContextVar[bool] = ContextVar("anew", default=False)  # what another version made


class Refused(RuntimeError):
    """A study that has no place for its record, would lose recorded runs, or runs already."""


def load(name: str) -> dict[str, Any]:
    """The record of a study: a dictionary with "runs", one a setting and seed, and how it was made.

    Raises ValueError for a name without a record, with the nearest that has one.
    """
    folder = data_dir() / "results"
    path = folder / f"{name}.json"
    if not path.exists():
        known = sorted(p.stem for p in folder.glob("*.json"))
        near = difflib.get_close_matches(str(name), known, n=1)
        raise ValueError(
            f"name must be one of {known}, got {name!r}"
            + (f"; did you mean {near[0]!r}?" if near else "")
        )
    return json.loads(path.read_text(encoding="utf-8"))


def means(values: list[float], every: int, digits: int) -> list[float]:
    """Means of ``every`` values at a time, and of what is left at the end, rounded.

    Raises TypeError or ValueError for values that are no finite numbers.
    """
    validate.positive_int("every", every)
    validate.positive_int("digits", digits, minimum=0)
    validate.instance("values", values, Iterable, "numbers")
    values = [validate.real("values", value) for value in values]
    parts = (values[k : k + every] for k in range(0, len(values), every))
    return [round(sum(part) / len(part), digits) for part in parts]


def rounded(found: Any) -> Any:
    """The same with floats to five digits behind the point."""
    if isinstance(found, dict):
        return {k: rounded(v) for k, v in found.items()}
    if isinstance(found, list):
        return [rounded(v) for v in found]
    return round(found, 5) if isinstance(found, float) and math.isfinite(found) else found


def decaying(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Groups of weights for an optimizer: weight decay is for matrices, not for biases."""
    weights = list(model.parameters())
    return [
        {"params": [w for w in weights if w.ndim > 1], "weight_decay": weight_decay},
        {"params": [w for w in weights if w.ndim == 1], "weight_decay": 0.0},
    ]


def available(corpus: str, study: str, instead: str = "tales") -> str:
    """``corpus``, or one that comes with rnnlib where it cannot be had; says so."""
    try:
        corpora.load(corpus)
    except corpora.CorpusUnavailable as error:
        print(f"{error}\n{study}: fell back to the {instead}")
        return instead
    return corpus


def not_lost(name: str, settings: list[Settings], folder: Path | None = None) -> str:
    """``name``, if a record of these settings may have it: NAME.json then loses no run.

    Raises:
        Refused: there is such a record, with runs that are not among ``settings``; or what is there
            is no record; or the name is no plain file name.
    """
    if name != Path(name).name or name in ("", ".."):
        raise Refused(f"name must be a file's name without a folder, got {name!r}")
    path = (data_dir() / "results" if folder is None else folder) / f"{name}.json"
    if not path.exists():
        return name
    try:
        recorded = [run["settings"] for run in json.loads(path.read_bytes())["runs"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f"{path} is no record of a study: move it away first") from error
    asked = {key(s) for s in settings}
    lost = [one for one in recorded if key(one) not in asked]
    if lost:
        raise Refused(
            f"{name}: nothing was run. {path.name} is there, and {len(lost)} of its "
            f"{len(recorded)} runs are not in this study: the first is\n  {json.dumps(lost[0])}\n"
            f"For a trial give another name, as --name {name}_trial. To replace the record, "
            f"remove it first: {path}"
        )
    return name


def checkpoints(name: str, own: str) -> Path:
    """The folder where runs keep what they need to go on; it is made.

    data/checkpoints, or NAME in there for another name than the study's ``own``: a trial leaves
    alone what the study itself needs.
    """
    folder = data_dir() / "checkpoints"
    folder = folder if name == own else folder / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def checkpoint(folder: Path, own: str, settings: Settings) -> Path:
    """The checkpoint of a run of the study ``own``: other settings have another file."""
    digest = hashlib.sha256(key(settings).encode()).hexdigest()
    return folder / f"{own}_{digest[:16]}.checkpoint"


def run_study(
    name: str,
    run: Callable[..., dict[str, Any]],
    settings: list[Settings],
    workers: int | None = None,
    folder: Path | None = None,
    threads: int = 1,
) -> Path:
    """Call ``run(**s)`` for each s of ``settings``; return the path of NAME.json.

    Each call has ``threads`` threads. With more than one, ``workers`` times ``threads`` should
    not be above the number of cores.

    The record gives each run's processor seconds, and which versions of the code made the runs.

    Each finished run is appended to NAME.partial.jsonl at once, so the same call after an
    interruption goes on with what is missing. Runs of another version of the code are used too,
    and that is said; with ``anew`` set they are made again. The record is written beside, then
    renamed; then its runs leave the partial file, and runs of other settings stay there.

    Ctrl-C, TERM and HUP take effect once all finished runs are kept and all workers stopped.

    Raises:
        Refused: the record holds runs that are not among ``settings``, or another process is
            at this study.
        WorkerLost: a worker was killed.
    """
    workers = os.cpu_count() or 1 if workers is None else validate.positive_int("workers", workers)
    validate.positive_int("threads", threads)
    if not settings or any("seed" not in s for s in settings):
        raise ValueError(f"settings must be dictionaries with a seed, got {str(settings)[:99]}")
    folder = data_dir() / "results" if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    path, unfinished = folder / f"{name}.json", folder / f"{name}.partial.jsonl"
    wanted = {key(s): s for s in settings}
    with _alone(folder / f"{name}.lock", name), signals.held() as stop:
        not_lost(name, settings, folder)
        done = _taken_over(name, partial.read(unfinished), wanted)
        missing = [s for k, s in wanted.items() if k not in done]
        one_run = functools.partial(_kept, run, unfinished, version.code())
        with (
            closing(outcomes(one_run, missing, workers, threads, stop)) as found,
            tqdm(total=len(missing), unit="run", desc=name) as bar,
        ):
            for one in found:
                done[key(one["settings"])] = one
                with suppress(OSError):  # nobody reads the bar any more
                    bar.update()
        if len(done) < len(wanted):
            print(f"{name}: {len(done)} of {len(wanted)} runs are kept in {unfinished.name}")
            raise KeyboardInterrupt
        runs = [done[k] for k in wanted]
        with written_beside(path) as beside:
            beside.write_text(_compact(_record(name, runs, workers, threads)), encoding="utf-8")
        partial.drop(unfinished, wanted.keys())
    print(f"{name}: {len(runs)} runs recorded in {path.name}")
    return path


def _kept(
    run: Callable[..., dict[str, Any]], unfinished: Path, code: dict[str, str], settings: Settings
) -> Run:
    """One run; the worker that makes it keeps it, so that it outlives the process of the study."""
    start = time.process_time()  # of all threads of this process: not those of a busy machine
    result = run(**settings)
    seconds = round(time.process_time() - start, 2)
    one = {"settings": settings, "seconds": seconds, "result": result, "code": code}
    partial.append(unfinished, one)
    return one


@contextmanager
def _alone(lock: Path, name: str) -> Iterator[None]:
    """No other process is in such a block; the lock of a process that has ended counts no more."""
    only = FileLock(lock, timeout=0)
    try:
        only.acquire()
    except Timeout:
        raise Refused(
            f"{name}: nothing was run. Another process is at this study: wait until it is done, or "
            "give this one another --name"
        ) from None
    try:
        yield
    finally:
        only.release()


def _taken_over(name: str, kept: dict[str, Run], wanted: dict[str, Settings]) -> dict[str, Run]:
    """Which of the kept runs are used; says how many, and whether other code made some."""
    done = {k: run for k, run in kept.items() if k in wanted}
    other = {k for k, run in done.items() if run["code"] != version.code()}
    if anew.get():
        done = {k: run for k, run in done.items() if k not in other}
    missing = len(wanted) - len(done)
    if done:
        print(f"{name}: {len(done)} of {len(wanted)} runs were there, {missing} to go")
    if other and anew.get():
        print(f"{name}: {len(other)} runs of other versions are made anew")
    elif other:
        print(f"{name}: {len(other)} of them were made by other versions; --anew makes them again:")
        for code in _codes(done.values()):
            print(f"  {code.pop('runs')} runs: {code or 'version unknown'}")
    return done


def _codes(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """The different versions that made the runs, each with how many "runs" it made."""
    codes: list[dict[str, Any]] = []
    counts: list[int] = []
    for run in runs:
        if run["code"] not in codes:
            codes.append(run["code"])
            counts.append(0)
        counts[codes.index(run["code"])] += 1
    return [code | {"runs": count} for code, count in zip(codes, counts, strict=True)]


def _record(name: str, runs: list[Run], workers: int, threads: int) -> dict[str, Any]:
    """What NAME.json holds; "versions" and "hardware" are those of the process that wrote it."""
    code = version.code()
    return {
        "study": name,
        "command": shlex.join(["python", "-m", "rnnlib.experiments", *sys.argv[1:]]),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_seconds": round(sum(r["seconds"] for r in runs), 1),
        "workers": workers,
        "seeds": sorted({r["settings"]["seed"] for r in runs}),
        "versions": {k: v for k, v in code.items() if k != "rnnlib"},
        "code": _codes(runs),
        "hardware": {
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "threads_per_run": threads,
            "device": "cpu",
        },
        "runs": [{k: v for k, v in r.items() if k != "code"} for r in runs],
    }


def _compact(record: dict[str, Any]) -> str:
    """JSON with one run a line, so that a change in git shows which runs changed."""
    head = {k: v for k, v in record.items() if k != "runs"}
    runs = ",\n".join("  " + json.dumps(r) for r in record["runs"])
    return json.dumps(head, indent=1)[:-2] + ',\n "runs": [\n' + runs + "\n ]\n}\n"
