"""Interactive figures as notebooks carry them; tests/browser/interactive.mjs moves them."""

import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
import yaml

from rnnlib import interactive

ROOT = Path(__file__).resolve().parent.parent
JS = ROOT / "rnnlib" / "interactive" / "js"
FIGURES = [interactive.time_gate(), interactive.lstm_step()]
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
    assert len(html) < 40_000  # a notebook may hold 1.5 MB


@by_tag
def test_starting_settings_are_those_of_the_page_s_element(figure: interactive.Figure) -> None:
    source = (JS / f"{figure.tag}.js").read_text("utf-8")
    for name, value in figure.settings.items():
        written = re.search(rf"^ +{name}: {{ label.*?\bvalue: ([\d.]+)", source, re.M)
        assert written and float(written[1]) == value


def test_settings_are_taken() -> None:
    figure = interactive.lstm_step(i=0, f=1, g=-0.5, o=0.25, c_old=-2)
    assert figure.settings == {"i": 0, "f": 1, "g": -0.5, "o": 0.25, "c_old": -2}
    assert '<rnn-lstm-step i="0.0" f="1.0" g="-0.5" o="0.25" c_old="-2.0">' in figure._repr_html_()
    assert interactive.time_gate(r_on=0.05).settings["r_on"] == 0.05
    assert repr(interactive.time_gate()).startswith("rnn-time-gate(tau=20.0, ")


@pytest.mark.parametrize("path", sorted(JS.iterdir()), ids=lambda path: path.name)
def test_a_script_stands_alone_and_is_small(path: Path) -> None:
    source = path.read_text("utf-8")
    assert path.suffix == ".js" and len(source.encode()) < 20_000
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
