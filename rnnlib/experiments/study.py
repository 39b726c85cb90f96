"""Run a function over many settings on all cores, keep each finished run, write one record."""

from __future__ import annotations

import difflib
import json
import math
import multiprocessing
import os
import platform
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from rnnlib import corpora, validate
from rnnlib.paths import data_dir, written_beside

Settings = dict[str, Any]


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

    The record gives each run's processor seconds.

    Each finished run is appended to NAME.partial.jsonl at once, so the same call after an
    interruption goes on with what is missing. The record is written beside, then renamed.
    """
    workers = os.cpu_count() or 1 if workers is None else validate.positive_int("workers", workers)
    validate.positive_int("threads", threads)
    if not settings or any("seed" not in s for s in settings):
        raise ValueError(f"settings must be dictionaries with a seed, got {str(settings)[:99]}")
    folder = data_dir() / "results" if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{name}.partial.jsonl"
    wanted = {_key(s): s for s in settings}
    done = {_key(r["settings"]): r for r in _read_partial(partial)}
    done = {key: r for key, r in done.items() if key in wanted}
    missing = [s for key, s in wanted.items() if key not in done]
    if done:
        print(f"{name}: {len(done)} of {len(wanted)} runs were there, {len(missing)} to go")
    _end_last_line(partial)
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(workers, context, _prepare, (threads,)) as pool,
        open(partial, "a", encoding="utf-8") as file,
        tqdm(total=len(missing), unit="run", desc=name) as bar,
    ):
        try:
            futures = [pool.submit(_timed, run, s) for s in missing]
            for future in as_completed(futures):
                result = future.result()
                done[_key(result["settings"])] = result
                file.write(json.dumps(result) + "\n")
                file.flush()
                os.fsync(file.fileno())
                bar.update()
        except BaseException:
            _stop(pool)
            raise
    runs = [done[key] for key in wanted]
    record = {
        "study": name,
        "command": shlex.join(["python", "-m", "rnnlib.experiments", *sys.argv[1:]]),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_seconds": round(sum(r["seconds"] for r in runs), 1),
        "workers": workers,
        "seeds": sorted({s["seed"] for s in settings}),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "hardware": {
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "threads_per_run": threads,
            "device": "cpu",
        },
        "runs": runs,
    }
    path = folder / f"{name}.json"
    with written_beside(path) as beside:
        beside.write_text(_compact(record), encoding="utf-8")
    partial.unlink()
    print(f"{name}: {len(runs)} runs recorded in {path.name}")
    return path


def _prepare(threads: int) -> None:
    torch.set_num_threads(threads)
    tqdm.set_lock(threading.RLock())  # no bar is shared; the default lock outlives a stopped worker
    os.environ["RNNLIB_PROGRESS"] = "0"


def _timed(run: Callable[..., dict[str, Any]], settings: Settings) -> dict[str, Any]:
    start = time.process_time()  # of all threads of this process: not those of a busy machine
    result = run(**settings)
    seconds = round(time.process_time() - start, 2)
    return {"settings": settings, "seconds": seconds, "result": result}


def _stop(pool: ProcessPoolExecutor) -> None:
    """Stop the workers at once: shutdown alone would first finish runs that nobody reads."""
    for process in list((pool._processes or {}).values()):
        process.terminate()
    pool.shutdown(cancel_futures=True)


def _key(settings: Settings) -> str:
    return json.dumps(settings, sort_keys=True)


def _read_partial(path: Path) -> list[dict[str, Any]]:
    """Finished runs; a last line that was cut off by an interruption is left out."""
    runs = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            runs.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return runs


def _end_last_line(path: Path) -> None:
    """End a line that was cut off, so that it does not spoil the next."""
    if path.exists() and path.read_bytes()[-1:] not in (b"", b"\n"):
        with open(path, "a", encoding="utf-8") as file:
            file.write("\n")


def _compact(record: dict[str, Any]) -> str:
    """JSON with one run a line, so that a change in git shows which runs changed."""
    head = {k: v for k, v in record.items() if k != "runs"}
    runs = ",\n".join("  " + json.dumps(r) for r in record["runs"])
    return json.dumps(head, indent=1)[:-2] + ',\n "runs": [\n' + runs + "\n ]\n}\n"
