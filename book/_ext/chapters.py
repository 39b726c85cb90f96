"""Chapter numbers, from the order of `_toc.yml` alone.

    {chapter}`lstm`          a link that reads "chapter 5"
    {Chapter}`lstm`          "Chapter 5", at the start of a sentence
    {chapter-title}`lstm`    "5. The LSTM"

The name is that of a page in book/, or any label: {chapter}`clipping` links to the label and
reads "chapter 3" where that stands. Sphinx numbers the pages of a numbered part by itself, and with
them equations, figures and exercises; equations and figures of the notebook under a page count on,
and its exercises have numbers of their own.
"""

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxRole
from sphinx.util.nodes import make_refnode


class ChapterRole(SphinxRole):
    """A reference to a chapter, written out when all numbers are known."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """The reference, not yet resolved."""
        reference = pending_xref(
            self.rawtext,
            nodes.inline(self.rawtext, self.text),
            refdomain="",
            reftype=self.name,
            reftarget=self.text,
            refdoc=self.env.docname,
            refexplicit=True,  # sphinx-exercise takes others for its own
            refwarn=True,
            capital=self.rawtext.lstrip("{:").startswith("C"),
        )
        self.set_source_info(reference)
        return [reference], []


def number(env: BuildEnvironment, docname: str) -> int | None:
    """The number of the chapter whose page, or notebook, `docname` is."""
    while docname not in env.toc_secnumbers:
        parents = [page for page, below in env.toctree_includes.items() if docname in below]
        if not parents:
            return None
        docname = parents[0]
    return (env.toc_secnumbers[docname].get("") or (None,))[0]


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Node
) -> nodes.reference | None:
    """The link that `node` stands for; None, and so a warning, if it names no chapter."""
    if node["reftype"] not in ("chapter", "chapter-title"):
        return None
    target = node["reftarget"]
    labels = env.get_domain("std").anonlabels  # type: ignore[attr-defined]
    page, anchor = f"book/{target}", ""
    if page not in env.found_docs:
        page, anchor = labels.get(target.lower(), ("", ""))
    n = number(env, page)
    if n is None:
        return None
    if node["reftype"] == "chapter-title":
        text = f"{n}. {env.titles[page].astext()}"
    else:
        text = f"{'Chapter' if node['capital'] else 'chapter'}\N{NO-BREAK SPACE}{n}"
    return make_refnode(app.builder, node["refdoc"], page, anchor, nodes.inline(text, text))


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the roles."""
    app.add_role("chapter", ChapterRole())
    app.add_role("chapter-title", ChapterRole())
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
