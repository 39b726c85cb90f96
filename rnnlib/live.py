"""Live cells: a function whose arguments a reader sets with sliders and fields.

A live cell of a notebook is ordinary code, which can be called as it stands, and one line::

    panel = live.interact(trace, rate=(0.01, 1.0))

In Jupyter, VS Code and Colab the function is called again whenever a knob moves. Everywhere else,
as in the pages of the book, the cell shows what the function gives at its own defaults, and one
line says where it moves: no page carries a dead slider. ``RNNLIB_STILL=1`` asks for that, which
``tools/notebooks.py execute`` sets. ipywidgets is imported when a live cell runs, and not before.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Generator
from html import escape
from typing import Any

from rnnlib.training import Diverged

STILL = (
    "Here this cell stands still. It moves in Jupyter or Colab: "
    "open this notebook with the button above, and run it."
)
PAUSE = 0.005  # seconds after each piece, in which the kernel sees that Stop was pressed
SAID = (ValueError, TypeError, ArithmeticError, Diverged)  # their message is for the reader

Pieces = Generator[float, bool, None]


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
        self.alt = (inspect.getdoc(function) or "the figure of this cell").splitlines()[0]
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

    # ---- at once

    def _update(self, values: dict[str, Any]) -> None:
        """Show what the function gives."""
        self.view.value = self._html([_captured(lambda: self.function(**values))[0]])

    # ---- on demand

    def _start(self, values: dict[str, Any]) -> None:
        """Begin, unless it runs already. The pieces share the kernel's own loop: no thread."""
        if self.task is None or self.task.done():
            self.stopped = False
            self.task = asyncio.get_running_loop().create_task(self._work(values))

    def _stop(self, _: Any = None) -> None:
        self.stopped = True

    async def _work(self, values: dict[str, Any]) -> None:
        """One piece after the other; between two of them the kernel serves the buttons."""
        self.run.disabled, self.stop.disabled, self.bar.value = True, False, 0.0
        pieces, reply, seen = self.function(**values), None, []
        while True:
            shown, share = _captured(lambda: pieces.send(reply))  # noqa: B023
            seen.append(shown)
            self.view.value = self._html(seen)
            if share is None or reply:  # done, or it does not listen
                break
            self.bar.value = share
            await asyncio.sleep(PAUSE)
            reply = self.stopped
        self.run.disabled, self.stop.disabled = False, True

    def _html(self, seen: list[Any]) -> str:
        """Texts and figures of what was captured, as HTML."""
        parts = []
        for shown in seen:
            if shown.stdout:
                parts.append(f"<pre>{escape(shown.stdout)}</pre>")
            for output in shown.outputs:
                image = output.data.get("image/png")
                if image is None:
                    parts.append(f"<pre>{escape(str(output.data.get('text/plain', '')))}</pre>")
                    continue
                code = image if isinstance(image, str) else base64.b64encode(image).decode()
                source = f"data:image/png;base64,{code.strip()}"
                style = "max-width: 100%; background: white"
                parts.append(f'<img src="{source}" alt="{escape(self.alt)}" style="{style}">')
        return "".join(parts)


def _captured(call: Callable[[], Any]) -> tuple[Any, Any]:
    """What ``call`` prints and draws, an error in words; and what it returns, None at an end."""
    from IPython.utils.capture import capture_output

    result = None
    with capture_output(stderr=False) as shown:
        try:
            result = call()
        except StopIteration:
            pass
        except SAID as error:
            print(error)
        except Exception:  # the reader may have changed the function
            print(traceback.format_exc())
    return shown, result


def interact(function: Callable[..., Any], **knobs: Any) -> Panel | None:
    """Call ``function`` at once and whenever a knob moves; for what takes a blink.

    The function prints, and shows a figure with ``plt.show()``; the first line of its docstring
    describes the figure. Its defaults are where the knobs start. knobs: as in ipywidgets, a range
    (low, high, step) for a slider, a list to choose from, a text, or a widget.
    A ValueError's message is shown to the reader, in the place of the output.
    Returns the panel, or None where nothing is live; then the function is called once.
    """
    if is_live():
        return Panel(function, knobs, "")
    function()
    _say_still()
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

    What it prints and shows appears piece by piece. All else is as in ``interact``.
    """
    if is_live():
        return Panel(function, knobs, button)
    finish(function())
    _say_still()
    return None


def finish(pieces: Pieces) -> None:
    """Do all pieces of the work, without a panel."""
    for _ in pieces:
        pass


def _say_still() -> None:
    """The line below a still, where there is a notebook to show it."""
    if "IPython" in sys.modules and hasattr(sys.modules["IPython"].get_ipython(), "kernel"):
        from IPython.display import Markdown, display

        display(Markdown(f"*{STILL}*"))
