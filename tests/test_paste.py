"""What a page pastes is what the notebook shows, and a missing output is named."""

import base64
import re
from pathlib import Path

import nbformat
import pytest
from paste import paste

ROOT = Path(__file__).resolve().parents[1]


def notebook(root: Path, *cells: nbformat.NotebookNode) -> None:
    (root / "notebooks").mkdir()
    book = nbformat.v4.new_notebook(cells=list(cells))
    nbformat.write(book, root / "notebooks" / "a.ipynb")


def cell(tag: str, **data: str) -> nbformat.NotebookNode:
    outputs = [nbformat.v4.new_output("display_data", data=data)] if data else []
    return nbformat.v4.new_code_cell("1", outputs=outputs, metadata={"tags": [tag]})


def test_tagged_outputs_are_written_and_others_are_not(tmp_path):
    png = base64.b64encode(b"a picture").decode()
    notebook(
        tmp_path,
        cell("paste:plot", **{"image/png": png}),
        cell("paste:table", **{"text/markdown": "| a |\n|---|\n| 1 |"}),
        cell("paste:verse", **{"text/html": "<p>春</p>", "text/plain": "<HTML object>"}),
        cell("other", **{"text/markdown": "not pasted"}),
    )
    written = paste(tmp_path)
    assert [p.name for p in written] == ["plot.png", "table.md", "verse.md"]
    assert written[0].read_bytes() == b"a picture"
    assert written[1].read_text() == "| a |\n|---|\n| 1 |"
    assert written[2].read_text("utf-8") == "```{raw} html\n<p>春</p>\n```\n"


def test_a_tagged_cell_without_output_is_named(tmp_path):
    notebook(tmp_path, cell("paste:plot"))
    with pytest.raises(ValueError, match="tagged paste:plot: expected a figure"):
        paste(tmp_path)


def test_every_pasted_file_of_the_pages_comes_from_a_tagged_cell():
    pages = "".join(p.read_text("utf-8") for p in (ROOT / "book").glob("*.md"))
    wanted = set(re.findall(r"_generated/(\w+)/(\w+)\.", pages))
    given = set()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for one in nbformat.read(path, 4).cells:
            tags = one.metadata.get("tags", [])
            given |= {(path.stem, t.removeprefix("paste:")) for t in tags if t.startswith("paste:")}
    assert wanted and wanted == given


@pytest.mark.parametrize("name", ["../../out", "/out", "a/b", "..", "", "a.b"])
def test_a_tag_leads_to_no_other_folder(tmp_path, name):
    notebook(tmp_path, cell(f"paste:{name}", **{"text/markdown": "not pasted"}))
    with pytest.raises(ValueError, match="expected a name of letters"):
        paste(tmp_path)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["a.ipynb"]
