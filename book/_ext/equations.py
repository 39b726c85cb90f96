"""Equations that stand when the page does: KaTeX sets them while the book is built.

A page carries each equation as HTML for the eye and as MathML for speech, with its TeX inside for
copying. No script sets mathematics. TeX that KaTeX does not take is a warning with its place.
tools/build_book.py adds this extension where Node and KaTeX are there (tools/vendor.sh).
"""

import re
from functools import cache
from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator
from sphinxcontrib import katex

VENDOR = "vendor/katex"
FONTS = ("Main-Regular", "Math-Italic")  # on every page with an equation: fetched ahead of the css
katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = 120.0  # seconds; a busy machine is no error
logger = logging.getLogger(__name__)


@cache
def html(tex: str, display: bool) -> str:
    """The equation as KaTeX sets it. Raises katex.KaTeXError."""
    asked = tex
    if display and r"\\" in tex and r"\begin" not in tex:
        asked = rf"\begin{{split}}{tex}\end{{split}}"  # as Sphinx does for MathJax
    if r"\frac" in tex and "matrix" not in tex:
        asked = asked.replace(r"\\", r"\\[0.4em]")  # KaTeX sets lines with fractions too close
    options = {"displayMode": display, "throwOnError": True, "strict": "error"}
    return str(katex.render_latex(asked, options)).replace(escape(asked), escape(tex))


def add(self: HTML5Translator, node: nodes.math | nodes.math_block, display: bool) -> None:
    """Append the equation to the page, or its TeX and a warning."""
    try:
        self.body.append(html(node.astext(), display))
    except katex.KaTeXError as error:
        logger.warning("KaTeX: %s", error, location=node)
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
    """A comma or full stop stays in the line of the equation before it."""
    for node in [*doctree.findall(nodes.math)]:
        after = node.next_node(descend=False, siblings=True)
        mark = re.match(r"[.,;:!?)\]’”]+", after) if isinstance(after, nodes.Text) else None
        if mark and isinstance(node.parent, nodes.TextElement):
            node.parent.replace(after, nodes.Text(after[mark.end() :]))
            box = nodes.inline("", "", node.deepcopy(), nodes.Text(mark[0]), classes=["together"])
            node.parent.replace(node, box)


def links(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Fonts are fetched at once on pages that have an equation, not only when the css asks."""
    if 'class="katex"' in context.get("body", ""):
        paths = (f"_static/{VENDOR}/fonts/KaTeX_{name}.woff2" for name in FONTS)
        context["preload_fonts"] = [context["pathto"](path, 1) for path in paths]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer that `html_math_renderer: katex` names."""
    app.add_config_value("katex_js_path", "", "html", str)
    app.add_html_math_renderer("katex", (visit_math, None), (visit_displaymath, None))
    app.add_css_file(f"{VENDOR}/katex.min.css", priority=300)
    app.add_js_file(f"{VENDOR}/copy-tex.min.js", defer="defer")
    app.connect("doctree-resolved", keep_together, priority=900)
    app.connect("html-page-context", links)
    app.connect("builder-inited", lambda app: set_path(app.config.katex_js_path))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}


def set_path(path: str) -> None:
    """Which katex.min.js Node is to run: the one whose css and fonts the pages load."""
    katex.KaTeXServer.katex_path = path
