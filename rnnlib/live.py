"""Live cells: a function whose arguments a reader sets with sliders and fields.

A live cell of a notebook is an ordinary function, which prints and returns a figure, and one line::

    panel = live.interact(trace, rate=(0.01, 1.0))

In Jupyter, VS Code and Colab the function is called again whenever a knob moves. Everywhere else,
as in the pages of the book, the cell shows what the function gives at its own defaults, and one
line says where it moves: no page carries a dead slider. ``RNNLIB_STILL=1`` asks for that, which
``tools/notebooks.py execute`` sets. ipywidgets is imported when a live cell runs, and not before.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import inspect
import io
import os
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from html import escape
from typing import Any

from rnnlib.training import Diverged

STILL = (
    "Here this cell stands still. It moves in Jupyter or Colab: "
    "open this notebook with the button above, and run it."
)
PAUSE = 0.005  # seconds after each piece, in which the kernel sees that Stop was pressed
SAID = (ValueError, TypeError, ArithmeticError, Diverged)  # their message is for the reader

Pieces = Generator[float, bool | None, Any]

# A kernel may serve the knobs in another thread than the cells (ipykernel 7 in JupyterLab), and
# matplotlib draws in one thread at a time only.
_turn = threading.Lock()


def is_live() -> bool:
    """Whether widgets would be alive: in a kernel that has ipywidgets, unless a still is asked."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if os.environ.get("RNNLIB_STILL") == "1" or not hasattr(shell, "kernel"):
        return False
    try:
        import ipywidgets  # noqa: F401
    except ImportError:
        return False
    return True


class Panel:
    """The knobs of a live cell and what it shows; ``run``, ``stop`` and ``bar`` where it waits."""

    def __init__(self, function: Callable[..., Any], knobs: dict[str, Any], button: str) -> None:
        """Show the knobs, as ``ipywidgets.interactive`` makes them of ranges, lists and texts."""
        import ipywidgets as widgets
        from IPython.display import display

        self.function = function
        self.task: asyncio.Task[None] | None = None
        self.view = widgets.HTML()
        handler = self._start if button else self._update

        def call(**values: Any) -> None:
            handler(values)

        call.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        options = {"manual": bool(button), "manual_name": button}
        controls = widgets.interactive(call, options, **knobs)
        self.knobs = {knob._kwarg: knob for knob in controls.kwargs_widgets}
        for knob in self.knobs.values():
            knob.style = {"description_width": "initial"}
            if knob.has_trait("continuous_update"):
                knob.continuous_update = False  # a figure takes longer than a slider's next value
        rows = [controls]
        if button:
            self.run = controls.manual_button
            self.stop = widgets.Button(description="Stop", disabled=True)
            self.bar = widgets.FloatProgress(min=0.0, max=1.0)
            self.stop.on_click(self._stop)
            rows.append(widgets.HBox([self.bar, self.stop]))
        display(widgets.VBox([*rows, self.view]))

    def _update(self, values: dict[str, Any]) -> None:
        """Show what the function prints and returns."""
        text, image = _said(lambda: self._image(self.function(**values)))
        self.view.value = text + (image or "")

    def _start(self, values: dict[str, Any]) -> None:
        """Begin, unless it runs already, on the loop that serves the kernel: no thread is made."""
        if self.task is None or self.task.done():
            self.stopped = False
            self.task = asyncio.get_running_loop().create_task(self._work(values))

    def _stop(self, _: Any) -> None:
        self.stopped = True

    async def _work(self, values: dict[str, Any]) -> None:
        """One piece after the other; between two of them the kernel serves the buttons."""
        self.run.disabled, self.stop.disabled = True, False
        self.bar.value, self.view.value = 0.0, ""
        pieces, stop = self.function(**values), None
        while True:
            text, result = _said(lambda: self._step(pieces, stop))  # noqa: B023
            share, image = result or (None, "")
            self.view.value += text + image
            if share is None or stop:  # at its end, or it does not listen
                break
            self.bar.value = share
            await asyncio.sleep(PAUSE)
            stop = self.stopped
        self.run.disabled, self.stop.disabled = False, True

    def _step(self, pieces: Pieces, stop: bool | None) -> tuple[float | None, str]:
        """The share that is done after the next piece; None and the figure at the end."""
        try:
            return pieces.send(stop), ""
        except StopIteration as end:
            return None, self._image(end.value)

    def _image(self, figure: Any) -> str:
        """A matplotlib figure as HTML, described by the function's docstring; it is closed."""
        if figure is None:
            return ""
        import matplotlib.pyplot as plt

        png = io.BytesIO()
        figure.savefig(png, format="png", bbox_inches="tight")
        plt.close(figure)
        alt = escape((inspect.getdoc(self.function) or "the figure").splitlines()[0])
        source = f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
        return f'<img src="{source}" alt="{alt}" style="max-width: 100%; background: white">'


def _said(call: Callable[[], Any]) -> tuple[str, Any]:
    """As HTML what ``call`` prints, and an error in words; what it returns, None after an error."""
    result = None
    with _turn, _printed() as text:
        try:
            result = call()
        except SAID as error:
            print(error)
        except Exception:  # the reader may have changed the function
            print(traceback.format_exc())
    printed = text.getvalue()
    return (f"<pre>{escape(printed)}</pre>" if printed else ""), result


@contextlib.contextmanager
def _printed() -> Iterator[io.StringIO]:
    """Collect what this thread prints; another thread's goes where it went."""
    text, owner, before = io.StringIO(), threading.get_ident(), sys.stdout

    class Mine:
        def __getattr__(self, name: str) -> Any:
            return getattr(text if threading.get_ident() == owner else before, name)

    sys.stdout = Mine()
    try:
        yield text
    finally:
        sys.stdout = before


def interact(function: Callable[..., Any], **knobs: Any) -> Panel | None:
    """Call ``function`` at once and whenever a knob moves; for what takes a blink.

    The function prints, and returns a matplotlib figure or None; the first line of its docstring
    describes the figure. Its defaults are where the knobs start. knobs: as in ipywidgets, a range
    (low, high, step) for a slider, a list to choose from, a text, or a widget.
    A ValueError's message is shown to the reader, in the place of the output.
    Returns the panel, or None where nothing is live; then the function is called once.
    """
    if is_live():
        return Panel(function, knobs, "")
    _still(function())
    return None


def interact_manual(
    function: Callable[..., Pieces], button: str = "Run", **knobs: Any
) -> Panel | None:
    """Run ``function`` when ``button`` is pressed, with a bar and a Stop; for what takes long.

    The function is a generator: after each piece of its work it yields the share that is done,
    from 0 to 1, and gets True in return once the reader wants it to stop::

        for k in range(20):
            training.train(model, source, loss_fn, optimizer, 10)
            if (yield (k + 1) / 20):
                break
        return figure

    All else is as in ``interact``.
    """
    if is_live():
        return Panel(function, knobs, button)
    _still(finish(function()))
    return None


def finish(pieces: Pieces) -> Any:
    """Do all pieces of the work without a panel, and return what the function returns."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value


def _still(figure: Any) -> None:
    """Show a figure, and in a notebook the line that says where the cell moves."""
    if figure is not None:
        import matplotlib.pyplot as plt

        plt.show()
        plt.close(figure)
    if "IPython" in sys.modules and hasattr(sys.modules["IPython"].get_ipython(), "kernel"):
        from IPython.display import Markdown, display

        display(Markdown(f"*{STILL}*"))
