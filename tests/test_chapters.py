"""Chapters: numbers from _toc.yml alone, notebooks under their pages, what a new chapter gets."""

import re
import shutil
from html import unescape
from pathlib import Path

import pytest
import stub_book
import yaml

ROOT = Path(__file__).resolve().parent.parent
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))

# ---- the book's own sources ---------------------------------------------------------------------

TYPED = re.compile(r"\b(?:chapters?|chap\.|ch\.)(?:[ \t]+|[ \t]*\n[ \t#]*)\d", re.IGNORECASE)


@pytest.mark.parametrize("text", ["chapter 5", "chapters 4 to 7", "See Chapter\n# 11.", "(ch. 2)"])
def test_a_typed_chapter_number_would_be_found(text: str) -> None:
    assert TYPED.search(text)


def test_no_source_types_a_chapter_number() -> None:
    files = [ROOT / "README.md", ROOT / "_config.yml", ROOT / "_toc.yml"]
    files += [*ROOT.glob("book/*.md"), *ROOT.glob("notebooks/src/*.py"), *ROOT.glob("data/*.md")]
    for folder in ("rnnlib", "tools", "benchmarks"):
        files += [*ROOT.glob(f"{folder}/**/*.py"), *ROOT.glob(f"{folder}/**/*.js")]
    found = {
        str(file.relative_to(ROOT)): hits
        for file in files
        if (hits := TYPED.findall(file.read_text("utf-8")))
    }
    assert len(files) > 80
    assert not found, "a page writes {chapter}`name`, a notebook links to the chapter by its name"


def chapters() -> list[dict]:
    return [c for part in TOC["parts"] if "numbered" in part for c in part["chapters"]]


def test_a_chapter_is_a_page_with_the_notebook_of_its_name_below() -> None:
    assert len(chapters()) >= 9
    for chapter in chapters():
        name = chapter["file"].removeprefix("book/")
        assert [below["file"] for below in chapter["sections"]] == [f"notebooks/{name}"]


def test_notebooks_have_titles_of_their_own_in_the_sidebar() -> None:
    titles = [below["title"] for chapter in chapters() for below in chapter["sections"]]
    assert len({*titles}) == len(titles)
    assert all(title.startswith("Run: ") for title in titles)


def test_no_page_and_no_notebook_says_what_comes_next() -> None:
    for file in [*ROOT.glob("book/*.md"), *ROOT.glob("notebooks/src/*.py")]:
        assert not re.search(r"\*\*Next\*\*|^(# )?#+ Next\b", file.read_text("utf-8"), re.M), file


# ---- a stub book --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parts: moss; fern and reed. The page of reed points to the others."""
    root = tmp_path_factory.mktemp("book")
    stub_book.start(root)
    for name in ("moss", "fern", "reed"):
        stub_book.add(root, name)
    with (root / "book/reed.md").open("a", encoding="utf-8") as page:
        page.write("\nSee {chapter}`moss`, {eq}`eq-moss`, {chapter}`ex-fern` and {ref}`ex-fern`.")
        page.write("\n{Chapter}`moss` is {chapter-title}`moss`, {minutes}`moss` minutes.\n")
    stub_book.order(root, ["moss"], ["fern", "reed"])
    done = stub_book.build(root)
    assert done.returncode == 0, done.stderr
    return root


def html(book: Path, page: str) -> str:
    return unescape((book / f"_build/html/{page}.html").read_text("utf-8"))


def text(source: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", "", source).split())


def article(book: Path, page: str) -> str:
    return re.search(r"<article.*?</article>", html(book, page), re.S)[0]  # type: ignore[index]


def test_a_new_chapter_has_its_number_in_heading_browser_title_and_sidebar(book: Path) -> None:
    page = html(book, "book/reed")
    assert "3. The reed chapter" in text(re.findall(r"<h1>.*?</h1>", page)[-1])
    assert "<title>3. The reed chapter" in page
    sidebar = re.search(r'<nav class="bd-links.*?</nav>', page, re.S)[0]  # type: ignore[index]
    entries = [text(entry) for entry in re.findall(r'toctree-l1.*?">(<a.*?</a>)', sidebar, re.S)]
    chapters = ["1. The moss chapter", "2. The fern chapter", "3. The reed chapter"]
    assert entries == [*chapters, "References"]


def test_its_notebook_stands_below_it_without_a_number(book: Path) -> None:
    sidebar = re.search(r'<nav class="bd-links.*?</nav>', html(book, "book/fern"), re.S)[0]  # type: ignore[index]
    entries = re.findall(r'toctree-l(\d)[^>]*><a[^>]*href="([^"]*)"[^>]*>(.*?)</a>', sidebar)
    names = [(level, text(entry)) for level, _, entry in entries]
    at = names.index(("1", "2. The fern chapter"))
    assert names[at + 1] == ("2", "The fern chapter: run it")


def test_equations_exercises_and_solutions_count_by_chapter(book: Path) -> None:
    page = article(book, "book/fern")
    assert re.findall(r'class="eqno">\(([\d.]+)\)?', page) == ["2.1"]
    assert "By (2.1), " in text(page)
    assert "Exercise 2.1" in text(page) and "Solution to Exercise 2.1" in text(page)


def test_a_notebook_counts_on_where_its_page_ended(book: Path) -> None:
    page = article(book, "notebooks/fern")
    assert re.findall(r'class="eqno">\(([\d.]+)\)?', page) == ["2.2"]


def test_references_show_the_same_numbers(book: Path) -> None:
    page = article(book, "book/reed")
    assert "See chapter 1, (1.1), chapter 2 and Exercise 2.1." in text(page)
    assert 'href="fern.html#ex-fern"' in page
    assert "Chapter 1 is 1. The moss chapter, 5 minutes." in text(page)


def test_next_leads_from_page_to_notebook_to_the_next_chapter_at_top_and_bottom(book: Path) -> None:
    order = ["book/index"]
    for name in ("moss", "fern", "reed"):
        order += [f"book/{name}", f"notebooks/{name}"]
    order.append("book/references")
    for before, page, after in zip([None, *order], order, [*order[1:], None], strict=False):
        source = html(book, page)
        top = re.search(r'<nav class="steps".*?</nav>', source, re.S)[0]  # type: ignore[index]
        end = re.search(r'<div class="prev-next-area">.*?</div>\n', source, re.S)
        assert end is not None
        for side, other, to in (("prev", "left-prev", before), ("next", "right-next", after)):
            above = re.findall(rf'rel="{side}" href="([^"]*)"', top)
            below = re.findall(rf'class="{other}"\s+href="([^"]*)"', source)
            assert above == below
            names = [(book / page / ".." / href).resolve().relative_to(book) for href in above]
            assert [str(name) for name in names] == ([f"{to}.html"] if to else [])


def test_a_page_with_solutions_can_be_printed_with_and_without(book: Path) -> None:
    assert "printWithSolutions()" in html(book, "book/moss")
    assert "printWithSolutions()" not in html(book, "book/references")
    assert "toggleOpenOnPrint = 'false'" in html(book, "book/moss")


def test_code_is_shown_without_its_plumbing(book: Path) -> None:
    shown = article(book, "book/moss")
    code = text(re.findall(r"<pre>.*?</pre>", shown, re.S)[0])
    assert code == "def f(x: float) -> float: return 2 * x"


@pytest.fixture
def copy(book: Path, tmp_path: Path) -> Path:
    """A copy of the stub book, to be changed and built again."""
    return Path(shutil.copytree(book, tmp_path / "copy", ignore=shutil.ignore_patterns("_build")))


def test_moving_a_chapter_renumbers_it_and_all_references(copy: Path) -> None:
    stub_book.order(copy, ["fern", "moss"], ["reed"])
    done = stub_book.build(copy)
    assert done.returncode == 0, done.stderr
    assert "2. The moss chapter" in text(article(copy, "book/moss"))
    assert "See chapter 2, (2.1), chapter 1 and Exercise 1.1." in text(article(copy, "book/reed"))
    assert "(1.2)" in article(copy, "notebooks/fern")


def test_a_chapter_that_is_not_there_is_an_error(copy: Path) -> None:
    with (copy / "book/moss.md").open("a", encoding="utf-8") as page:
        page.write("\nAs in {chapter}`ivy` and {chapter}`references`, {minutes}`ivy` minutes.\n")
    done = stub_book.build(copy)
    assert done.returncode != 0
    for name in ("ivy", "references"):
        assert f"'chapter' reference target not found: {name}" in done.stderr
    assert "minutes: no page ivy.md" in done.stderr
