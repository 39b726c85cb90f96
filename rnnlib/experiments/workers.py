"""Processes that call one function over and over; none outlives the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
from tqdm import tqdm

from rnnlib.experiments.signals import ENDING, unseen_by_children

Call = Callable[[Any], Any]
POLL = 0.2  # seconds between two looks at whether to stop


class WorkerLost(RuntimeError):
    """A worker ended in the middle of a run: it was killed, or its memory was not enough."""


def outcomes(
    call: Call,
    arguments: Sequence[Any],
    workers: int,
    threads: int,
    stop: Callable[[], bool],
) -> Generator[Any, None, None]:
    """``call(a)`` for each a of ``arguments``, by ``workers`` processes, each as it ends.

    Ends early once ``stop()`` is true. An error of a call is raised here. Before either, what other
    workers have finished is yielded; what they are still at is given up.

    Raises:
        WorkerLost: a worker was killed.
    """
    waiting = list(reversed(arguments))
    failed: BaseException | None = None
    with _started(min(workers, len(waiting)), call, threads) as ends:
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


def _hand_out(end: Connection, waiting: list[Any], busy: set[Connection]) -> None:
    if waiting:
        busy.add(end)
        with suppress(OSError):  # it is gone: the next look finds that out
            end.send(waiting.pop())


@contextmanager
def _started(count: int, call: Call, threads: int) -> Iterator[list[Connection]]:
    """A pipe to each of ``count`` workers; they are killed when the block is left."""
    context = multiprocessing.get_context("spawn")
    processes, ends = [], []
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, call, threads), daemon=True)
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


def _work(end: Connection, call: Call, threads: int) -> None:
    """A worker's life: calls, one after the other, until it is killed or its parent is gone."""
    for number in ENDING:  # whether to stop is the parent's to say
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    torch.set_num_threads(threads)
    tqdm.set_lock(threading.RLock())  # no bar is shared; the default lock outlives a killed worker
    os.environ["RNNLIB_PROGRESS"] = "0"
    with suppress(EOFError, OSError):  # the parent is gone
        while True:
            argument = end.recv()
            try:
                end.send(call(argument))
            except BaseException as error:
                end.send(_portable(error))


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()  # returns when it has ended, however that came
    os._exit(1)


def _portable(error: BaseException) -> BaseException:
    """The error with its traceback as a note, in a form that can cross a pipe."""
    told = traceback.format_exc()
    error.add_note(f"In a worker:\n{told}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"a run failed. In a worker:\n{told}")
    return error
