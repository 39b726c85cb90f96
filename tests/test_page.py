"""What the book's pages are made of: equations, images, tables, colours without scripts."""

import importlib
import re
import shutil
from collections.abc import Iterator
from html import escape
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from docutils import nodes
from docutils.core import publish_doctree
from PIL import Image
from sphinx.builders.html._assets import _JavaScript as Script

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def equations() -> Iterator[ModuleType]:
    if not (shutil.which("node") and (ROOT / "node_modules/katex").exists()):
        pytest.skip("equations are set by Node and KaTeX: run tools/vendor.sh")
    module = importlib.import_module("equations")
    yield module
    module.stop()


def test_an_equation_is_drawn_and_told_and_keeps_its_tex(equations: ModuleType) -> None:
    html = equations.html("h_t = x", False)
    assert 'class="katex-html" aria-hidden="true"' in html
    assert '<math xmlns="http://www.w3.org/1998/Math/MathML"' in html
    assert '<annotation encoding="application/x-tex">h_t = x</annotation>' in html
    assert "katex-display" not in html and "katex-display" in equations.html("h_t = x", True)


@pytest.mark.parametrize("tex", [r"\frac{1}", r"\nosuchmacro", "a & b", "x^2^3"])
def test_tex_that_cannot_be_set_is_an_error(equations: ModuleType, tex: str) -> None:
    with pytest.raises(ValueError, match="KaTeX"):
        equations.html(tex, True)


def test_what_is_copied_is_as_it_was_written(equations: ModuleType) -> None:
    for tex in (r"\begin{aligned}a &= \frac{1}{2} \\ b &= x'\end{aligned}", r"a &< b \\ &= c"):
        assert f">{escape(tex)}</annotation>" in equations.html(tex, True)


def test_the_space_between_lines_is_not_drawn_as_text(equations: ModuleType) -> None:
    for space in ("", "[1ex]"):
        tex = rf"\begin{{aligned}}a &= \frac12 \\{space} b &= \frac13\end{{aligned}}"
        seen = equations.html(tex, True).partition("</annotation>")
        assert tex.replace("&", "&amp;") in seen[0] and not set("[]") & set(
            re.sub("<[^>]*>", "", seen[2])
        )


def test_a_comma_stays_with_the_equation_before_it(equations: ModuleType) -> None:
    doctree = publish_doctree("If :math:`a`, then :math:`b` or :math:`c`.")
    equations.keep_together(None, doctree, "page")
    assert [box.astext() for box in doctree.findall(nodes.inline)] == ["a,", "c."]
    assert doctree.astext() == "If a, then b or c."


def test_a_bracket_stays_with_the_equation_that_it_opens_or_closes(equations: ModuleType) -> None:
    doctree = publish_doctree("A step (:math:`a` or [:math:`b`]) is (:math:`c`), or :math:`d`")
    equations.keep_together(None, doctree, "page")
    assert [box.astext() for box in doctree.findall(nodes.inline)] == ["(a", "[b])", "(c),"]
    assert doctree.astext() == "A step (a or [b]) is (c), or d"


def test_a_full_stop_elsewhere_stays_where_it_is(equations: ModuleType) -> None:
    doctree = publish_doctree("See *this*. It is :math:`a`. See *that*. It is :math:`b`.")
    for said in [*doctree.findall(nodes.Text)]:  # as in a paragraph of one sentence a line
        if said == ". It is ":
            k = said.parent.index(said)
            said.parent[k : k + 1] = [nodes.Text("."), nodes.Text(" It is ")]
    equations.keep_together(None, doctree, "page")
    assert [box.astext() for box in doctree.findall(nodes.inline)] == ["a.", "b."]
    assert doctree.astext() == "See this. It is a. See that. It is b."


@pytest.mark.parametrize(
    ("pixels", "dpi", "shown"), [(1400, 200, 700), (910, 130, 700), (400, None, 400)]
)
def test_a_figure_is_shown_by_its_inches(
    tmp_path: Path, pixels: int, dpi: int | None, shown: int
) -> None:
    page = importlib.import_module("page")
    options = {} if dpi is None else {"dpi": (dpi, dpi)}
    Image.new("L", (pixels, pixels // 2)).save(tmp_path / "a.png", **options)
    assert page.shown_size(tmp_path / "a.png") == (shown, shown // 2)
    assert page.shown_size(tmp_path / "none.png") is None


TABLE = """
======= ========= ===== ========= ========== ======
name    1         2     3         4          5
======= ========= ===== ========= ========== ======
a       1         0.5   1 to 2    -          1, 2
b       1,000     3e-4  3         --         3
c       -12       12 %  4 (3 to 5)           4
======= ========= ===== ========= ========== ======
"""


def test_columns_of_numbers_are_marked() -> None:
    tables = importlib.import_module("tables")
    doctree = publish_doctree(TABLE.replace("4 (3 to 5)           4", "4 of 5    none       4"))
    tables.mark(None, doctree, "page")
    marked = [
        ["number" in cell["classes"] for cell in row.findall(nodes.entry)]
        for row in doctree.findall(nodes.row)
    ]
    assert marked == [[False, True, True, True, False, False]] * 4


RANGES = """
===== ============ =========== ============== =====
name  mean (range) steps       share          plain
===== ============ =========== ============== =====
a     2 (1 to 3)   10          5 (4 to 6)     1
b     0.3 to 0.5   1 to 2      1 of 2         2
c     4            12          1              3
===== ============ =========== ============== =====
"""


def test_ranges_stand_in_a_column_of_their_own() -> None:
    tables = importlib.import_module("tables")
    doctree = publish_doctree(RANGES)
    [name] = [text for text in doctree.findall(nodes.Text) if text == "name"]
    name.parent.remove(name)  # so the first column has no heading
    tables.mark(None, doctree, "page")
    rows = [
        [cell.astext() for cell in row.findall(nodes.entry)] for row in doctree.findall(nodes.row)
    ]
    assert rows == [
        ["", "mean", "range", "steps", "share", "plain"],
        ["a", "2", "1 to 3", "10", "5 (4 to 6)", "1"],
        ["b", "", "0.3 to 0.5", "1 to 2", "1 of 2", "2"],  # these columns are of two kinds
        ["c", "4", "", "12", "1", "3"],
    ]
    [group] = doctree.findall(nodes.tgroup)
    assert group["cols"] == len([*group.findall(nodes.colspec)]) == 6
    assert [spec.get("stub") for spec in group.findall(nodes.colspec)] == [1, *[None] * 5]


@pytest.mark.parametrize(
    "text", ["0.5", "-1", "\u22121", "1e-3", "1,000", "3 %", "4 of 5", "2 (1 to 3)"]
)
def test_what_is_a_number(text: str) -> None:
    assert importlib.import_module("tables").is_number(text)


@pytest.mark.parametrize("text", ["a", "1, 2", "T = 5", "to 3", "x", "5 ms", "1,00"])
def test_what_is_no_number(text: str) -> None:
    assert not importlib.import_module("tables").is_number(text)


def test_style_is_one_file_and_finds_what_it_names(tmp_path: Path) -> None:
    page = importlib.import_module("page")
    (tmp_path / "styles").mkdir()
    (tmp_path / "basic.css").write_text("b { c: d }")
    (tmp_path / "styles/theme.css").write_text(page.IMPORT)
    (tmp_path / "styles/a.css").write_text('@font-face { src: url("f.woff2"), url(../g.woff2) }')
    (tmp_path / "c.css").write_text("i { mask: url(data:image/svg+xml,x) url(#x) url('h.svg') }")
    whole = page.sheet(tmp_path, ["styles/theme.css", "styles/a.css", "c.css"])
    assert whole.splitlines() == [
        "b { c: d }",
        '@font-face { src: url("styles/f.woff2"), url(styles/../g.woff2) }',
        "i { mask: url(data:image/svg+xml,x) url(#x) url('./h.svg') }",
    ]


def test_a_fold_of_the_sidebar_has_a_name() -> None:
    before = '<li><a href="x.html">1. One</a><details open><summary><span class="toctree-toggle"'
    after = before.replace("<summary>", '<summary aria-label="What belongs to 1. One">')
    assert importlib.import_module("page").folds(before) == after


def test_colours_without_scripts_follow_the_system(tmp_path: Path) -> None:
    page = importlib.import_module("page")
    (tmp_path / "styles").mkdir()
    (tmp_path / "styles/theme.css").write_text(
        'a{b:c}html[data-theme=dark]{--ink:#fff}html[data-theme="light"] .x,p{--ink:#000}'
    )
    for name in ("pygments.css", "custom.css"):
        (tmp_path / name).write_text("/* [data-theme=dark] {x} */")
    page.noscript(tmp_path)
    light, dark = (
        (tmp_path / "noscript.css").read_text().split("@media (prefers-color-scheme: ")[1:]
    )
    assert light.split() == ["light)", "{", 'html[data-theme="auto"]', ".x,p{--ink:#000}", "}"]
    assert dark.split() == ["dark)", "{", 'html[data-theme="auto"]{--ink:#fff}', "}"]


def test_only_the_icons_that_pages_show_are_kept(tmp_path: Path) -> None:
    import pydata_sphinx_theme
    from fontTools.ttLib import TTFont

    theme = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static"
    shutil.copytree(theme, tmp_path / "static")
    page = importlib.import_module("page")
    css = (theme / "styles/pydata-sphinx-theme.css").read_text()
    less, codes = page.shown_icons(css, {"fa-solid", "fa-sun", "fa-github"})
    assert "fa-sun:" in less and "fa-moon:" not in less
    assert codes == {0xF185, 0xF09B}
    page.icons(tmp_path / "static", codes)
    fonts = tmp_path / "static/vendor/fontawesome/webfonts"
    kept = {p.stem: set(TTFont(p).getBestCmap()) for p in fonts.glob("*.woff2")}
    assert 0xF185 in kept["fa-solid-900"] and len(kept["fa-solid-900"]) < 5
    assert 0xF09B in kept["fa-brands-400"]
    assert sum(p.stat().st_size for p in fonts.glob("*")) < 5000
    assert not [*tmp_path.glob("static/scripts/fontawesome*")]


def test_the_theme_looks_at_no_box_and_a_changed_theme_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    page = importlib.import_module("page")
    path = tmp_path / "theme.js"
    path.write_text('function I(){const e=()=>{document.querySelectorAll(["pre"])};e()}I();')
    page.theme_script(path)
    assert path.read_text().startswith("function I(){return;const e=")
    page.theme_script(path)
    assert "theme.js has changed" in caplog.text


def test_nothing_in_a_page_waits_for_its_style() -> None:
    page = importlib.import_module("page")
    later = Script("a.js")
    inline = Script(None, body="let a = 1;")
    context = {"script_files": [later, inline, later]}
    page.scripts(None, "chapter", "", context, None)
    assert context["first_scripts"] == ["let a = 1;"]
    assert [(s.filename, s.attributes["defer"]) for s in context["script_files"]] == [
        ("a.js", "defer")
    ]
    body = {
        "body": '<p>a</p><script type="text/x-thebe-config">{}</script>\n<script>k = 1</script><p>'
        '<script src="f.js" defer></script>'
    }
    page.waiting(None, "chapter", "", body, None)
    assert body["body"] == '<p>a</p><p><script type="later" src="f.js" defer></script>'


@pytest.mark.parametrize(("words", "waits"), [(20, False), (200, True)])
def test_images_behind_the_first_screen_wait(words: int, waits: bool) -> None:
    page = importlib.import_module("page")
    text = "<p>" + "word " * words + "</p>" + "<math>" + "x" * 2000 + "</math>"
    context = {"body": text + '<img src="_images/a.svg"><img src="_images/b.svg">'}
    app = SimpleNamespace(env=SimpleNamespace(images={}), srcdir=ROOT)
    page.images(app, "chapter", "", context, None)
    assert context["body"].count('loading="lazy"') == 2 * waits


def test_a_page_is_described_by_its_first_words_without_a_formula() -> None:
    page = importlib.import_module("page")
    doctree = publish_doctree(
        f"Short.\n\nA formula :math:`x` and more than forty characters of text.\n\n{'word & ' * 40}"
    )
    context = {"metatags": ""}
    page.about(None, "chapter", "", context, doctree)
    assert context["metatags"] == (
        f'<meta name="description" content="{"word &amp; " * 22}word …">\n'
    )
