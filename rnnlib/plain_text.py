"""A reader's own file as text: its encoding found out, or the reason why it is no text.

What is done to a file is said; what cannot be decided is refused.
"""

from __future__ import annotations

import codecs
import re

LARGEST = 2**26  # bytes of a file: 67 MB
CONTROLS = 0.001  # share of control characters from which on bytes that are no UTF-8 are no text

_BOMS = {
    codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF32_LE: "utf-32-le", codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be",
}  # fmt: skip  # that of UTF-32 before that of UTF-16, which begins it
_KINDS = {
    b"%PDF": "a PDF", b"PK\x03\x04": "a zip archive, a Word or OpenDocument file or an e-book",
    b"\xd0\xcf\x11\xe0": "an old Word file", b"{\\rtf": "an RTF file", b"\x1f\x8b": "a gzip file",
    b"\xfd7zXZ": "an xz file", b"BZh": "a bzip2 file", b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture", b"GIF8": "a picture", b"\x7fELF": "a program",
}  # fmt: skip

NAME_IT = "name its encoding (encoding=..., --encoding ... on the command line)"
_LETTER = re.compile(  # of UTF-8, beyond ASCII
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)


def decode(data: bytes, name: str, encoding: str | None = None) -> tuple[str, list[str]]:
    r"""The text in the bytes of a file, every line ended by ``\n``; and what was done to it.

    Without ``encoding``: what a byte order mark says, else UTF-8, else Windows-1252, and where
    that has no such bytes Latin-1.

    Args:
        data: the bytes of the file.
        name: what an error calls the file.
        encoding: one that Python knows, as ``"cp1251"``.

    Raises:
        ValueError: the file is empty, too large, no text, or not in ``encoding``; or it is in
            UTF-8 but for some bytes. The message says which, and what to do.
    """
    if len(data) > LARGEST:
        raise ValueError(
            f"{name} must have at most {LARGEST:,} bytes, it has more: cut a piece out of it"
        )
    for head, kind in _KINDS.items():
        if data.startswith(head):
            raise ValueError(
                f"{name} must be plain text, it is {kind}: save it as plain text (.txt, UTF-8)"
            )
    text, said = _decoded(data, name, encoding)
    if (place := text.find("\0")) >= 0:
        raise ValueError(
            f"{name} must be plain text, it has the character NUL at place {place}: it is no text, "
            "or in UTF-16 without its mark. Save it as UTF-8, or say encoding='utf-16-le'"
        )
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        said.append("line ends of Windows or of an old Mac made \\n")
    if not text.strip():
        raise ValueError(f"{name} must hold text, it is empty")
    return text, said


def is_page(text: str) -> bool:
    """Whether a text is the source of a web page."""
    return re.match(r"\s*<(!doctype html|html)\b", text[:1000], re.IGNORECASE) is not None


def _decoded(data: bytes, name: str, encoding: str | None) -> tuple[str, list[str]]:
    if encoding is not None:
        try:
            return data.decode(encoding).removeprefix("\ufeff"), [f"read as {encoding}"]
        except LookupError:
            raise ValueError(
                f"encoding must be one that Python knows, as 'cp1252', got {encoding!r}"
            ) from None
        except UnicodeError as error:
            raise ValueError(f"{name} must be text in {encoding}, it is not: {error}") from error
    for mark, found in _BOMS.items():
        if data.startswith(mark):
            try:
                text = data[len(mark) :].decode(found)
            except UnicodeError as error:
                raise ValueError(
                    f"{name} begins as {found} does, and is none: {error}. Save it as UTF-8"
                ) from error
            return text, [] if found == "utf-8" else [f"read as {found}"]
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError as error:
        return _one_byte_each(data, name, error)


def _one_byte_each(data: bytes, name: str, error: UnicodeDecodeError) -> tuple[str, list[str]]:
    """Text that is no UTF-8, each byte a character; ValueError if it is no such text."""
    controls = len(re.findall(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]", data))
    if b"\0" in data or controls > CONTROLS * len(data):
        raise ValueError(
            f"{name} must be plain text, and its bytes are not: neither UTF-8 nor one byte a "
            f"character. Save it as plain text (.txt, UTF-8), or {NAME_IT}"
        )
    high = len(re.findall(rb"[\x80-\xff]", data))
    if sum(map(len, _LETTER.findall(data))) > high / 2:  # so much of chance is none
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{name} is in UTF-8 but for some bytes, the first {data[error.start]:#04x} at place "
            f"{error.start} (line {line}): mend them, or {NAME_IT}"
        )
    try:
        text, called = data.decode("cp1252"), "Windows-1252"
    except UnicodeDecodeError:
        text, called = data.decode("latin-1"), "Latin-1"
    return text, [f"no UTF-8, read as {called}; if letters look wrong, {NAME_IT}"]
