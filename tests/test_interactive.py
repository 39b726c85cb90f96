"""Interactive figures as notebooks carry them; tests/browser/interactive.mjs moves them."""

import base64
import json
import math
import re
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import page_weights
import page_words
import pytest
import torch
import yaml

from rnnlib import (
    GRU,
    LSTM,
    RNN,
    checkpoints,
    experiments,
    graphs,
    init,
    interactive,
    surfaces,
    tasks,
)
from rnnlib.experiments import lstm_units
from rnnlib.models import RNNLM, CharacterModel, Classifier
from rnnlib.text import END, UNK, Vocabulary, Words

ROOT = Path(__file__).resolve().parent.parent
JS = ROOT / "rnnlib" / "interactive" / "js"
A11Y = (ROOT / "book" / "_static" / "a11y.js").read_text("utf-8")
WORDS = ['"', "<unk>", "'s", "</script>", "É", ",", "of", "the"]


def some_words(V: int = len(WORDS)) -> tuple[list[str], dict[str, torch.Tensor], torch.Tensor]:
    """V words that are none, two maps of them and an embedding of 6 numbers a word."""
    draw = torch.Generator().manual_seed(V)
    maps = {
        "learned 2-D": 7 + torch.randn(V, 2, generator=draw, dtype=torch.float64),
        "projection": torch.randn(V, 2, generator=draw) * torch.tensor([40.0, 3.0]),
    }
    words = WORDS + [f"word{n}" for n in range(V)]
    return words[:V], maps, torch.randn(V, 6, generator=draw, dtype=torch.float64)


def some_units(T: int = 30, H: int = 32) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Gates (T, 4H) and cells (T, H) of an LSTM that is none, and what it reads."""
    draw = torch.Generator().manual_seed(T)
    gates = torch.rand(T, 4, H, generator=draw, dtype=torch.float64)
    gates[:, 2] = 2 * gates[:, 2] - 1
    cells = torch.randn(T, H, generator=draw, dtype=torch.float64) * torch.linspace(1, 9, H)
    return gates.view(T, 4 * H), cells, (["<", "é"] * T)[:T]


TURN, BIAS = math.radians(70), torch.tensor([0.1, -0.2, 0.3, -0.1, 0.2], dtype=torch.float64)


def a_wheel(seed: int = 0) -> tuple[Classifier, torch.Tensor, torch.Tensor]:
    """A network of five units and three digits whose matrix turns two planes, and 90 sequences.

    Its eigenvalues are 2 and 70 degrees, and 1.9 and 90 degrees.
    """
    draw = torch.Generator().manual_seed(seed)
    model = Classifier(RNN(3, 5, generator=draw), 3, generator=draw).double()
    cell = model.rnn.cells[0]
    W = 0.1 * torch.eye(5, dtype=torch.float64)
    for n, size, turn in ((0, 2.0, TURN), (2, 1.9, math.pi / 2)):
        W[n, n] = W[n + 1, n + 1] = size * math.cos(turn)
        W[n, n + 1], W[n + 1, n] = -size * math.sin(turn), size * math.sin(turn)
    Q, _ = torch.linalg.qr(torch.randn(5, 5, generator=draw, dtype=torch.float64))
    with torch.no_grad():
        cell.W_h.copy_(Q @ W @ Q.T)
        cell.b.copy_(BIAS)
    digits = torch.randint(3, (90, 12), generator=draw)
    return model, torch.nn.functional.one_hot(digits, 3).double(), digits[:, 0]


FIGURES = [
    interactive.time_gate(),
    interactive.lstm_step(),
    interactive.gradient_disc(),
    interactive.adam_spike(),
    interactive.lstm_units(interactive.unit_data(*some_units())),
    interactive.optimizer_paths(),
    interactive.graph_hops(),
    interactive.perplexity(),
    interactive.word_map(interactive.word_data(*some_words()), word='"'),
    interactive.bptt_graph(),
    interactive.scan_tree(),
    interactive.wheel(interactive.wheel_data(*a_wheel(), 4), t=3, digit=2),
]
by_tag = pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.tag)


class Elements(HTMLParser):
    """The start tags of an HTML text, in order, and those that were left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.starts: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.starts.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@by_tag
def test_a_link_leads_past_the_figure_on_a_page(figure: interactive.Figure) -> None:
    named = re.search(r"function skips\(\) {\s*each\('(.*)',", A11Y)
    assert named and figure.tag in named[1].split(", ")


@by_tag
def test_an_output_is_the_element_and_the_scripts_that_define_it(
    figure: interactive.Figure,
) -> None:
    html = figure._repr_html_()
    elements = Elements(html)
    assert [tag for tag, _ in elements.starts] == [figure.tag, "p", "script"]
    assert elements.open == []
    assert elements.starts[0][1] == {name: str(v) for name, v in figure.settings.items()}
    for name in ("rnn-figure", figure.tag):
        assert html.count((JS / f"{name}.js").read_text("utf-8")) == 1
    assert html.index("globalThis.RnnFigure ??=") < html.index("customElements.define(")
    assert f"if (!customElements.get('{figure.tag}'))" in html  # defined once a page
    assert interactive.FALLBACK in html
    assert len(html) < 40_000  # of the 4 MB that a notebook may hold


@by_tag
def test_starting_settings_are_those_of_the_page_s_element(figure: interactive.Figure) -> None:
    source = (JS / f"{figure.tag}.js").read_text("utf-8")
    if figure.tag in ("rnn-optimizer-paths", "rnn-word-map", "rnn-wheel"):
        return  # below
    for name, value in figure.settings.items():
        if name == "data":
            continue  # there is no other
        if name == "order":
            assert f"this.start('order', '{value}')" in source
            continue
        written = re.search(rf"\b{name}: {{ label.*?\bvalue: '?([\w.]+)", source)
        assert written and type(value)(written[1]) == value


def test_settings_are_taken() -> None:
    figure = interactive.lstm_step(i=0, f=1, g=-0.5, o=0.25, c_old=-2)
    assert figure.settings == {"i": 0, "f": 1, "g": -0.5, "o": 0.25, "c_old": -2}
    assert '<rnn-lstm-step i="0.0" f="1.0" g="-0.5" o="0.25" c_old="-2.0">' in figure._repr_html_()
    assert interactive.time_gate(r_on=0.05).settings["r_on"] == 0.05
    assert repr(interactive.time_gate()).startswith("rnn-time-gate(tau=20.0, ")
    figure = interactive.bptt_graph(18, -0.5, 2)
    assert figure.settings == {"step": 18, "w_hh": -0.5, "x_1": 2}
    with pytest.raises(ValueError, match=r"step must be finite and in \[0, 18\], got 19"):
        interactive.bptt_graph(19)
    with pytest.raises(TypeError, match=r"step must be an integer, got 0\.5"):
        interactive.bptt_graph(0.5)  # type: ignore[arg-type]


def test_the_settings_of_the_tree_are_taken() -> None:
    assert interactive.scan_tree(5, 0).settings == {"steps": 5, "row": 0}
    with pytest.raises(ValueError, match=r"steps must be finite and in \[1, 8\], got 9"):
        interactive.scan_tree(9)
    with pytest.raises(TypeError, match=r"row must be an integer, got 0\.5"):
        interactive.scan_tree(row=0.5)  # type: ignore[arg-type]


def test_the_script_of_the_hops_has_the_books_graph_and_its_settings_are_taken() -> None:
    source = (JS / "rnn-graph-hops.js").read_text("utf-8")
    (edges,) = re.findall(r"const EDGES = \[(.*?)\]", source)
    assert edges.replace("'", "").split(", ") == graphs.SIX.split()
    figure = interactive.graph_hops("E", 5, 0.5, "walks")
    assert figure.settings == {"source": "E", "what": "walks", "layers": 5, "lam": 0.5}
    for arguments, message in (
        ({"source": "G"}, "source must be one of .* got 'G'"),
        ({"layers": 7}, r"layers must be finite and in \[0, 6\], got 7"),
        ({"lam": -0.1}, r"lam must be finite and in \[0, 3\], got -0.1"),
        ({"what": "all"}, "what must be one of .* got 'all'"),
    ):
        with pytest.raises(ValueError, match=message):
            interactive.graph_hops(**arguments)


def test_the_script_of_the_paths_has_the_surfaces_starts_and_rates() -> None:
    source = (JS / "rnn-optimizer-paths.js").read_text("utf-8")
    parts = re.split(r"\n    (\w+): \{\n", source[: source.index("const METHODS")])[1:]
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    assert list(found) == list(surfaces.SURFACES)
    for name, text in found.items():
        view = surfaces.SURFACES[name]
        (start,) = re.findall(r"start: \[(.*?)\]", text)
        assert tuple(map(float, start.split(", "))) == view.start
        (rates,) = re.findall(r"rates: \{ (.*?) \}", text)
        pairs = [pair.split(": ") for pair in rates.split(", ")]
        rates_here = {method.lower(): rate for method, rate in surfaces.RATES[name].items()}
        assert {method: float(rate) for method, rate in pairs} == rates_here
        (minima,) = re.findall(r"minima: \[(\[.*?\])\],", text)
        assert tuple(map(tuple, json.loads(f"[{minima}]"))) == view.minima
    settings = interactive.optimizer_paths().settings
    assert re.search(rf" steps: {{ .*? value: {settings['steps']},", source)
    (shown,) = re.findall(r"value: \[(.*?)\]\.includes\(name\)", source)
    on = [f"'{name[5:]}'" for name, value in settings.items() if value == "true"]
    assert shown.split(", ") == on


def test_the_paths_settings_are_taken() -> None:
    figure = interactive.optimizer_paths("valley", (0.5, -1), 30, ["Adam"], {"Adam": 0.03})
    settings = figure.settings
    assert (settings["surface"], settings["steps"]) == ("valley", 30)
    assert (settings["w1"], settings["w2"]) == (0.5, -1)
    assert settings["lr_adam"] == -1.5  # 0.032, the slider's place next to 0.03
    assert [name for name, value in settings.items() if value == "true"] == ["show_adam"]
    assert settings["lr_sgd"] == -2.4  # surfaces.RATES["valley"]["SGD"] is 0.004
    assert '<rnn-optimizer-paths surface="valley" steps="30" ' in figure._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"surface": "hill"}, ValueError, "surface must be one of .* got 'hill'"),
        ({"start": (0, 3)}, ValueError, r"start must be finite and in \[-2.0, 2.0\], got 3"),
        ({"start": (0, 1, 2)}, TypeError, r"start must be two numbers \(w1, w2\), got \(0, 1, 2\)"),
        ({"steps": 301}, ValueError, r"steps must be finite and in \[0, 300\], got 301"),
        ({"steps": 1.5}, TypeError, "steps must be an integer, got 1.5"),
        ({"shown": "Adam"}, TypeError, "shown must be a list of methods, got str"),
        ({"shown": ["adam"]}, ValueError, "shown must be one of .* got 'adam'"),
        ({"rates": {"adam": 1}}, ValueError, "rates must be one of .* got 'adam'"),
        ({"rates": 0.1}, TypeError, "rates must be a dict, got float"),
        (
            {"rates": {"Adam": 0}},
            ValueError,
            r"rates\['Adam'\] must be .* in \[0.0001, 100\], got 0",
        ),
    ],
)
def test_errors_of_the_paths_name_the_argument(
    arguments: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        interactive.optimizer_paths(**arguments)


# ---- the gradient's reach and the spike ----------------------------------------------------------


def test_settings_of_the_disc_and_the_spike_are_taken() -> None:
    figure = interactive.gradient_disc("orthogonal", 1.5, -2)
    assert figure.settings == {"matrix": "orthogonal", "gain": 1.5, "bias": -2}
    figure = interactive.adam_spike(100, 0.5, 0.99, "none")
    assert figure.settings == {"calm": "none", "spike": 2, "beta1": 0.5, "beta2": 0.99}
    assert interactive.adam_spike(710).settings["spike"] == 2.85  # the place of the slider


@pytest.mark.parametrize("matrix", ["uniform", "orthogonal"])
def test_the_disc_s_numbers_are_those_of_a_draw_of_init(matrix: str) -> None:
    source = (JS / "rnn-gradient-disc.js").read_text("utf-8")
    part = source[source.index(f"    {matrix}: {{\n") :]
    lists = re.findall(r"^ +(half|lengths): \[\n(.*?),\n      \],", part, re.M | re.S)[:2]
    stored = {name: json.loads(f"[{body}]") for name, body in lists}
    radius = float(re.search(r"radius: ([\d.]+)", part)[1])  # type: ignore[index]
    fill = {"uniform": lambda W, g: init.uniform_(W, 32**-0.5, g), "orthogonal": init.orthogonal_}
    W = torch.empty(32, 32, dtype=torch.float64)
    fill[matrix](W, torch.Generator().manual_seed(0))
    eigenvalues = torch.linalg.eigvals(W)
    found = [complex(*pair) for pair in stored["half"]]
    found += [z.conjugate() for z in found if z.imag]
    assert len(found) == 32
    for z in eigenvalues.tolist():
        assert min(abs(z - other) for other in found) < 1e-12
    assert radius == pytest.approx(eigenvalues.abs().max().item(), rel=1e-14)
    v = torch.full((32,), 32**-0.5, dtype=torch.float64)
    lengths = [torch.linalg.matrix_power(W.T, k) @ v for k in range(61)]
    logs = torch.stack(lengths).norm(dim=1).log10()
    if matrix == "uniform":
        assert (logs - torch.tensor(stored["lengths"], dtype=torch.float64)).abs().max() < 1e-12
    else:  # orthogonal: no length changes
        assert "lengths: Array(STEPS + 1).fill(0)," in part and logs.abs().max() < 1e-12


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: interactive.gradient_disc("xavier"), ValueError, "matrix must be one of .*'xav"),
        (
            lambda: interactive.gradient_disc(gain=3),
            ValueError,
            r"gain must be .* \[0.2, 2\], got 3",
        ),
        (lambda: interactive.gradient_disc(bias="1"), TypeError, "bias must be a number, got '1'"),
        (lambda: interactive.adam_spike(0.5), ValueError, r"spike must be .* \[1, 1000\], got 0.5"),
        (lambda: interactive.adam_spike(beta1=1), ValueError, "beta1 must be .* got 1"),
        (lambda: interactive.adam_spike(beta2=0.5), ValueError, "beta2 must be .* got 0.5"),
        (
            lambda: interactive.adam_spike(calm="short"),
            ValueError,
            "calm must be one of .* 'short'",
        ),
    ],
)
def test_errors_of_the_disc_and_the_spike_name_the_argument(
    make: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


# ---- perplexity four ways ------------------------------------------------------------------------


def test_settings_of_the_perplexities_are_taken() -> None:
    figure = interactive.perplexity(0.2, 30, 0.1, 0, 0.5)
    assert figure.settings == {
        "padding": 0.2, "perplexity": 30, "spread": 0.1, "lengths": 0, "cost": 0.5,
    }  # fmt: skip
    for arguments, message in (
        ({"padding": 1}, r"padding must be finite and in \[0, 0.9\], got 1"),
        ({"perplexity": 1}, r"perplexity must be .* \[2, 300\], got 1"),
        ({"spread": -0.1}, r"spread must be .* \[0, 1.5\], got -0.1"),
        ({"lengths": 2}, r"lengths must be .* \[0, 1\], got 2"),
        ({"cost": math.nan}, r"cost must be .* \[0, 1\], got nan"),
    ):
        with pytest.raises(ValueError, match=message):
            interactive.perplexity(**arguments)


def test_the_perplexities_show_a_report_s_three_figures() -> None:
    """104.4 and 7.9 at the start; 22.1 as a mean over sentences that fill unlike shares."""
    start = interactive.perplexity().settings
    source = (JS / "rnn-perplexity.js").read_text("utf-8")
    (preset,) = re.findall(r"'and 22.1': \{ (.*?) \}", source)
    far = {name: float(value) for name, value in (p.split(": ") for p in preset.split(", "))}
    draw = torch.Generator().manual_seed(0)
    shares = []
    for s in ({name: float(value) for name, value in start.items()}, far):
        half = s["lengths"] * min(s["padding"], 1 - s["padding"])
        share = 1 - s["padding"] + half * torch.linspace(-1, 1, 101, dtype=torch.float64)
        x = torch.randn(20_000, 1, generator=draw, dtype=torch.float64)
        x = math.log(s["perplexity"]) + s["spread"] * (x - x.mean()) / x.std()
        nats = x * share  # (20000, 101), each step of padding costs nothing
        assert s["cost"] == 0 and round(s["perplexity"], 1) == 104.4
        assert round(nats.mean().exp().item(), 1) == 7.9
        assert x.exp().mean() > 104.4  # Jensen
        shares.append(nats.exp().mean().item())
    assert shares[0] < 15 and abs(shares[1] - 22.1) < 0.5  # drawn: the browser check is exact


# ---- the units of an LSTM ------------------------------------------------------------------------


def test_a_unit_s_numbers_are_hundredths_one_unit_after_the_other() -> None:
    gates, cells, labels = some_units(7, 5)
    data = interactive.unit_data(gates, cells, labels)
    assert (data["units"], data["labels"]) == (5, labels)
    parts = {"c": cells, **dict(zip("ifgo", gates.chunk(4, dim=1), strict=True))}
    for name, part in parts.items():
        found = torch.tensor(data[name]).view(5, 7).T / 100
        assert (found - part).abs().max() <= 0.00501
        assert all(isinstance(value, int) for value in data[name])


def test_recorded_units_are_an_lstm_s_that_solves_its_palindrome(tmp_path: Path) -> None:
    """Gates and cells belong together, step by step, and the digits are a palindrome's."""
    (path,) = (p for p in page_words.write(tmp_path) if p.name == "rnn-units-lstm.js")
    assert path.stat().st_size < 30_000
    result = experiments.load("lstm_units")["runs"][0]["result"]
    assert result["solved"] and result["test_accuracy"] > 0.99
    data = result["units"]
    assert path.read_text("ascii") == interactive.unit_script("lstm", data)
    first, *rest = data["labels"]  # the answer is the digit that was not read
    assert rest == rest[::-1] and first == str(result["answer"])
    i, f, g, o, c = (torch.tensor(data[name]).view(32, 30) / 100 for name in "ifgoc")
    assert min(i.min(), f.min(), o.min()) >= 0 and g.min() < -0.9
    old = torch.cat([torch.zeros(32, 1), c[:, :-1]], dim=1)
    assert ((g * i + old * f - c).abs() <= 0.02 + 0.005 * old.abs()).all()  # all are rounded


def test_the_study_of_units_keeps_one_number_s_gates_and_cells() -> None:
    settings = {"T": 4, "hidden": 3, "lr": 1e-2, "steps": 2, "batch": 4, "clip": 1.0, "seed": 0}
    result = lstm_units.run(**settings)
    assert (result["steps"], result["solved"]) == (2, False)
    digits, units = result["units"]["labels"], result["units"]
    x, _ = tasks.palindromes(4, 2000, torch.Generator().manual_seed(1))
    assert digits == [str(int(digit)) for digit in x[0].flatten().tolist()]
    assert (units["units"], len(units["c"])) == (3, 9)
    # from c = 0, all in hundredths
    i, g, c = (torch.tensor(units[name]).view(3, 3)[:, 0] / 100 for name in "igc")
    assert (i * g - c).abs().max() < 0.016


def test_the_script_of_units_stands_inside_a_page() -> None:
    data = interactive.unit_data(*some_units())
    figure = interactive.lstm_units(
        data | {"more": 1}, "some", shown="f", order="forget", row=3, other=32
    )
    head, _, body = figure.data.partition(" = ")
    assert head == "(globalThis.RnnUnits ??= {}).some" and json.loads(body[:-2]) == data
    assert "<" not in figure.data and figure.data.isascii()
    begins = '<rnn-lstm-units data="some" shown="f" order="forget" row="3" other="32">'
    html = figure._repr_html_()
    assert html.startswith(begins)
    assert html.index(figure.data) < html.index("globalThis.RnnFigure ??=")


GATES, CELLS, LABELS = some_units(4, 3)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"c": CELLS[0]}, ValueError, r"c must have shape \(T, H\)"),
        ({"c": CELLS * torch.nan}, ValueError, "c .* finite"),
        ({"c": 0 * CELLS}, ValueError, "c must have a value of 0.01 or more"),
        ({"c": CELLS[:, :1], "gates": GATES[:, :4]}, ValueError, r"c must have .* got \(4, 1\)"),
        ({"gates": GATES[:, :11]}, ValueError, r"gates must have shape \(4, 12\), got \(4, 11\)"),
        ({"gates": 3 * GATES}, ValueError, r"gates must be in \[-1, 1\], got 2"),
        ({"labels": "abcd"}, TypeError, "labels must be a list of strings, got str"),
        ({"labels": LABELS[:3]}, ValueError, "labels must be 4 strings, one a step"),
        ({"labels": [1, 2, 3, 4]}, ValueError, "labels must be 4 strings"),
        ({"labels": ["a", "b", " ", "d"]}, ValueError, "labels must be 4 strings"),
    ],
)
def test_errors_of_the_unit_s_data_name_the_argument(
    changes: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        interactive.unit_data(**{"gates": GATES, "c": CELLS, "labels": LABELS} | changes)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": [1]}, TypeError, "data must be a dict, got list"),
        (
            {"data": {"labels": LABELS}},
            ValueError,
            r"what unit_data returns, got none of its \['un",
        ),
        ({"name": "my units"}, ValueError, "name must be of letters, digits and _, got 'my u"),
        ({"shown": "h"}, ValueError, "shown must be one of .* got 'h'"),
        ({"order": "size"}, ValueError, "order must be one of .* got 'size'"),
        ({"row": 4}, ValueError, r"row must be finite and in \[1, 3\], got 4"),
        ({"other": 0}, ValueError, "other must be at least 1, got 0"),
    ],
)
def test_errors_of_the_units_name_the_argument(
    changes: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        interactive.lstm_units(**{"data": interactive.unit_data(GATES, CELLS, LABELS)} | changes)


# ---- the map of words ---------------------------------------------------------------------------


def test_places_are_whole_steps_around_the_middle_of_a_map() -> None:
    words, maps, embedding = some_words(120)
    data = interactive.word_data(words, maps, embedding)
    assert (data["words"], data["dimensions"]) == (words, 6)
    assert list(data["maps"]) == list(maps)
    for name, xy in maps.items():
        unit, steps = data["maps"][name]["unit"], torch.tensor(data["maps"][name]["xy"])
        assert steps.abs().max() == 5000
        middle = (xy.amax(0) + xy.amin(0)) / 2
        assert (unit * steps.view(-1, 2) - (xy - middle)).abs().max() <= 0.501 * unit


def test_neighbours_are_the_highest_cosines_among_few_words_and_among_all() -> None:
    words, maps, embedding = some_words(120)
    neighbours = interactive.word_data(words, maps, 3 * embedding)["neighbours"]
    assert list(neighbours) == ["100", "120"]
    for count, found in neighbours.items():
        C = embedding[: int(count)]
        for n, row in enumerate(C):
            cosines = torch.cosine_similarity(row, C).tolist()
            order = sorted((m for m in range(len(C)) if m != n), key=lambda m: -cosines[m])[:5]
            assert found["index"][5 * n : 5 * n + 5] == order
            assert found["cosine"][5 * n : 5 * n + 5] == [round(100 * cosines[m]) for m in order]
    assert list(interactive.word_data(*some_words(7))["neighbours"]) == ["7"]


def test_the_script_of_words_is_small_and_stands_inside_a_page(tmp_path: Path) -> None:
    data = interactive.word_data(*some_words(500))
    results = tmp_path / "data" / "results"
    results.mkdir(parents=True)
    assert page_words.write(tmp_path, tmp_path) == []  # there are none
    record = {"command": "python -m a.study", "runs": [{"result": {"best": {}, "words": data}}]}
    (results / "some_map.json").write_text(json.dumps(record), "utf-8")
    (path,) = page_words.write(tmp_path, tmp_path)
    assert path == tmp_path / "rnn-words-some.js"
    text = path.read_text("ascii")  # whatever encoding the page is read with
    assert "<" not in text and len(text) < 40_000
    head, _, body = text.partition(" = ")
    assert head == "(globalThis.RnnWords ??= {}).some" and body.endswith("};\n")
    assert json.loads(body[:-2]) == data
    figure = interactive.word_map(data, "some", map="projection", count=500, word='"')
    assert figure.data == text
    html = figure._repr_html_()
    begins = '<rnn-word-map words="some" map="projection" count="500" word="&quot;">'
    assert html.startswith(begins)
    assert html.index(text) < html.index("globalThis.RnnFigure ??=")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"words": "the of"}, TypeError, "words must be a list of words, got str"),
        ({"words": WORDS[:5]}, ValueError, "words must be at least 6 different .* got 5 diff"),
        ({"words": [*WORDS[:7], '"']}, ValueError, "words must be .* got 7 different of 8"),
        ({"words": [*WORDS[:7], "a b"]}, ValueError, "words must be .* without spaces, got 'a b'"),
        ({"words": [*WORDS[:7], ""]}, ValueError, "words must be .* without spaces, got ''"),
        ({"words": [*WORDS[:7], 3]}, ValueError, "words must be .* got 3"),
        ({"maps": []}, TypeError, "maps must be a dict from names to places, got list"),
        ({"maps": {}}, ValueError, "maps must not be empty, got {}"),
        ({"maps": {"a": torch.ones(8, 3)}}, ValueError, r"maps\['a'\] must have shape \(8, 2\)"),
        ({"maps": {"a": torch.ones(8, 2)}}, ValueError, r"maps\['a'\] must have more than one"),
        ({"maps": {"a": torch.full((8, 2), torch.nan)}}, ValueError, r"maps\['a'\] .* finite"),
        ({"embedding": torch.ones(7, 4)}, ValueError, r"embedding must have shape \(8, E\)"),
        ({"embedding": torch.eye(8, 4)}, ValueError, "embedding must have a length in each row"),
    ],
)
def test_errors_of_the_words_name_the_argument(
    changes: dict, error: type[Exception], message: str
) -> None:
    arguments = dict(zip(("words", "maps", "embedding"), some_words(), strict=True))
    with pytest.raises(error, match=message):
        interactive.word_data(**arguments | changes)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": [1]}, TypeError, "data must be a dict, got list"),
        ({"data": {"words": WORDS, "maps": {}}}, ValueError, r"none of its \['dimensions', 'neigh"),
        ({"name": "the words"}, ValueError, "name must be of letters, digits and _, got 'the w"),
        ({"map": "globe"}, ValueError, r"map must be one of \['learned 2-D', 'proj.* got 'globe'"),
        ({"count": 100}, ValueError, r"count must be one of \['8'\], got '100'"),
        ({"word": "a"}, ValueError, "word must be one of .* got 'a'"),
    ],
)
def test_errors_of_the_map_of_words_name_the_argument(
    changes: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        interactive.word_map(**{"data": interactive.word_data(*some_words())} | changes)


# ---- the wheel ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_the_wheel_s_plane_is_that_of_the_largest_pair_and_the_places_are_the_means(
    seed: int,
) -> None:
    model, x, first = a_wheel(seed)
    data = interactive.wheel_data(model, x, first, 4)
    assert (data["size"], data["angle"], data["asked"]) == (2.0, 70.0, 4)  # and not 1.9
    cell, h = model.rnn.cells[0], torch.zeros(90, 5, dtype=torch.float64)
    assert isinstance(model.readout, torch.nn.Linear)
    values, vectors = torch.linalg.eig(cell.W_h.detach())
    largest = complex(2 * math.cos(TURN), 2 * math.sin(TURN))
    pair = vectors[
        :, (values - largest).abs().argmin()
    ]  # orthogonal parts of one length: W is normal
    axes = torch.stack([pair.real, -pair.imag], dim=1) * math.sqrt(2)
    steps = torch.tensor(data["xy"], dtype=torch.float64).view(12, 3, 2)
    assert steps.abs().max() == 1000
    turned, start, last = 0.0, 0j, torch.zeros(3, dtype=torch.complex128)
    for t in range(12):
        h = torch.tanh(x[:, t] @ cell.W_x.T + h @ cell.W_h.T + BIAS).detach()
        means = torch.stack([h[first == d].mean(0) for d in range(3)])
        means = means - means.mean(0)
        flat = means @ axes
        z = torch.complex(flat[:, 0], flat[:, 1])
        start = start or z[0].item() / abs(z[0].item())
        found = torch.complex(steps[t, :, 0], steps[t, :, 1]) * data["unit"]
        assert (found - z / start).abs().max() <= 0.71 * data["unit"]
        if t:
            turned += math.degrees((z * last.conj()).sum().angle())
        last = z
        assert abs(data["turned"][t] - turned) < 0.051
        share = z.abs().square().sum() / means.square().sum()
        assert abs(data["share"][t] - 100 * share) <= 0.501
        right = (model.readout(h).argmax(1) == first).double().mean()
        assert abs(data["right"][t] - 100 * right) <= 0.501
        known = torch.stack([h[:45][first[:45] == d].mean(0) for d in range(3)]) @ axes
        nearest = torch.cdist(h[45:] @ axes, known).argmin(1)
        assert abs(data["named"][t] - 100 * (nearest == first[45:]).double().mean()) <= 0.501
    assert (
        0 < min(data["share"]) < 99 and len(set(data["named"])) > 2 and len(set(data["right"])) > 2
    )


def test_the_wheel_s_page_gets_the_data_that_the_notebook_shows(tmp_path: Path) -> None:
    data = interactive.wheel_data(*a_wheel(), 4)
    figure = interactive.wheel(data, "of_mine")
    assert figure.settings == {"wheel": "of_mine"}
    notebook = nbformat.v4.new_notebook()
    shown = {"text/html": figure._repr_html_(), "text/plain": repr(figure)}
    outputs = [nbformat.v4.new_output("display_data", data=shown)]
    notebook.cells.append(nbformat.v4.new_code_cell("wheel", outputs=outputs))
    notebook.cells.append(nbformat.v4.new_markdown_cell("<rnn-wheel >"))
    (tmp_path / "notebooks").mkdir()
    assert page_words.write(tmp_path, tmp_path) == []  # there is none
    nbformat.write(notebook, tmp_path / "notebooks" / "a.ipynb")
    (path,) = page_words.write(tmp_path, tmp_path)
    assert path == tmp_path / "rnn-wheels-of_mine.js"
    text = path.read_text("ascii")
    assert text == figure.data and len(text) < 3_000
    head, _, body = text.partition(" = ")
    assert head == "(globalThis.RnnWheels ??= {}).of_mine" and json.loads(body[:-2]) == data


def changed_wheel(**changes: Any) -> dict[str, Any]:
    model, x, first = a_wheel()
    return {"model": model, "x": x, "first": first, "asked": 4} | changes


def unturned() -> Classifier:
    model, _, _ = a_wheel()
    with torch.no_grad():
        model.rnn.cells[0].W_h.copy_(torch.diag(torch.arange(5.0)))
    return model


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model": RNN(3, 5)}, TypeError, "model must be a Classifier, got RNN"),
        ({"model": Classifier(GRU(3, 5), 3)}, TypeError, "model must have one layer of RNN, got G"),
        ({"model": Classifier(RNN(3, 5, 2), 3)}, TypeError, "model must have one layer of RNN"),
        ({"model": unturned()}, ValueError, "model must have a complex pair of eigenvalues in W"),
        ({"x": torch.zeros(90, 3)}, ValueError, r"x must have shape \(N, T, D\), got \(90, 3\)"),
        ({"x": torch.zeros(90, 42, 3)}, ValueError, "x must have 2 to 41 steps, got 42"),
        ({"x": torch.zeros(90, 1, 3)}, ValueError, "x must have 2 to 41 steps, got 1"),
        ({"first": torch.full((90,), 3)}, ValueError, r"first must .* got .*3"),
        (
            {"first": torch.ones(90).long()},
            ValueError,
            "first must have each of the 3 digits in its",
        ),
        (
            {"first": torch.tensor([0] * 45 + [0, 1, 2] * 15)},
            ValueError,
            "first must have each of the 3 digits in its first half",
        ),
        ({"asked": 12}, ValueError, r"asked must be finite and in \[0, 11\], got 12"),
        ({"asked": -1}, ValueError, "asked must be at least 0, got -1"),
    ],
)
def test_errors_of_the_wheel_s_data_name_the_argument(
    changes: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        interactive.wheel_data(**changed_wheel(**changes))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": [1]}, TypeError, "data must be a dict, got list"),
        ({"data": {"xy": []}}, ValueError, r"data must be what wheel_data .* none of its \['size'"),
        ({"name": "a wheel"}, ValueError, "name must be of letters, digits and _, got 'a wheel'"),
        ({"t": 12}, ValueError, r"t must be finite and in \[0, 11\], got 12"),
        ({"t": 0.5}, TypeError, "t must be an integer, got 0.5"),
        ({"digit": 3}, ValueError, r"digit must be one of .* got '3'"),
    ],
)
def test_errors_of_the_wheel_name_the_argument(
    changes: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        interactive.wheel(**{"data": interactive.wheel_data(*a_wheel(), 4)} | changes)


@pytest.mark.parametrize("path", sorted(JS.iterdir()), ids=lambda path: path.name)
def test_a_script_stands_alone_and_is_small(path: Path) -> None:
    source = path.read_text("utf-8")
    # The playground's are loaded when asked for; all others stand in pages and in outputs.
    limit = 40_000 if path.stem.startswith("rnn-playground") else 21_000
    assert path.suffix == ".js" and len(source.encode()) < limit
    assert "</script" not in source and "<!--" not in source  # it stands inside a page
    assert "://" not in source and "import " not in re.sub(r"//.*", "", source)
    assert not [line for line in source.splitlines() if len(line) > 180]


def test_the_playground_takes_150_kB_at_most() -> None:
    assert sum(path.stat().st_size for path in JS.glob("rnn-playground*.js")) <= 150_000


def test_pages_and_wheels_get_the_scripts() -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["sphinx"]["config"]
    assert JS.relative_to(ROOT).as_posix() in config["html_static_path"]
    assert "rnn-" not in str(config["html_js_files"])  # only pages that show a figure load it
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "rnnlib" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    ours = {path.name for path in JS.iterdir()}
    assert not ours & {path.name for path in (ROOT / "book" / "_static").iterdir()}  # one folder


def test_importing_rnnlib_brings_neither_ipython_nor_matplotlib() -> None:
    code = (
        "import sys, rnnlib\nassert 'rnnlib.interactive' not in sys.modules\n"
        "import rnnlib.interactive\nrnnlib.interactive.lstm_step()._repr_html_()\n"
        "assert not {'IPython', 'matplotlib', 'ipywidgets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


TWIN = """# %% [markdown]
# # A stub

# %%
from rnnlib import interactive

# %%
interactive.time_gate(tau=10)

# %%
interactive.lstm_step()
"""


def test_a_notebook_with_figures_passes_its_check(tmp_path: Path) -> None:
    twin = tmp_path / "notebooks" / "src" / "stub.py"
    twin.parent.mkdir(parents=True)
    twin.write_text(TWIN, "utf-8")
    for command in ("execute", "check"):
        words = [sys.executable, ROOT / "tools/notebooks.py", "--root", tmp_path, command]
        done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    path = tmp_path / "notebooks" / "stub.ipynb"
    assert path.stat().st_size < 80_000
    outputs = [c.outputs for c in nbformat.read(path, 4).cells if c.cell_type == "code"][2:]
    assert [output[0].data["text/html"] for output in outputs] == [
        interactive.time_gate(tau=10)._repr_html_(),
        interactive.lstm_step()._repr_html_(),
    ]


# ---- the model that writes: its weights as a script (tests/browser/char_writer.mjs lets it write) ----


def saved(folder: Path, **options: int) -> CharacterModel:
    """A small model, and its weights file below ``folder`` as a corpus named "tiny"."""
    vocabulary = Vocabulary.of('a "b"\n</é☃')
    model = CharacterModel(
        len(vocabulary), 4, generator=torch.Generator().manual_seed(0), **options
    )
    path = folder / "data" / "weights" / "char_tiny.safetensors"
    path.parent.mkdir(parents=True)
    checkpoints.save_model(path, model, vocabulary, {"corpus": "tiny"})
    return model


NUMPY = {"F16": "<f2", "F32": "<f4", "I8": "<i1"}  # as the script names them


def content_of(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a script of weights holds, and its tensors by name."""
    text = path.read_text("ascii")  # whatever encoding the page is read with
    head, _, body = text.partition(" = ")
    assert head == f"(globalThis.RnnWeights ??= {{}}).{path.stem.removeprefix('rnn-weights-')}"
    assert body.endswith("};\n")
    content = json.loads(body[:-2])
    data, tensors = base64.b64decode(content["data"]), {}
    for name, (kind, shape) in content["tensors"].items():
        size = math.prod(shape) * np.dtype(NUMPY[kind]).itemsize
        tensors[name] = np.frombuffer(data[:size], NUMPY[kind]).reshape(shape)
        data = data[size:]
    assert not data
    source = (JS / "rnn-model.js").read_text("utf-8")
    for kind, _ in content["tensors"].values():
        assert f"    {kind}: [{np.dtype(NUMPY[kind]).itemsize}, (view" in source
    prefixes = tuple(content["cells"])
    for name in content["tensors"]:  # rnn.cells.0.W_x, ..., readout.weight
        part = name.rpartition(".")[2] if name.startswith(prefixes) else name
        assert f"'{part}'" in source or part.endswith("scale")
    return content, tensors


def test_the_script_of_the_weights_holds_them_as_float16(tmp_path: Path) -> None:
    model = saved(tmp_path)
    (path,) = page_weights.write(tmp_path, tmp_path)
    assert path == tmp_path / "rnn-weights-tiny.js"
    content, tensors = content_of(path)
    assert content["symbols"] == '\n "/<abé☃'
    assert (content["hidden"], content["cells"]) == (4, ["rnn.cells.0.", "rnn.cells.1."])
    assert tensors.keys() == model.state_dict().keys()
    for name, weight in model.state_dict().items():
        assert np.array_equal(tensors[name], weight.half().numpy())


def saved_words(folder: Path, kind: Any = LSTM, name: str = "words_tiny") -> RNNLM:
    """A small word model, its readout tied to the table, in eight bits below ``folder``."""
    words = Words([UNK, END, "once", "upon", "<a"])
    model = RNNLM(5, kind, 4, 4, 2, tied=True, generator=torch.Generator().manual_seed(0))
    path = folder / "data" / "weights" / f"{name}.safetensors"
    path.parent.mkdir(parents=True)
    checkpoints.save_model(path, model, words, {"corpus": "tiny"}, torch.int8)
    return model


@pytest.mark.parametrize("name", ["words_tiny", "tang_tiny"])
def test_the_script_of_a_word_model_holds_it_in_eight_bits(tmp_path: Path, name: str) -> None:
    saved_words(tmp_path, name=name)
    (path,) = page_weights.write(tmp_path, tmp_path)
    assert path == tmp_path / f"rnn-weights-{name}.js"
    content, tensors = content_of(path)
    assert content["symbols"] == [UNK, END, "once", "upon", "<a"]
    assert (content["hidden"], len(content["cells"])) == (4, 2)
    model, _, _ = checkpoints.load_model(tmp_path / f"data/weights/{name}.safetensors")
    for name, weight in model.named_parameters():
        here = tensors[name] * tensors.get(f"{name}.scale", np.float32(1))
        assert np.array_equal(here, weight.detach().numpy())
    assert "readout.weight" not in tensors  # the table is that too


def test_weights_that_the_page_cannot_take_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert page_weights.write(tmp_path, tmp_path) == []  # there are none
    saved(tmp_path / "a", embedding=3)
    with pytest.raises(ValueError, match=r"char_tiny.* one-hot"):
        page_weights.write(tmp_path, tmp_path / "a")
    saved(tmp_path / "b")
    monkeypatch.setattr(page_weights, "LIMITS", {"char_*": 500, "words_*": 500})
    with pytest.raises(ValueError, match=r"char_tiny.* bytes, at most 500"):
        page_weights.write(tmp_path, tmp_path / "b")
    saved_words(tmp_path / "c", GRU)
    with pytest.raises(ValueError, match=r"words_tiny.* LSTM layers"):
        page_weights.write(tmp_path, tmp_path / "c")
    assert not list(tmp_path.glob("*.js"))


@pytest.mark.skipif(shutil.which("node") is None, reason="runs the page's script in Node")
def test_the_page_refuses_weights_that_do_not_fit_in_words(tmp_path: Path) -> None:
    """Sizes alone: the script is made of a file whose checksum fitted."""
    saved(tmp_path)
    (path,) = page_weights.write(tmp_path, tmp_path)
    command = ["node", str(ROOT / "tests" / "browser" / "model_sizes.mjs"), str(path), "tiny"]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert found.pop("whole") == ""
    assert found == {
        "a symbol less": "Its rnn.cells.0.W_x has 16 by 9 numbers, not 16 by 8.",
        "fewer units": "Its rnn.cells.0.W_x has 16 by 9 numbers, not 0 by 9.",
        "a tensor less": "It has no rnn.cells.0.W_h.",
        "a bias less": "It has no readout.bias.",
        "turned": "Its rnn.cells.0.W_x has 9 by 16 numbers, not 16 by 9.",
        "a layer more": "It has no more.W_x.",
        "bytes missing": found["bytes missing"],
    }
    assert re.fullmatch(r"It holds \d+ bytes of weights, not \d+\.", found["bytes missing"])


def test_the_page_offers_the_models_that_there_are_and_says_their_size(tmp_path: Path) -> None:
    written = page_weights.write(tmp_path)
    source = (JS / "rnn-char-writer.js").read_text("utf-8")
    offered = re.findall(r"^ +(\w+): { label: .* kB: (\d+),", source, re.M)
    names = {p.stem.removeprefix("rnn-weights-"): round(p.stat().st_size / 1000) for p in written}
    sizes = sorted((n, kB) for n, kB in names.items() if not n.startswith(("words_", "tang_")))
    assert sorted((name, int(kB)) for name, kB in offered) == sizes
    for name, _ in offered:
        path = ROOT / "data" / "weights" / f"char_{name}.safetensors"
        assert checkpoints.load_model(path)[2]["corpus"] == name


def test_stored_figures_carry_the_scripts_as_they_are_now() -> None:
    """Who edits js/ must run the notebooks that show its figures again."""
    stored = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                html = "".join(output.get("data", {}).get("text/html", ""))
                if tag := re.search(r"<(rnn-[a-z-]+)", html):
                    for name in ("rnn-figure", tag[1]):
                        assert interactive.script(name) in html, f"{path.name}: {name}.js is older"
                    stored.append(tag[1])
    assert len(set(stored)) >= 3
