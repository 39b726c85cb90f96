"""Processes that call one function over and over; none outlives the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
from tqdm import tqdm

from rnnlib.experiments.signals import ENDING, unseen_by_children

Run = Callable[..., dict[str, Any]]
Settings = dict[str, Any]
POLL = 0.2  # seconds between two looks at whether to stop


class WorkerLost(RuntimeError):
    """A worker ended in the middle of a run: it was killed, or its memory was not enough."""


def outcomes(
    run: Run,
    settings: Sequence[Settings],
    workers: int,
    threads: int,
    stop: Callable[[], bool],
) -> Generator[dict[str, Any], None, None]:
    """``run(**s)`` for each s, as it ends: {"settings", "seconds" of processor time, "result"}.

    Ends early once ``stop()`` is true. An error of a run is raised here. Before either, what other
    workers have finished is yielded; what they are still at is given up.

    Raises:
        WorkerLost: a worker was killed.
    """
    waiting = list(reversed(settings))
    failed: BaseException | None = None
    with _started(min(workers, len(waiting)), run, threads) as ends:
        busy: set[Connection] = set()
        for end in ends:
            _hand_out(end, waiting, busy)
        while busy:
            over = failed is not None or stop()
            ready: list[Any] = []
            with suppress(InterruptedError):  # a signal, on Windows
                ready = wait(busy, 0 if over else POLL)
            for end in ready:
                busy.remove(end)
                try:
                    outcome = end.recv()
                except (EOFError, OSError):
                    failed = failed or WorkerLost("a worker ended in the middle of a run")
                    continue
                if isinstance(outcome, BaseException):
                    failed = failed or outcome
                    continue
                if not over:
                    _hand_out(end, waiting, busy)
                yield outcome
            if over:
                break
        if failed is not None and not stop():
            raise failed


def _hand_out(end: Connection, waiting: list[Settings], busy: set[Connection]) -> None:
    if waiting:
        busy.add(end)
        with suppress(OSError):  # it is gone: the next look finds that out
            end.send(waiting.pop())


@contextmanager
def _started(count: int, run: Run, threads: int) -> Iterator[list[Connection]]:
    """A pipe to each of ``count`` workers; they are killed when the block is left."""
    context = multiprocessing.get_context("spawn")
    processes, ends = [], []
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, run, threads), daemon=True)
            with unseen_by_children():
                process.start()
            processes.append(process)
            ends.append(ours)
            theirs.close()  # so that ours ends when the worker does
        yield ends
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


def _work(end: Connection, run: Run, threads: int) -> None:
    """A worker's life: runs, one after the other, until it is killed or its parent is gone."""
    for number in ENDING:  # whether to stop is the parent's to say
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    torch.set_num_threads(threads)
    tqdm.set_lock(threading.RLock())  # no bar is shared; the default lock outlives a killed worker
    os.environ["RNNLIB_PROGRESS"] = "0"
    with suppress(EOFError, OSError):  # the parent is gone
        while True:
            settings = end.recv()
            try:
                end.send(_timed(run, settings))
            except BaseException as error:
                end.send(_portable(error))


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()  # returns when it has ended, however that came
    os._exit(1)


def _timed(run: Run, settings: Settings) -> dict[str, Any]:
    start = time.process_time()  # of all threads of this process: not those of a busy machine
    result = run(**settings)
    seconds = round(time.process_time() - start, 2)
    return {"settings": settings, "seconds": seconds, "result": result}


def _portable(error: BaseException) -> BaseException:
    """The error with its traceback as a note, in a form that can cross a pipe."""
    told = traceback.format_exc()
    error.add_note(f"In a worker:\n{told}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"a run failed. In a worker:\n{told}")
    return error
