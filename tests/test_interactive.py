"""Interactive figures as notebooks carry them; tests/browser/interactive.mjs moves them."""

import base64
import json
import math
import re
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

from rnnlib import GRU, LSTM, checkpoints, graphs, interactive, surfaces
from rnnlib.models import RNNLM, CharacterModel
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


FIGURES = [
    interactive.time_gate(),
    interactive.lstm_step(),
    interactive.optimizer_paths(),
    interactive.graph_hops(),
    interactive.word_map(interactive.word_data(*some_words()), word='"'),
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
    if figure.tag in ("rnn-optimizer-paths", "rnn-word-map"):
        return  # below
    for name, value in figure.settings.items():
        if isinstance(value, str):
            assert re.search(rf"^ +{name}: {{ label.*?\bvalue: '{value}' }}", source, re.M)
            continue
        written = re.search(rf"^ +{name}: {{ label.*?\bvalue: ([\d.]+)", source, re.M)
        assert written and float(written[1]) == value


def test_settings_are_taken() -> None:
    figure = interactive.lstm_step(i=0, f=1, g=-0.5, o=0.25, c_old=-2)
    assert figure.settings == {"i": 0, "f": 1, "g": -0.5, "o": 0.25, "c_old": -2}
    assert '<rnn-lstm-step i="0.0" f="1.0" g="-0.5" o="0.25" c_old="-2.0">' in figure._repr_html_()
    assert interactive.time_gate(r_on=0.05).settings["r_on"] == 0.05
    assert repr(interactive.time_gate()).startswith("rnn-time-gate(tau=20.0, ")


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


@pytest.mark.parametrize("path", sorted(JS.iterdir()), ids=lambda path: path.name)
def test_a_script_stands_alone_and_is_small(path: Path) -> None:
    source = path.read_text("utf-8")
    assert path.suffix == ".js" and len(source.encode()) < 21_000
    assert "</script" not in source and "<!--" not in source  # it stands inside a page
    assert "://" not in source and "import " not in re.sub(r"//.*", "", source)
    assert not [line for line in source.splitlines() if len(line) > 180]


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


def saved_words(folder: Path, kind: Any = LSTM) -> RNNLM:
    """A small word model, its readout tied to the table, in eight bits below ``folder``."""
    words = Words([UNK, END, "once", "upon", "<a"])
    model = RNNLM(5, kind, 4, 4, 2, tied=True, generator=torch.Generator().manual_seed(0))
    path = folder / "data" / "weights" / "words_tiny.safetensors"
    path.parent.mkdir(parents=True)
    checkpoints.save_model(path, model, words, {"corpus": "tiny"}, torch.int8)
    return model


def test_the_script_of_a_word_model_holds_it_in_eight_bits(tmp_path: Path) -> None:
    saved_words(tmp_path)
    (path,) = page_weights.write(tmp_path, tmp_path)
    content, tensors = content_of(path)
    assert content["symbols"] == [UNK, END, "once", "upon", "<a"]
    assert (content["hidden"], len(content["cells"])) == (4, 2)
    model, _, _ = checkpoints.load_model(tmp_path / "data/weights/words_tiny.safetensors")
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


def test_the_page_offers_the_models_that_there_are_and_says_their_size(tmp_path: Path) -> None:
    written = page_weights.write(tmp_path)
    source = (JS / "rnn-char-writer.js").read_text("utf-8")
    offered = re.findall(r"^ +(\w+): { label: .* kB: (\d+),", source, re.M)
    names = {p.stem.removeprefix("rnn-weights-"): round(p.stat().st_size / 1000) for p in written}
    sizes = sorted((n, kB) for n, kB in names.items() if not n.startswith("words_"))
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
