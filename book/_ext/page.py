"""What a page loads, and what it need not wait for.

Scripts wait until the page is parsed, and those that no page of this book needs are left out.
All style is one file, and nothing between it and the end of the page keeps the parser waiting for
it: the page is read while its style is on the way. Rules that no page uses are cut.
Images get their size, so that nothing moves when they arrive. Of the theme's icon fonts only the
icons that pages show are kept, and the colours for readers without scripts are written.
"""

import hashlib
import posixpath
import re
import subprocess
from collections.abc import Iterable
from html import escape
from io import BytesIO
from logging import getLogger
from pathlib import Path
from textwrap import shorten
from typing import Any

from docutils import nodes
from fontTools import subset
from fontTools.ttLib import TTFont
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.images import get_image_size

INCH = 100  # pixels of a page that one inch of a matplotlib figure takes
THEME = ["styles/theme.css", "styles/pydata-sphinx-theme.css"]  # as its layout.html links them
SHEET = "book.css"
sheets: dict[str, None] = {}  # names, in the order in which pages link them
IMPORT = '@import "../basic.css";'  # in theme.css
TYPEFACE = "vendor/text/text.css"
SCREEN = 700  # characters: more do not stand above an image on a phone's first screen
WIDE = 500  # pixels: a wider drawing scrolls on a phone (custom.css)
PURGE = Path(__file__).resolve().parents[2] / "node_modules/purgecss/bin/purgecss.js"
# Live code on a Binder server is not switched on; the pages' own search form needs no index.
UNUSED = re.compile(r"(?i:thebe)|DOCUMENTATION_OPTIONS\.(pagename|search_as_you_type)")
THEBE = re.compile(r'<script type="text/x-thebe-config">.*?</script>\s*<script>.*?</script>', re.S)
logger = logging.getLogger(__name__)


# ---- scripts -------------------------------------------------------------------------------------


def scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Each script once, after parsing; the search page keeps the order that it needs."""
    kept: list[Any] = []
    first: list[str] = []  # written before the style: behind it they would wait for it
    seen: set[str] = set()
    for script in context["script_files"]:
        text = f"{script.filename or ''}{script.attributes.get('body', '')}"
        if UNUSED.search(text) or text in seen:
            continue
        seen.add(text)
        if not script.filename and page != "search":
            first.append(script.attributes["body"])
            continue
        if script.filename and page != "search":
            more = {"defer": "defer"} | script.attributes
            script = type(script)(script.filename, priority=script.priority, **more)
        kept.append(script)
    context["script_files"] = kept
    context["first_scripts"] = first


def theme_script(path: Path) -> None:
    """Take out of the theme's script what looks how wide each box is, at once and all over again.

    It would lay out what is far from sight; a11y.js does the same in small steps.
    """
    looks = r'(function \w\(\)\{)(const e=\(\)=>\{document\.querySelectorAll\(\["pre")'
    text, found = re.subn(looks, r"\1return;\2", path.read_text("utf-8"))
    if not found:
        logger.warning("page: %s has changed, nothing is taken out of it", path.name)
    path.write_text(text, "utf-8")


# ---- style ---------------------------------------------------------------------------------------


def style(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Note the style sheets of the theme, the extensions and the book: finish() makes them one."""
    sheets.update(dict.fromkeys(THEME))
    for file in context["css_files"]:
        name = str(file.filename)
        if name.startswith("_static/") and "thebe" not in name:
            sheets[name.removeprefix("_static/")] = None
    context["css_files"] = [f for f in context["css_files"] if "://" in str(f.filename)]
    context["book_css"] = f"_static/{SHEET}"


def sheet(static: Path, names: Iterable[str]) -> str:
    """These style sheets in one, so that a page waits for one request; what they name is found."""
    whole = ""
    for name in names:
        text = (static / name).read_text("utf-8")
        if IMPORT in text:
            text = text.replace(IMPORT, (static / "basic.css").read_text("utf-8"))
        text = re.sub(r"/\*# sourceMappingURL=.*?\*/", "", text)
        folder = posixpath.dirname(name) or "."
        whole += re.sub(r"url\(([\"']?)(?!data:|#|[\"'])", rf"url(\1{folder}/", text) + "\n"
    return whole


def purge(out: Path) -> str:
    """The style sheet without rules that no page and no script can meet, where Node is there."""
    path = out / "_static" / SHEET
    if PURGE.exists():
        content = [f"{out}/**/*.html", f"{out}/_static/**/*.js"]
        command = ["node", PURGE, "--css", path, "--content", *content, "--output", path]
        subprocess.run(command, check=True, capture_output=True)
    return path.read_text("utf-8")


# ---- images --------------------------------------------------------------------------------------


def shown_size(path: Path) -> tuple[int, int] | None:
    """Width and height on a page: a figure's inches decide, not how finely it is drawn."""
    size = get_image_size(str(path))
    if size is None or path.suffix != ".png":
        return size
    with Image.open(path) as image:
        dpi = image.info.get("dpi", (INCH, INCH))
    return round(size[0] * INCH / dpi[0]), round(size[1] * INCH / dpi[1])


def first_screen(body: str) -> int:
    """Where a page's HTML has more text before it than a phone's first screen."""
    shown = 0
    for part in re.finditer(r"<math.*?</math>|<[^>]*>|([^<]+)", body, re.S):
        shown += len(part[1] or "")
        if shown > SCREEN:
            return part.end()
    return len(body)


def images(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Give each image its size; those behind the first screen wait until they are near."""
    if "body" not in context:
        return
    sources = {name: app.srcdir / source for source, (_, name) in app.env.images.items()}
    far = first_screen(context["body"])

    def mend(found: re.Match[str]) -> str:
        tag = found[0]
        src = re.search(r'src="([^"]+)"', tag)
        if not src:
            return tag
        name = src[1].rsplit("/", 1)[-1]
        path = sources.get(name) or app.srcdir / "book/_static" / src[1].split("_static/")[-1]
        size = shown_size(path)
        if size and 'width="' not in tag:
            tag = re.sub(r' style="(width|height):[^"]*"', "", tag)
            tag = tag.replace("<img", f'<img width="{size[0]}" height="{size[1]}"', 1)
        waits = ' loading="lazy"' if found.start() >= far else ""
        tag = tag.replace("<img", f'<img{waits} decoding="async"', 1)
        if not size or size[0] < WIDE or "sd-card-img" in tag:  # a card's is as wide as the card
            return tag
        return f'<span class="drawing wide" style="--width: {size[0]}px">{tag}</span>'

    context["body"] = re.sub(r"<img\b[^>]*>", mend, context["body"])


def waiting(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Links to where one already is are no stop for the keyboard; a figure's scripts wait."""
    if "body" in context:
        context["body"] = THEBE.sub("", context["body"])
        tabbed = 'class="headerlink" tabindex="-1"'
        context["body"] = context["body"].replace('class="headerlink"', tabbed)
        # a11y.js runs these, in their order, when it has laid out the section around them.
        context["body"] = context["body"].replace("<script src=", '<script type="later" src=')


def about(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """What a search engine shows below the title: the beginning of the page's first paragraph."""
    for paragraph in doctree.findall(nodes.paragraph) if doctree else ():
        text = " ".join(paragraph.astext().split())
        if len(text) > 40 and not any(True for _ in paragraph.findall(nodes.math)):
            short = escape(shorten(text, 160, placeholder=" \u2026"))
            context["metatags"] += f'<meta name="description" content="{short}">\n'
            return


# ---- once all pages are written ------------------------------------------------------------------


getLogger("fontTools").setLevel("WARNING")  # it tells each table it cuts


def shown_icons(css: str, names: set[str]) -> tuple[str, set[int]]:
    """The style sheet with the named icons only, and their places in the icon fonts."""
    codes = set()

    def keep(rule: re.Match[str]) -> str:
        if not names & set(re.findall(r"fa-[a-z0-9-]+", rule[1])):
            return ""
        codes.add(int(rule[2], 16))
        return rule[0]

    kept = re.sub(r'((?:\.fa-[a-z0-9-]+:{1,2}before,?)+)\{content:"\\([0-9a-f]+)"\}', keep, css)
    return kept, codes


def icons(static: Path, codes: set[int]) -> None:
    """Keep of each icon font the icons that pages show, and drop the script that draws all."""
    for path in (static / "vendor/fontawesome/webfonts").glob("*.woff2"):
        font = TTFont(path.with_suffix(".ttf"))
        cutter = subset.Subsetter()
        cutter.populate(unicodes=codes)
        cutter.subset(font)
        font.flavor = "woff2"
        buffer = BytesIO()
        font.save(buffer)
        path.write_bytes(buffer.getvalue())
        path.with_suffix(".ttf").unlink()
    for path in static.glob("scripts/fontawesome.js*"):
        path.unlink()


def noscript(static: Path) -> None:
    """The theme's colours for readers without scripts, by their system's setting."""
    rule = re.compile(r"([^{}]*\[data-theme=\"?(light|dark)\"?\][^{}]*)\{([^{}]*)\}")
    found: dict[str, list[str]] = {"light": [], "dark": []}
    for path in [*static.glob("styles/*.css"), static / "pygments.css", static / "custom.css"]:
        text = re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)
        for selector, theme, body in rule.findall(text):
            auto = re.sub(rf'\[data-theme="?{theme}"?\]', '[data-theme="auto"]', selector)
            found[theme].append(f"{auto}{{{body}}}")
    css = ""
    for theme, rules in found.items():
        css += "\n".join([f"@media (prefers-color-scheme: {theme}) {{", *rules, "}\n"])
    (static / "noscript.css").write_text(css, "utf-8")


def folds(page: str) -> str:
    """Name the buttons that unfold a chapter in the sidebar, which show an arrow only."""
    arrow = re.compile(r"(>([^<]+)</a><details[^>]*><summary)(><span class=\"toctree-toggle\")")
    return arrow.sub(r'\1 aria-label="What belongs to \2"\3', page)


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Write what depends on all pages, or on what extensions write last."""
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    pages = {path: path.read_text("utf-8") for path in out.rglob("*.html")}
    noscript(out / "_static")
    theme_script(out / "_static/scripts/pydata-sphinx-theme.js")
    names = set(re.findall(r"\bfa-[a-z0-9-]+", "".join(pages.values())))
    whole, codes = shown_icons(sheet(out / "_static", sheets), names)
    icons(out / "_static", codes)
    (out / "_static" / SHEET).write_text(whole, "utf-8")
    whole = purge(out)
    version = hashlib.sha256(whole.encode()).hexdigest()[:8]  # a browser keeps no older one
    for path, text in pages.items():
        text = text.replace(f'/{SHEET}"', f'/{SHEET}?v={version}"')
        path.write_text(folds(text), "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Come after the extensions that add scripts; the typeface is there after tools/vendor.sh."""
    if (Path(app.srcdir) / "book/_static" / TYPEFACE).exists():
        app.add_css_file(TYPEFACE, priority=300)
    app.connect("html-page-context", scripts, priority=990)
    app.connect("html-page-context", style, priority=990)
    app.connect("html-page-context", images, priority=990)
    app.connect("html-page-context", waiting, priority=990)
    app.connect("html-page-context", about, priority=990)
    app.connect("build-finished", finish, priority=990)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
