"""Signals that end a process: as Ctrl-C, held back for a while, or never seen by a child."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType
from typing import Any

#   Ctrl-C, ``kill``, a terminal that was closed, Ctrl-Break: those that this system has
ENDING = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
)


class Stopped(KeyboardInterrupt):
    """A signal other than Ctrl-C has come; ``number`` says which."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


@contextmanager
def handled(handler: Callable[[int, FrameType | None], Any], *but: int) -> Iterator[None]:
    """``handler`` is called for all ending signals ``but`` these, and but those that are ignored.

    ``nohup`` and a shell's ``&`` ignore some, and that stays so. Python handles signals in the main
    thread alone: in another this does nothing.
    """
    before = {number: signal.getsignal(number) for number in ENDING if number not in but}
    before = {n: h for n, h in before.items() if h not in (signal.SIG_IGN, None)}
    if threading.current_thread() is not threading.main_thread():
        before = {}
    try:
        for number in before:
            signal.signal(number, handler)
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


def stop(number: int, _: FrameType | None) -> None:
    """A handler: raises ``Stopped``, a KeyboardInterrupt."""
    raise Stopped(number)


@contextmanager
def held() -> Iterator[Callable[[], bool]]:
    """Ending signals take effect when the block is left; yields whether one has come."""
    come: list[int] = []
    try:
        with handled(lambda number, _: come.append(number)):
            yield lambda: bool(come)
    finally:
        if come:
            signal.raise_signal(come[0])


@contextmanager
def unseen_by_children() -> Iterator[None]:
    """What is started here never sees an ending signal that can be held; Windows has no such way.

    Here they wait until the block is left.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its start would let the signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
