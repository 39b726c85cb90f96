"""A reader's own file: every encoding, what is refused and in which words, and a link."""

import os
import re
import socket
import threading

import pytest
from test_corpora import world  # noqa: F401  # a server, a fixture

from rnnlib import corpora, plain_text

TEXT = "Über die Brücke ging ein Mann, „so spät“ – für 5 €.\nÀ bientôt, dit-elle.\n"
PLAIN = "the cat sat on the mat\n" * 9  # 207 characters


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (TEXT.encode("utf-8"), ""),
        (TEXT.encode("utf-8-sig"), ""),
        (b"\xff\xfe" + TEXT.encode("utf-16-le"), "utf-16-le"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-16-be"),
        (b"\xff\xfe\0\0" + TEXT.encode("utf-32-le"), "utf-32-le"),
        (TEXT.encode("cp1252"), "Windows-1252"),
        (TEXT.replace("\n", "\r\n").encode(), "line ends"),
        (TEXT.replace("\n", "\r").encode(), "line ends"),
    ],
)
def test_a_text_is_the_same_in_every_encoding(data, said) -> None:
    text, words = plain_text.decode(data, "my.txt")
    assert text == TEXT
    assert [said in word for word in words] == ([True] if said else [])


def test_latin_1_where_windows_has_no_such_byte() -> None:
    text, (word,) = plain_text.decode(b"caf\xe9 \x81 " + PLAIN.encode(), "my.txt")
    assert text.startswith("café \x81 the")
    assert "read as Latin-1" in word


def test_an_encoding_that_is_said() -> None:
    russian = "Жил старик со своею старухой\n"
    assert plain_text.decode(russian.encode("cp1251"), "a", "cp1251")[0] == russian
    assert plain_text.decode(russian.encode("utf-16"), "a", "utf-16")[0] == russian
    with pytest.raises(ValueError, match=r"encoding must be one that Python knows.*'cp12511'"):
        plain_text.decode(b"a", "a", "cp12511")
    with pytest.raises(ValueError, match=r"a must be text in ascii, it is not: .*position 0"):
        plain_text.decode(russian.encode(), "a", "ascii")


def test_emoji_and_scripts_without_capitals_are_characters() -> None:
    for text in ("🙂 ok 👩‍🚀\n" * 9, "春眠不覺曉。\n" * 9, PLAIN):
        assert plain_text.decode(text.encode(), "a") == (text, [])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "my.txt must hold text, it is empty"),
        (b"\xef\xbb\xbf", "it is empty"),
        (b" \n\t\r\n", "it is empty"),
        (b"one\0two", "NUL at place 3"),
        (PLAIN.encode("utf-16-le"), "NUL at place 1: .*encoding='utf-16-le'"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "it is a PDF: save it as plain text"),
        (b"PK\x03\x04" + bytes(40), "a Word or OpenDocument file"),
        (b"\x1f\x8b\x08" + bytes(40), "a gzip file"),
        (bytes(range(256)), "and its bytes are not"),
        (bytes(range(1, 256)) * 3, "and its bytes are not"),
        (b"\xff\xfea", "begins as utf-16-le does, and is none"),
        (TEXT.encode() + b"\xe4\n", r"UTF-8 but for some bytes, the first 0xe4 at place 87 \(line 3\)"),
        (TEXT.encode()[:-2] + "ö".encode()[:1], "UTF-8 but for some bytes, the first 0xc3"),
        (("🙂" * 50).encode() + b"\xff", "UTF-8 but for some bytes, the first 0xff at place 200"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_refused_in_words(data, words) -> None:
    with pytest.raises(ValueError, match=words):
        plain_text.decode(data, "my.txt")


def test_no_more_than_the_largest_is_read(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(plain_text, "LARGEST", 207)
    file = tmp_path / "my.txt"
    file.write_text(PLAIN, newline="")
    assert corpora.read_text(file) == PLAIN
    with open(file, "r+b") as sparse:  # 1 TB, but for the disk
        sparse.truncate(10**12)
    with pytest.raises(ValueError, match=r"my\.txt must have at most 207 bytes, it has more"):
        corpora.read_text(file)


def test_a_file_is_read_and_one_line_says_what(tmp_path, capsys) -> None:
    file = tmp_path / "my.txt"
    file.write_bytes(TEXT.encode("cp1252"))
    assert corpora.read_text(str(file)) == TEXT
    (line,) = capsys.readouterr().out.splitlines()
    assert f"my.txt: {len(TEXT)} characters, {len(set(TEXT))} different ones; no UTF-8" in line


def test_gutenbergs_head_is_left_off_and_said(tmp_path, capsys) -> None:
    file = tmp_path / "book.txt"
    file.write_text(
        "Head\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\nA tale.\n"
        "*** END OF THE PROJECT GUTENBERG EBOOK X ***\nLicence\n"
    )
    assert corpora.read_text(file) == "A tale.\n"
    assert "without what Project Gutenberg puts" in capsys.readouterr().out
    assert corpora.read_text(file, raw=True).startswith("Head\n***")


def test_a_file_that_is_not_there_names_the_nearest(tmp_path) -> None:
    (tmp_path / "poems.txt").write_text(PLAIN)
    with pytest.raises(ValueError, match=r"where there is none .*did you mean 'poems\.txt'\?"):
        corpora.read_text(tmp_path / "poem.txt")
    with pytest.raises(TypeError, match="place must be a path or a link"):
        corpora.read_text(7)
    with pytest.raises(ValueError, match=r"place must be a text file, got .*null"):
        corpora.read_text("a\0b")


def test_folders_pipes_and_devices_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"it is a folder$"):
        corpora.read_text(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        for place in (tmp_path / "pipe", "/dev/zero"):
            with pytest.raises(ValueError, match=r"it is a pipe or a device$"):
                corpora.read_text(place)


def test_a_link_is_read(world) -> None:  # noqa: F811
    world.origin["/my.txt"] = TEXT.encode("utf-8-sig")
    assert corpora.read_text(f"{world.url}/my.txt") == TEXT


def test_a_link_that_leads_nowhere_says_so(world) -> None:  # noqa: F811
    with pytest.raises(corpora.CorpusUnavailable, match=r"none\.txt cannot be had: HTTPError: 404"):
        corpora.read_text(f"{world.url}/none.txt")
    with socket.socket() as nobody:  # bound, and nobody listens
        nobody.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(corpora.CorpusUnavailable, match=f"no connection to {place}: is the"):
            corpora.read_text(f"http://{place}/my.txt")


def test_a_link_to_a_page_is_refused(world) -> None:  # noqa: F811
    world.origin["/page"] = b"\n <!DOCTYPE html>\n<html><p>my text</p></html>"
    with pytest.raises(ValueError, match="it is a web page: take the link to the text itself"):
        corpora.read_text(f"{world.url}/page")


def test_a_link_is_bounded_in_bytes_and_time(world, monkeypatch) -> None:  # noqa: F811
    world.origin["/my.txt"] = PLAIN.encode()
    monkeypatch.setattr(plain_text, "LARGEST", 206)
    with pytest.raises(ValueError, match="at most 206 bytes"):
        corpora.read_text(f"{world.url}/my.txt")
    release = threading.Event()
    world.before_answer["/my.txt"] = release.wait
    monkeypatch.setattr(corpora, "LINK_SECONDS", 0.3)
    with pytest.raises(corpora.CorpusUnavailable, match=re.escape("within 0.3 seconds")):
        corpora.read_text(f"{world.url}/my.txt")
    release.set()
