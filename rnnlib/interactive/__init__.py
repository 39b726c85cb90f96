"""Interactive figures: sliders and a drawing, in a notebook's output or on a page of the book.

A figure is a custom element, drawn by the scripts in ``js/``: ``rnn-figure.js`` holds what figures
share; the others that are named after a figure's element, as ``rnn-time-gate.js``, one figure each.
A notebook's output carries them whole, so it works without a kernel, a server or a network. Pages
load the same files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any, NamedTuple

from rnnlib import surfaces, validate
from rnnlib.interactive.units import unit_data, unit_script
from rnnlib.interactive.wheels import wheel_data, wheel_script
from rnnlib.interactive.words import word_data, word_script

__all__ = [
    "FALLBACK", "RANGES", "Figure", "adam_spike", "bptt_graph", "gradient_disc", "graph_hops",
    "lstm_step", "lstm_units", "optimizer_paths", "perplexity", "scan_tree", "script", "time_gate",
    "unit_data", "unit_script", "wheel", "wheel_data", "wheel_script", "word_data", "word_map",
    "word_script",
]  # fmt: skip

# The sliders' ranges, as in js/. (tests/browser/interactive.mjs compares them.)
RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "rnn-time-gate": {"tau": (2, 50), "s": (0, 50), "r_on": (0.01, 1), "leak": (0, 0.2)},
    "rnn-lstm-step": {"i": (0, 1), "f": (0, 1), "g": (-1, 1), "o": (0, 1), "c_old": (-2, 2)},
    "rnn-gradient-disc": {"gain": (0.2, 2), "bias": (-2, 6)},
    "rnn-adam-spike": {"spike": (0, 3), "beta1": (0, 0.99), "beta2": (0.9, 0.999)},  # spike: log10
    "rnn-graph-hops": {"layers": (0, 6), "lam": (0, 3)},
    "rnn-scan-tree": {"steps": (1, 8), "row": (0, 5)},
    "rnn-bptt-graph": {"step": (0, 18), "w_hh": (-2, 2), "x_1": (-2, 2)},
    "rnn-perplexity": {
        "padding": (0, 0.9), "perplexity": (2, 300), "spread": (0, 1.5), "lengths": (0, 1),
        "cost": (0, 1),
    },
    "rnn-optimizer-paths": {
        "steps": (0, 300),
        **dict.fromkeys(("w1", "w2"), surfaces.WINDOW),
        **{f"lr_{name.lower()}": (-4, 2) for name in surfaces.METHODS},  # powers of ten
    },
}  # fmt: skip
FALLBACK = "This figure moves where scripts run: run this cell, or open the book's page."


class Figure(NamedTuple):
    """An interactive figure for the last line of a notebook's cell."""

    tag: str  # of the custom element
    settings: Mapping[str, float | str]  # where its controls start
    data: str = ""  # a script that comes before those that draw

    def _repr_html_(self) -> str:
        """The element and the scripts that draw it, which define it once a page."""
        settings = self.settings.items()
        attributes = "".join(f' {name}="{escape(str(value))}"' for name, value in settings)
        scripts = self.data + "\n".join(script(name) for name in ("rnn-figure", self.tag))
        fallback = f'<p class="fallback">{escape(FALLBACK, quote=False)}</p>'
        element = f"<{self.tag}{attributes}>{fallback}</{self.tag}>"
        return f"{element}\n<script>\n{scripts}</script>"

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        return f"{self.tag}({settings}): an interactive figure"


def script(name: str) -> str:
    """The source of ``js/<name>.js``."""
    return (files("rnnlib.interactive") / "js" / f"{name}.js").read_text("utf-8")


def _figure(tag: str, **settings: float) -> Figure:
    """A figure whose settings lie within its sliders' ranges."""
    ranges = RANGES[tag]
    checked = {name: validate.real(name, settings[name], *ranges[name]) for name in ranges}
    return Figure(tag, checked)


def time_gate(tau: float = 20, s: float = 8, r_on: float = 0.2, leak: float = 0.001) -> Figure:
    r"""The Phased LSTM's time gate $k(t)$ over 100 ms, and a cell behind it.

    Sliders and drag points for the period ``tau`` (2 to 50 ms), the shift ``s`` (0 to 50 ms) and
    the open share ``r_on`` (0.01 to 1), a slider for the ``leak`` (0 to 0.2); the arguments say
    where they start. The cell, updated every 0.25 ms, takes over a candidate as far as the gate is
    open: c = k candidate + (1 - k) c. The gate is ``rnnlib.phased.time_gate``.
    Raises TypeError or ValueError for a setting that is no number or out of its range.
    Source: Neil, Pfeiffer and Liu (2016).
    """
    return _figure("rnn-time-gate", tau=tau, s=s, r_on=r_on, leak=leak)


def lstm_step(
    i: float = 0.5, f: float = 0.9, g: float = 0.8, o: float = 0.7, c_old: float = 1.0
) -> Figure:
    r"""One unit of an LSTM in one step, gate by gate.

    $c_t = g_t i_t + c_{t-1} f_t$, $h_t = \tanh(c_t)\, o_t$, what a small change passes on, and
    the cell when the same step is repeated. Sliders for the gates ``i, f, o`` (0 to 1), the
    candidate ``g`` (-1 to 1) and the old cell ``c_old`` (-2 to 2); the arguments say where they
    start. The arithmetic is that of ``rnnlib.cells.LSTMCell``.
    Raises TypeError or ValueError for a setting that is no number or out of its range.
    """
    return _figure("rnn-lstm-step", i=i, f=f, g=g, o=o, c_old=c_old)


def gradient_disc(matrix: str = "uniform", gain: float = 1.0, bias: float = 1.0) -> Figure:
    r"""Eigenvalues of a recurrent matrix, and the gradient's length on 60 steps back.

    A choice of the ``matrix`` $W$ (32, 32): "uniform", as ``init.uniform_`` draws it with
    $1/\sqrt{32}$, or "orthogonal", as ``init.orthogonal_`` does, both with seed 0. Sliders for a
    ``gain`` (0.2 to 2) that multiplies it, and for an LSTM's forget ``bias`` (-2 to 6); the
    arguments say where they start. The lines: $\lVert (\text{gain}\, W^\top)^k v \rVert$ for $v$ of
    32 equal entries and length 1, which is an RNN's gradient while its states are small; the power
    of the spectral radius, $\rho^k$; and the LSTM's gradient along $c$ alone,
    $\sigma(\text{bias})^k$.
    Raises TypeError or ValueError for a setting that is no number or out of its range.
    """
    tag = "rnn-gradient-disc"
    validate.one_of("matrix", matrix, ["uniform", "orthogonal"])
    return Figure(tag, {"matrix": matrix, **_figure(tag, gain=gain, bias=bias).settings})


def adam_spike(
    spike: float = 1000, beta1: float = 0.9, beta2: float = 0.999, calm: str = "long"
) -> Figure:
    """One huge gradient at step 20 of 200, and the steps of Adam and RMSprop after it.

    One weight, whose gradients are 1 but for the ``spike`` (1 to 1000, a slider of its logarithm,
    20 places to a factor of 10). Sliders for Adam's ``beta1`` (0 to 0.99) and ``beta2`` (0.9 to
    0.999); RMSprop has torch's 0.99. ``calm`` is "long" for running means that have settled before
    the first step shown, "none" for a training that starts there. The arguments say where the
    controls start. The numbers are those of ``rnnlib.optim.Adam`` and ``RMSprop``.
    Raises TypeError or ValueError for a setting that is no number or out of its range.
    """
    tag = "rnn-adam-spike"
    validate.one_of("calm", calm, ["long", "none"])
    exponent = round(20 * math.log10(validate.real("spike", spike, 1, 1000))) / 20
    settings = _figure(tag, spike=exponent, beta1=beta1, beta2=beta2).settings
    return Figure(tag, {"calm": calm, **settings})


def lstm_units(
    data: Mapping[str, Any],
    name: str = "units",
    *,
    shown: str = "tanh",
    order: str = "cell",
    row: int = 1,
    other: int = 2,
) -> Figure:
    """The units of an LSTM while it reads a sequence, and the gates of one of them.

    ``data`` is what ``unit_data`` returns, or a study's record that holds it; a page knows it by
    ``name``. A heat map of what ``shown`` says: "tanh" (of the cells), the cells "c", the gates
    "i", "f" and "o" or the candidates "g"; one unit a row, one step a column. Rows stand in an
    ``order``: "cell" has the largest mean |c| first, "forget" the largest mean forget gate,
    "number" the units as they are. A press on a row chooses it; the gates and the cell of the unit
    in the chosen ``row`` are drawn beneath, and it can be exchanged with the ``other`` row, the one
    chosen before.
    Raises TypeError or ValueError for an argument that does not fit.
    """
    written = unit_script(name, data)
    settings: dict[str, float | str] = {"data": name}
    settings["shown"] = validate.one_of("shown", shown, ["tanh", "c", "i", "f", "o", "g"])
    settings["order"] = validate.one_of("order", order, ["cell", "forget", "number"])
    for key, value in {"row": row, "other": other}.items():
        validate.positive_int(key, value)
        settings[key] = int(validate.real(key, value, 1, data["units"]))
    return Figure("rnn-lstm-units", settings, written)


def graph_hops(
    source: str = "C", layers: int = 2, lam: float = 1.0, what: str = "shares"
) -> Figure:
    r"""Six nodes, and where the message of one has arrived after some layers.

    A choice of the ``source``, of the nodes A to F, which a click on a node changes too; sliders
    for the ``layers`` (0 to 6) and for ``lam`` (0 to 3), the weight of a node's own message; and
    ``what`` is shown, "shares" or "walks": the source's column of $\hat A^k$, as
    ``rnnlib.graphs.propagate`` has it, or of $(A + \lambda I)^k$. The graph is ``graphs.SIX``.
    Raises TypeError or ValueError for an argument that does not fit.
    """
    chosen: dict[str, float | str] = {
        "source": validate.one_of("source", source, list("ABCDEF")),
        "what": validate.one_of("what", what, ["shares", "walks"]),
    }
    moved = {"layers": validate.positive_int("layers", layers, minimum=0), "lam": lam}
    return Figure("rnn-graph-hops", {**chosen, **_figure("rnn-graph-hops", **moved).settings})


def bptt_graph(step: int = 0, w_hh: float = 0.9, x_1: float = 1.0) -> Figure:
    r"""Back-propagation through time in a vanilla RNN of one unit over three steps, by numbers.

    A slider and buttons for the ``step`` (0 to 18): the values come forward one after the other,
    $a_1$ to the loss, then the gradients go back, and each step leaves its share for $W_{hh}$,
    $W_{hx}$ and $b_h$. Sliders for the weight ``w_hh`` and the first input ``x_1`` (-2 to 2, by
    0.1); the arguments say where they start. The other numbers are $W_{hx} = 0.8$, $b_h = 0.1$,
    $x_2 = 0.5$, $x_3 = -0.5$, $W_{ph} = 1.5$; the second class of two has the logit 0.
    The arithmetic is that of ``rnnlib.bptt.rnn_loss``.
    Raises TypeError or ValueError for a setting that is no number or out of its range.
    """
    validate.positive_int("step", step, minimum=0)
    return _figure("rnn-bptt-graph", step=step, w_hh=w_hh, x_1=x_1)


def scan_tree(steps: int = 8, row: int = 5) -> Figure:
    r"""The scan of a linear recurrence of one unit as a tree, row by row.

    Sliders for the ``steps`` (1 to 8) and for the ``row`` up to which the tree is done (0 to 5): in
    rows upwards maps $h \mapsto a h + b$ are joined, in rows downwards applied to states that are
    known. Maps are drawn by their two numbers, known states as one; see ``rnnlib.scan``.
    Raises TypeError or ValueError for an argument that does not fit.
    """
    validate.positive_int("steps", steps)
    validate.positive_int("row", row, minimum=0)
    return _figure("rnn-scan-tree", steps=steps, row=row)


def perplexity(
    padding: float = 0.555,
    perplexity: float = 104.4,
    spread: float = 0.5,
    lengths: float = 0.8,
    cost: float = 0.0,
) -> Figure:
    r"""The perplexity of one model, counted four ways, against the share of padding.

    The model of sentences: $x$ nats a character, normal with mean $H = \ln$ ``perplexity`` (2 to
    300) and deviation $s$ = ``spread`` (0 to 1.5 nats); a share $l$ of the padded steps is
    characters, each step of the rest costs $c$ = ``cost`` (0 to 1 nats). $l$ takes 101 values
    equally often, evenly about 1 - ``padding`` (0 to 0.9): as far apart as they can be, times
    ``lengths`` (0 to 1). Sliders for all five; the arguments say where they start.
    Per character, padding excluded: $e^H$. Padding counted: $e^{(1 - p) H + p c}$ for
    p = ``padding``. Mean of the sentences' perplexities: $e^{H + s^2/2}$, and with padding counted
    the mean over $l$ of $e^{l H + (1 - l) c + l^2 s^2/2}$.
    Raises TypeError or ValueError for a setting that is no number or out of its range.
    """
    settings = {"padding": padding, "perplexity": perplexity, "spread": spread}
    return _figure("rnn-perplexity", **settings, lengths=lengths, cost=cost)


def optimizer_paths(
    surface: str = "ravine",
    start: Sequence[float] | None = None,
    steps: int = 100,
    shown: Sequence[str] = ("SGD", "momentum", "RMSprop", "Adam"),
    rates: Mapping[str, float] | None = None,
) -> Figure:
    """Paths of optimisers over a map of the loss of two weights.

    A choice of the ``surface`` (of ``rnnlib.surfaces.SURFACES``), a start that a click or the
    arrow keys move, a slider for the ``steps`` (0 to 300), and for each method a switch, on for
    those in ``shown``, and a slider for its learning rate (1e-4 to 100, ten places to a factor of
    10). The arguments say where they start; without ``start`` and ``rates``, a dict from methods
    to learning rates, they are those of ``surfaces.SURFACES`` and ``surfaces.RATES``.
    The paths are those of ``rnnlib.surfaces.descend``.
    Raises TypeError or ValueError for an argument that does not fit.
    """
    validate.one_of("surface", surface, list(surfaces.SURFACES))
    first = surfaces.SURFACES[surface].start if start is None else start
    if isinstance(first, str) or not isinstance(first, Sequence) or len(first) != 2:
        raise TypeError(f"start must be two numbers (w1, w2), got {start!r}")
    validate.instance("shown", shown, list | tuple, "a list of methods")
    own = dict(validate.instance("rates", {} if rates is None else rates, Mapping, "a dict"))
    for argument, names in {"shown": shown, "rates": own}.items():
        for name in names:
            validate.one_of(argument, name, list(surfaces.METHODS))
    tag = "rnn-optimizer-paths"
    validate.positive_int("steps", steps, minimum=0)
    validate.real("steps", steps, *RANGES[tag]["steps"])
    settings: dict[str, float | str] = {"surface": surface, "steps": steps}
    for name, value in zip(("w1", "w2"), first, strict=True):
        settings[name] = validate.real("start", value, *RANGES[tag][name])
    for name, rate in (surfaces.RATES[surface] | own).items():
        checked = validate.real(f"rates[{name!r}]", rate, 1e-4, 100)
        settings[f"lr_{name.lower()}"] = round(math.log10(checked), 1)  # as the slider has it
        settings[f"show_{name.lower()}"] = "true" if name in shown else "false"
    return Figure(tag, settings)


def word_map(
    data: Mapping[str, Any],
    name: str = "words",
    *,
    map: str | None = None,
    count: int | None = None,
    word: str = "",
) -> Figure:
    """A map of words that is searched, zoomed and moved, with the nearest words of a chosen one.

    ``data`` is what ``word_data`` returns, or a study's record that holds it; a page knows it by
    ``name``. A choice of the ``map`` and of how many words it shows, ``count``; beside the nearest
    words on the map, by distance, stand the nearest in the whole embedding, by cosine, and how
    many are the same. ``word`` is the one chosen at first, or none.
    Raises TypeError or ValueError for an argument that does not fit.
    """
    settings: dict[str, float | str] = {"words": name}
    written = word_script(name, data)
    if map is not None:
        settings["map"] = validate.one_of("map", map, list(data["maps"]))
    if count is not None:
        settings["count"] = validate.one_of("count", str(count), list(data["neighbours"]))
    if word:
        settings["word"] = validate.one_of("word", word, data["words"])
    return Figure("rnn-word-map", settings, written)


def wheel(
    data: Mapping[str, Any], name: str = "wheel", *, t: int | None = None, digit: int = 0
) -> Figure:
    """The wheel inside a trained network: its digits' mean states, step by step in one plane.

    ``data`` is what ``wheel_data`` returns; a page knows it by ``name``. A slider for the step
    ``t``, which starts where training asked for the answer, and a choice of the ``digit`` that is
    followed.
    Raises TypeError or ValueError for an argument that does not fit.
    """
    settings: dict[str, float | str] = {"wheel": name}
    written = wheel_script(name, data)
    T = len(data["turned"])
    if t is not None:
        settings["t"] = validate.real("t", validate.positive_int("t", t, minimum=0), 0, T - 1)
    if digit:
        K = len(data["xy"]) // (2 * T)
        settings["digit"] = validate.one_of("digit", str(digit), [str(d) for d in range(K)])
    return Figure("rnn-wheel", settings, written)
