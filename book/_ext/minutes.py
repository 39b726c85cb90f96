"""How long a page takes to read, from its own words.

    {minutes}`lstm`          "40": minutes for the page book/lstm.md, to the nearest five

A reader took 40 minutes for that page, 75 for one with twice its prose and a third more equations:
a minute for 110 words of prose and 40 seconds for a displayed equation come near both.
Prose is what is read line by line: text, headings, captions and what exercises ask, a formula in
a line as one word. Code blocks, tables, displayed equations, hints, solutions, whatever is folded,
what a page takes from elsewhere and its references are not counted.

    python book/_ext/minutes.py      prints the sizes of all chapters
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from docutils import nodes
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

WORDS_A_MINUTE = 110
SECONDS_AN_EQUATION = 40
READ = {"figure", "exercise", "container", "admonition", "note", "tip", "important", "warning"}
ONE_WORD = {"math_inline", "math_single", "myst_role", "substitution_inline"}
DISPLAYED = {"math_block", "math_block_label", "amsmath"}
EXTENSIONS = {"amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath", "substitution"}
PARSER = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)
OPTIONS = re.compile(r"\s*(?::[\w-]+:.*\n)*")  # of a directive, above its content
ROOT = Path(__file__).resolve().parents[2]


def tokens(source: str) -> Iterator[Token]:
    """The blocks of a page up to its references; of a directive that is read, those inside."""
    blocks = PARSER.parse(source)
    for k, block in enumerate(blocks):
        if block.type == "heading_open" and blocks[k + 1].content == "References":
            return
        yield block
        if block.type in ("fence", "colon_fence"):
            name = re.match(r"\{(.*?)\}", block.info)
            if name and name[1] in READ:
                yield from tokens(OPTIONS.sub("", block.content, count=1))


def words(source: str) -> int:
    """How many words of a page's source are prose."""
    count, tables = 0, 0
    for block in tokens(source):
        tables += {"table_open": 1, "table_close": -1}.get(block.type, 0)
        if block.type == "inline" and not tables:
            parts = block.children or []
            text = "".join("x" if p.type in ONE_WORD else prose(p) for p in parts)
            count += len(re.findall(r"\S*\w\S*", text))
    return count


def prose(part: Token) -> str:
    """What of a part of a line is read."""
    if part.type in ("softbreak", "hardbreak"):
        return " "
    return part.content if part.type in ("text", "code_inline") else ""


def minutes(source: str) -> int:
    """Minutes to read a page's source, rounded to five and at least five."""
    time = words(source) / WORDS_A_MINUTE + equations(source) * SECONDS_AN_EQUATION / 60
    return max(5, 5 * round(time / 5))


def equations(source: str) -> int:
    """How many equations a page's source displays."""
    return sum(block.type in DISPLAYED for block in tokens(source))


def chapters(root: Path = ROOT) -> list[str]:
    """The names of all chapters, in the order of `_toc.yml`."""
    parts = yaml.safe_load((root / "_toc.yml").read_text("utf-8"))["parts"]
    numbered = [chapter for part in parts if "numbered" in part for chapter in part["chapters"]]
    return [Path(chapter["file"]).name for chapter in numbered]


def sizes(name: str, root: Path = ROOT) -> dict[str, int]:
    """What a chapter is made of: on its page, and exercises in its notebook too."""
    source = (root / f"book/{name}.md").read_text("utf-8")
    cells = json.loads((root / f"notebooks/{name}.ipynb").read_text("utf-8"))["cells"]
    tags = {tag: cell for cell in cells for tag in cell["metadata"].get("tags", [])}
    blocks = list(tokens(source))
    shown = [
        block.info.split(maxsplit=1) or [""] for block in blocks if block.type.endswith("fence")
    ]
    pasted = [
        output["data"].get("text/markdown", [""])[0]
        for directive, *file in shown
        if directive == "{include}" and f"_generated/{name}/" in file[0]
        for output in tags[f"paste:{Path(file[0]).stem}"]["outputs"]
        if "data" in output
    ]
    return {
        "words": words(source),
        "minutes": minutes(source),
        "equations": equations(source),
        "tables": sum(block.type == "table_open" for block in blocks)
        + sum(text.startswith("|") for text in pasted),
        "figures": sum(directive == "{figure}" for directive, *_ in shown),
        "exercises": sum(directive == "{exercise}" for directive, *_ in shown)
        + sum(tag.startswith("exercise-") for tag in tags),
    }


class MinutesRole(SphinxRole):
    """The number of minutes of a page in book/."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """The number as text; a page that is not there is an error."""
        page = Path(self.env.srcdir) / "book" / f"{self.text}.md"
        if not page.exists():
            said = self.inliner.reporter.error(f"minutes: no page {page.name}", line=self.lineno)
            return [], [said]
        self.env.note_dependency(str(page))
        return [nodes.Text(str(minutes(page.read_text("utf-8"))))], []


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the role."""
    app.add_role("minutes", MinutesRole())
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    every = {name: sizes(name) for name in chapters()}
    print(f"{'chapter':15}", *(f"{size:>9}" for size in next(iter(every.values()))))
    for name, found in every.items():
        print(f"{name:15}", *(f"{n:9,}" for n in found.values()))
