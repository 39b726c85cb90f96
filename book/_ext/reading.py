"""What stands around a page's text: steps at its top, how far it is read, print, search.

Steps back and on follow `_toc.yml`: a page, its notebook, the next page. Print leaves out what is
folded; where a page has solutions, a second entry of the menu prints them too.
"""

from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config


def steps(app: Sphinx, config: Config) -> None:
    """Put the steps beside the button that opens the sidebar."""
    config.html_theme_options["article_header_start"] = ["toggle-primary-sidebar", "steps"]


def print_menu(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Name the print button for what it does, and add one that prints solutions."""
    body = context.get("body", "")
    for group in context.get("header_buttons", []):
        buttons = group.get("buttons", [])
        for at, button in enumerate(buttons):
            if button.get("label") != "download-pdf-button":
                continue
            button |= {"text": "Print", "tooltip": "Print the page, folded parts left out"}
            if 'class="solution' in body or "<summary>Solution" in body:
                more = {"text": "Print with solutions", "tooltip": "Print with hints and solutions"}
                more |= {"javascript": "printWithSolutions()", "label": "print-solutions-button"}
                buttons.insert(at + 1, button | more)
            break


def search(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Only the search page needs the script that orders results."""
    if page == "search":
        app.add_js_file("search.js", defer="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    """Come after the theme has made its buttons."""
    app.add_css_file("reading.css")
    app.add_css_file("print.css")
    app.add_js_file("reading.js", defer="defer")
    app.connect("config-inited", steps)
    app.connect("html-page-context", print_menu, priority=900)
    app.connect("html-page-context", search)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
