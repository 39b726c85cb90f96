"""Live cells: in a real kernel their knobs are moved, and what they show is read."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from helpers import HANGS
from jupyter_client.manager import start_new_kernel
from live_cells import NAMES, bound_and_read, needed, rebound_later
from live_moves import END, MOVES, SETUP

from rnnlib import live

ROOT = Path(__file__).resolve().parent.parent
TRAINED = [name for name in NAMES if "interact_manual" in needed(name)[-1]]


class Kernel:
    """A kernel in which cells run, as a front end runs them."""

    def __init__(self) -> None:
        self.manager, self.client = start_new_kernel(
            startup_timeout=HANGS, kernel_name="python3", cwd=str(ROOT / "notebooks")
        )

    def run(self, code: str) -> str:
        """What a cell prints; an error of the cell fails the test."""
        said, displayed = [], []

        def hook(message: dict) -> None:
            content = message["content"]
            said.append(content.get("text", ""))
            displayed.extend(content.get("data", {}))

        reply = self.client.execute_interactive(code, timeout=HANGS, output_hook=hook)
        content = reply["content"]
        assert content["status"] == "ok", "\n".join(content["traceback"])
        self.displayed = displayed
        return "".join(said)

    def send(self, comm: str, data: dict) -> None:
        """What a front end sends when a reader touches the widget ``comm``."""
        message = {"comm_id": comm, "data": data}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", message))

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with pytest.MonkeyPatch.context() as around:
        for name, value in {
            "RNNLIB_FAST": "1", "RNNLIB_PROGRESS": "0", "JUPYTER_PREFER_ENV_PATH": "1",
        }.items():  # fmt: skip
            around.setenv(name, value)
        around.delenv("RNNLIB_STILL", raising=False)
        one = Kernel()
    yield one
    one.close()


@pytest.fixture
def fresh(kernel: Kernel) -> Kernel:
    """The kernel without a notebook's names, so that one start serves all."""
    kernel.run("get_ipython().reset(new_session=False)")
    return kernel


def opened(kernel: Kernel, name: str) -> Kernel:
    """The kernel after the live cell and the cells that it needs."""
    for cell in needed(name):
        kernel.run(cell)
    assert "application/vnd.jupyter.widget-view+json" in kernel.displayed
    kernel.run(SETUP)
    return kernel


@pytest.mark.parametrize("name", NAMES)
def test_the_knobs_change_what_is_shown(name: str, fresh: Kernel) -> None:
    opened(fresh, name)
    for cell in MOVES[name]:
        fresh.run(cell)
    fresh.run(END)


@pytest.mark.parametrize("name", TRAINED)
def test_stop_stops(name: str, fresh: Kernel) -> None:
    """Stop is pressed by the message that a front end sends, while the training runs."""
    opened(fresh, name)
    most = fresh.run(
        "panel.knobs['steps'].value = panel.knobs['steps'].max; print(panel.knobs['steps'].value)"
    )
    run, stop = fresh.run("print(panel.run.comm.comm_id, panel.stop.comm.comm_id)").split()
    press = {"method": "custom", "content": {"event": "click"}}
    fresh.send(run, press)
    fresh.send(stop, press)
    fresh.run("await panel.task")
    share = float(fresh.run("print(panel.bar.value)"))
    assert 0 < share < 1
    text = fresh.run("print(shown()); assert figures_shown()")
    assert f"{round(share * int(most))} steps" in text
    fresh.run("assert panel.stop.disabled and not panel.run.disabled")
    fresh.run(END)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_live_cell_reads_stays_when_the_notebook_has_run(name: str) -> None:
    assert rebound_later(name) == set()


def test_a_name_that_is_bound_later_is_found() -> None:
    bound, read = bound_and_read(
        "def f(a):\n    b = a + c\n    return [d for d in e]\nfor g in h: pass"
    )
    assert bound == {"f", "g"} and {"c", "e", "h"} <= read and not {"a", "b", "d"} & read


# ---- the still --------------------------------------------------------------------------------


def drawing(x: float = 2.0):
    """A dot."""
    print("square", x**2)
    figure, ax = plt.subplots()
    ax.plot([x], [x**2], "o")
    return figure


def training(steps: int = 4):
    for k in range(steps):
        if (yield (k + 1) / steps):
            break
    print("steps", k + 1)


def test_without_a_kernel_the_function_runs_once_at_its_defaults(capsys) -> None:
    assert live.interact(drawing, x=(0.0, 3.0)) is None
    assert live.interact_manual(training, steps=(1, 9)) is None
    assert capsys.readouterr().out == "square 4.0\nsteps 4\n"
    assert plt.get_fignums() == [], "the figure is closed"


def test_a_still_in_a_kernel_has_a_line_and_no_widget(fresh: Kernel) -> None:
    fresh.run("import os; os.environ['RNNLIB_STILL'] = '1'")
    try:
        said = fresh.run(
            "from rnnlib import live\n"
            "def f(x=2.0):\n    print('square', x**2)\n"
            "panel = live.interact(f, x=(0.0, 3.0))\nassert panel is None"
        )
        assert said == "square 4.0\n" and set(fresh.displayed) == {"text/markdown", "text/plain"}
        displayed = fresh.run("print(live.STILL)")
        assert "Jupyter or Colab" in displayed
    finally:
        fresh.run("del os.environ['RNNLIB_STILL']")


def test_no_widget_is_imported_before_a_live_cell_runs() -> None:
    code = "import sys; import rnnlib.live; print({'ipywidgets', 'matplotlib', 'IPython'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_an_error_that_is_the_function_s_own_is_shown_whole(fresh: Kernel) -> None:
    """A reader may have edited it; a training that fails gives its button back."""
    fresh.run(
        "from rnnlib import live\n"
        "def f(k=0):\n    return [1][k]\n"
        "def g(k=1):\n    yield 0.5\n    1 / (k - 1)\n"
        "panel = live.interact(f, k=(0, 3)); panel.knobs['k'].value = 1\n"
        "assert 'IndexError' in panel.view.value and 'line 3' in panel.view.value\n"
        "panel = live.interact_manual(g, k=(0, 3)); panel.run.click()"
    )
    fresh.run("await panel.task\nassert 'division by zero' in panel.view.value, panel.view.value")
    fresh.run("assert not panel.run.disabled and panel.bar.value == 0.5")


def test_a_press_is_served_from_another_thread_and_prints_go_where_they_belong(
    fresh: Kernel,
) -> None:
    """JupyterLab has the knobs served in a thread of their own, while the main one runs a cell."""
    said = fresh.run(
        "from rnnlib import live\n"
        "import threading\n"
        "began, go_on = threading.Event(), threading.Event()\n"
        "def f(k=0):\n"
        "    print('the function', k)\n"
        "    if k == 1:\n        began.set(); go_on.wait()\n"
        "panel = live.interact(f, k=(0, 3))\n"
        "thread = threading.Thread(target=setattr, args=(panel.knobs['k'], 'value', 1))\n"
        "thread.start(); began.wait()\n"
        "print('the cell')\n"
        "go_on.set(); thread.join()\n"
        "assert panel.view.value == '<pre>the function 1\\n</pre>', panel.view.value"
    )
    assert said == "the cell\n"


def test_while_a_function_runs_the_kernel_takes_messages_in_other_threads(fresh: Kernel) -> None:
    """A message sets the parent of what is displayed, which a captured display could not take."""
    fresh.run(
        "from rnnlib import live\n"
        "def f(k=0):\n"
        "    get_ipython().set_parent(get_ipython().parent_header)\n"
        "    print('taken', k)\n"
        "panel = live.interact(f, k=(0, 3))\n"
        "assert panel.view.value == '<pre>taken 0\\n</pre>', panel.view.value"
    )


def test_a_second_press_does_not_start_a_second_run(fresh: Kernel) -> None:
    fresh.run(
        "from rnnlib import live\n"
        "calls = []\n"
        "def g(k=1):\n    calls.append(k)\n    yield 0.5\n"
        "panel = live.interact_manual(g, k=(0, 3)); panel.run.click(); panel.run.click()"
    )
    fresh.run("await panel.task\nassert calls == [1]")
