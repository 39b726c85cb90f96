"""Equations that stand when the page does: KaTeX sets them while the book is built.

A page carries each equation as HTML for the eye and as MathML for speech, with its TeX inside for
copying. No script sets mathematics. TeX that KaTeX does not take is a warning with its place.
tools/build_book.py adds this extension where Node and KaTeX are there (tools/vendor.sh).
"""

import json
import re
import subprocess
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

ROOT = Path(__file__).resolve().parents[2]
KATEX = ROOT / "node_modules/katex/dist/katex.min.js"  # whose style and fonts the pages load
VENDOR = "vendor/katex"
FONTS = ("Main-Regular", "Math-Italic")  # on every page with an equation: fetched ahead of the css
logger = logging.getLogger(__name__)


@cache
def node() -> subprocess.Popen[str]:
    """The one process that sets all equations."""
    command = ["node", str(Path(__file__).with_suffix(".mjs")), str(KATEX)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )


@cache
def html(tex: str, display: bool) -> str:
    """The equation as KaTeX sets it. Raises ValueError where it cannot."""
    asked = tex
    if display and r"\\" in tex and r"\begin" not in tex:
        asked = rf"\begin{{split}}{tex}\end{{split}}"  # as Sphinx does for MathJax
    if r"\frac" in tex and "matrix" not in tex:
        asked = re.sub(r"\\\\(?!\[)", r"\\\\[0.4em]", asked)  # KaTeX sets such lines too close
    options = {"displayMode": display, "throwOnError": True, "strict": "error"}
    process = node()
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps({"tex": asked, "options": options}) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline() or '{"error": "Node stopped"}')
    if "error" in answer:
        raise ValueError(answer["error"])
    return str(answer["html"]).replace(escape(asked), escape(tex))


def add(self: HTML5Translator, node: nodes.math | nodes.math_block, display: bool) -> None:
    """Append the equation to the page, or its TeX and a warning."""
    try:
        self.body.append(html(node.astext(), display))
    except ValueError as error:
        logger.warning("%s", error, location=node)
        self.body.append(self.encode(node.astext()))


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """An equation in a line."""
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    add(self, node, display=False)
    self.body.append("</span>")
    raise nodes.SkipNode


def visit_displaymath(self: HTML5Translator, node: nodes.math_block) -> None:
    """An equation in a line of its own, with its number if it has a label."""
    self.body.append(self.starttag(node, "div", "", CLASS="math notranslate nohighlight"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    add(self, node, display=True)
    self.body.append("</div>\n")
    raise nodes.SkipNode


def keep_together(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Marks at an equation, such as a comma or a bracket, stay in its line."""
    for node in [*doctree.findall(nodes.math)]:
        parent, k = node.parent, node.parent.index(node)
        if not isinstance(parent, nodes.TextElement):
            continue
        before, after = ("", *parent.children, "")[k : k + 3 : 2]
        opening = re.search(r"[(\[‘“]*$", before if isinstance(before, str) else "")
        closing = re.match(r"[.,;:!?)\]’”]*", after if isinstance(after, str) else "")
        assert opening and closing
        if closing[0]:
            parent[k + 1] = nodes.Text(after[closing.end() :])
        if opening[0]:
            parent[k - 1] = nodes.Text(before[: opening.start()])
        if opening[0] or closing[0]:
            parts = nodes.Text(opening[0]), node.deepcopy(), nodes.Text(closing[0])
            parent[k] = nodes.inline("", "", *parts, classes=["together"])


def links(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Fonts are fetched at once on pages that have an equation, not only when the css asks."""
    if 'class="katex"' in context.get("body", ""):
        paths = (f"_static/{VENDOR}/fonts/KaTeX_{name}.woff2" for name in FONTS)
        context["preload_fonts"] = [context["pathto"](path, 1) for path in paths]


def stop(*_: object) -> None:
    """End the process, if there is one."""
    if node.cache_info().currsize:
        node().communicate()
    node.cache_clear()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer that `html_math_renderer: katex` names."""
    app.add_html_math_renderer("katex", (visit_math, None), (visit_displaymath, None))
    app.add_css_file(f"{VENDOR}/katex.min.css", priority=300)
    app.add_js_file(f"{VENDOR}/copy-tex.min.js", defer="defer")
    app.connect("doctree-resolved", keep_together, priority=900)
    app.connect("html-page-context", links)
    app.connect("build-finished", stop)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
