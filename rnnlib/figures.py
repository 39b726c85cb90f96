"""Plots in one style: lines told apart by colour, lightness and dash, on white paper.

White paper and dark ink stay legible in a dark page and on a grey printer.
"""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes

from rnnlib import prosody

# After Okabe and Ito (2008), ordered so that neighbours differ in lightness as well.
COLOURS = ["#0072B2", "#D55E00", "#000000", "#009E73", "#CC79A7", "#8A6D00"]
DASHES: list[Any] = ["-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (10, 2.5))]


def use_style() -> None:
    """Set matplotlib's defaults for the book; call once at the top of a notebook.

    A notebook then draws twice as finely as it shows, for screens with fine pixels.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")
    plt.rcParams.update(
        {
            "figure.figsize": (7.0, 3.6),
            "figure.dpi": 100,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.constrained_layout.use": True,
            "axes.prop_cycle": cycler(color=COLOURS) + cycler(linestyle=DASHES),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,
            "lines.linewidth": 1.8,
            "font.size": 10,
            "legend.frameon": False,
            "legend.handlelength": 3.2,
            "image.cmap": "viridis",
            "svg.hashsalt": "rnnlib",
        }
    )


def mean_and_range(
    ax: Axes, x: Sequence[float], runs: Sequence[Sequence[float]], label: str, **style: Any
) -> None:
    """The mean of ``runs`` (R, len(x)) as a line, smallest to largest as a band."""
    values = np.asarray(runs, dtype=float)
    if values.ndim != 2 or values.shape[1] != len(x):
        raise ValueError(f"runs must have shape (R, {len(x)}), got {values.shape}")
    (line,) = ax.plot(x, values.mean(axis=0), label=label, **style)
    ax.fill_between(
        x, values.min(axis=0), values.max(axis=0), color=line.get_color(), alpha=0.18, linewidth=0
    )


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Mean and range as ``2.0 (1.0 to 3.0)``, or the number alone if all values are the same.

    Raises ValueError if there are no values.
    """
    if not len(values):
        raise ValueError("values must not be empty: nothing has no mean")
    low, mean, high = (f"{x:,.{digits}f}" for x in (min(values), np.mean(values), max(values)))
    return mean if min(values) == max(values) else f"{mean} ({low} to {high})"


def table(header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> Any:
    """A Markdown table for the last line of a cell; numbers are printed as they are given.

    A cell is Markdown, so that it can hold a formula, but it stays one cell: a ``|`` is escaped,
    a line end is drawn as ⏎, and a ``$`` that has no second one in its cell is escaped.
    Raises ValueError for a row that has not as many cells as the header.
    """
    from IPython.display import Markdown

    lines = [[*header], ["---"] * len(header), *([*row] for row in rows)]
    for line in lines:
        if len(line) != len(header):
            raise ValueError(f"rows must have {len(header)} cells, got {len(line)}: {line}")
    return Markdown("\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines))


def verses(
    lines: Sequence[str],
    gloss: Sequence[str] = (),
    title: str = "",
    sounds: Mapping[str, str] | None = None,
) -> Any:
    """Chinese verse as text for the last line of a cell: pinyin above, a line's gloss beside it.

    Text, because matplotlib draws a box for each character that its font lacks, and a browser
    finds a font. It takes colours and width from the page; on a narrow one a gloss goes below.
    ``sounds`` has the readings in which these lines differ from `prosody.pinyin`, by character.
    A character without a reading stands alone.

    Raises:
        ValueError: there are glosses, but not one a line.
    """
    from IPython.display import HTML

    if gloss and len(gloss) != len(lines):
        raise ValueError(f"gloss must have a text for each of {len(lines)} lines, got {len(gloss)}")
    rows = [f"<div><strong>{html.escape(title)}</strong></div>"] if title else []
    for i, line in enumerate(lines):
        verse = "".join(_ruby(c, (sounds or {}).get(c, prosody.pinyin(c))) for c in line)
        meaning = html.escape(gloss[i]) if gloss else ""
        rows.append(
            '<div style="display: flex; flex-wrap: wrap; align-items: baseline; '
            'gap: 0 1.2em; margin: 0.4em 0">'
            f'<span lang="zh-Hant" style="font-size: 1.35em; line-height: 2">{verse}</span>'
            f'<span style="flex: 1 1 14em">{meaning}</span></div>'
        )
    return HTML("".join(rows))


def _ruby(character: str, sound: str | None) -> str:
    """A character under its sound, in a box as wide for each, so that lines stand in columns."""
    text = html.escape(character)
    if sound is None:
        return text
    above = f'<rp>(</rp><rt style="font-size: 0.55em">{html.escape(sound)}</rt><rp>)</rp>'
    box = "display: inline-block; min-width: 1.7em; text-align: center"
    return f'<span style="{box}"><ruby>{text}{above}</ruby></span>'


def _cell(value: Any) -> str:
    """The value as text that leaves the table whole; what is escaped already stays as it is."""
    text = re.sub(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]", "⏎", str(value))
    text = re.sub(r"(?<!\\)((?:\\\\)*)\|", r"\1\\|", text)
    dollars = re.compile(r"(?<!\\)((?:\\\\)*)\$")
    return dollars.sub(r"\1\\$", text) if len(dollars.findall(text)) % 2 else text


def palindrome_lengths(record: dict[str, Any]) -> Any:
    """Accuracy against palindrome length from a recorded study: a dot a seed, lines for means."""
    fig, ax = plt.subplots()
    for shift, (kind, one_hot) in enumerate({"numbers": False, "one-hot vectors": True}.items()):
        runs = [r for r in record["runs"] if r["settings"]["one_hot"] == one_hot]
        lengths = sorted({r["settings"]["T"] for r in runs})
        accuracy = [
            [r["result"]["test_accuracy"] for r in runs if r["settings"]["T"] == T] for T in lengths
        ]
        x = np.array(lengths) + 0.4 * (shift - 0.5)  # side by side, so that dots do not hide
        (line,) = ax.plot(x, [np.mean(a) for a in accuracy], label=f"digits as {kind}")
        for x_T, a in zip(x, accuracy, strict=True):
            ax.plot([x_T] * len(a), a, "os"[shift], color=line.get_color(), alpha=0.6, ms=5)
    ax.axhline(0.1, color="black", linestyle=":", linewidth=1, label="chance")
    ax.set(xlabel="length T of the palindrome (digits)", ylabel="accuracy", ylim=(0, 1.05))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig
