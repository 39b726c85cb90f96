"""Words as numbers: the vocabulary, context windows, lines and padding."""

import pytest
import torch

from rnnlib import init
from rnnlib.text import (
    END,
    START,
    UNK,
    Characters,
    Words,
    context_windows,
    frequencies,
    lines,
    padded,
    split,
)

TEXT = "the cat sat\n\nthe dog saw the cat\n"


def test_words_are_numbered_by_how_often_they_come_then_by_their_letters() -> None:
    assert Words.of(TEXT).symbols == (UNK, START, END, "the", "cat", "dog", "sat", "saw")
    assert Words.of(TEXT, 5).symbols == (UNK, START, END, "the", "cat")
    assert Words.of(TEXT, 4, start=False).symbols == (UNK, END, "the", "cat")
    assert Words.of(f"a {UNK} {UNK} {START} b").symbols == (UNK, START, END, "a", "b")


def test_a_text_is_words_and_ends_of_lines_and_comes_back() -> None:
    words = Words.of(TEXT)
    numbers = words.encode(TEXT)
    assert numbers.tolist() == [3, 4, 6, 2, 2, 3, 5, 7, 3, 4, 2]
    assert words.decode(numbers) == TEXT
    assert words.encode("  the\tcat ").tolist() == [3, 4] == words.encode("the cat").tolist()
    assert words.encode("").tolist() == []
    assert words.encode("a bird \u2028 the\x85cat").tolist() == [0, 0, 3, 4]  # no ends of lines
    for k in range(len(numbers) + 1):
        assert torch.equal(
            words.encode(words.decode(numbers[:k])) if k else numbers[:0], numbers[:k]
        )


def test_a_word_without_a_number_is_unk() -> None:
    words = Words.of(TEXT, 5)
    assert words.decode(words.encode(TEXT)) == f"the cat {UNK}\n\nthe {UNK} {UNK} the cat\n"
    assert words.encode("The CAT").tolist() == [words.unk] * 2


@pytest.mark.parametrize(
    ("symbols", "error", "message"),
    [
        ([UNK, END, "a", "a"], ValueError, "distinct, got 'a' more than once"),
        ([UNK, "a"], ValueError, "symbols must hold '<unk>' and"),
        ([END, "a"], ValueError, "symbols must hold '<unk>' and"),
        ([UNK, END, "a b"], ValueError, "without a space in them, got 'a b'"),
        ([UNK, END, ""], ValueError, "without a space in them, got ''"),
        ([UNK, END, 1], TypeError, "symbols must be str"),
        (3, TypeError, "symbols must be an iterable of str"),
    ],
)
def test_symbols_that_are_no_vocabulary(symbols: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        Words(symbols)  # type: ignore[arg-type]


def test_sizes_that_leave_no_word_and_texts_without_one() -> None:
    with pytest.raises(ValueError, match="size"):
        Words.of(TEXT, 3)
    with pytest.raises(ValueError, match="text must hold at least one word"):
        Words.of(" ")
    with pytest.raises(ValueError, match="must hold START"):
        _ = Words.of(TEXT, start=False).start


def test_context_windows_begin_anew_at_each_line() -> None:
    words = Words.of(TEXT)
    rows = context_windows(words.encode(TEXT), 3, words)
    assert [[words.symbols[k] for k in row] for row in rows.tolist()] == [
        [START, START, "the"],
        [START, "the", "cat"],
        ["the", "cat", "sat"],
        ["cat", "sat", END],
        [START, START, END],
        [START, START, "the"],
        [START, "the", "dog"],
        ["the", "dog", "saw"],
        ["dog", "saw", "the"],
        ["saw", "the", "cat"],
        ["the", "cat", END],
    ]
    assert torch.equal(context_windows(words.encode(TEXT), 1, words)[:, 0], words.encode(TEXT))
    long = context_windows(words.encode("cat"), 4, words)  # longer than the text
    assert long.tolist() == [[words.start] * 3 + [4]]


def test_lines_and_padding_hold_every_word_once() -> None:
    words = Words.of(TEXT)
    numbers = words.encode(TEXT + "the cat")
    parts = lines(numbers, words)
    assert [len(part) for part in parts] == [4, 1, 6, 2]
    assert torch.equal(torch.cat(parts), numbers)
    rows, lengths = padded(parts, words.end)
    assert rows.shape == (4, 6) and lengths.tolist() == [4, 1, 6, 2]
    kept = torch.arange(6) < lengths[:, None]
    assert torch.equal(rows[kept], numbers) and (rows[~kept] == words.end).all()
    with pytest.raises(ValueError, match="sequences must hold at least one"):
        padded([], 0)


def test_whole_lines_are_split_at_the_end_of_one() -> None:
    text = "aa\nbb\ncc\ndd\n"
    assert split(text, 0.5, whole_lines=True) == ("aa\nbb\n", "cc\ndd\n")
    assert split(text, 0.4, whole_lines=True) == ("aa\nbb\ncc\n", "dd\n")
    with pytest.raises(ValueError, match="held_out must leave lines on both sides of 12"):
        split(text, 0.1, whole_lines=True)


def test_no_symbol_has_a_frequency_of_zero_and_a_readout_begins_at_their_logarithms() -> None:
    shares = frequencies(torch.tensor([3, 0, 3]), 5)
    assert shares.tolist() == pytest.approx([2 / 8, 1 / 8, 1 / 8, 3 / 8, 1 / 8])
    bias = torch.nn.Parameter(torch.ones(5))
    assert init.log_frequencies_(bias, shares) is bias
    assert bias.detach().softmax(0) == pytest.approx(shares)
    with pytest.raises(ValueError, match=r"numbers must be in \[0, 3\)"):
        frequencies(torch.tensor([3]), 3)
    with pytest.raises(ValueError, match="frequencies must be above 0, got 0"):
        init.log_frequencies_(bias, torch.zeros(5))
    with pytest.raises(ValueError, match=r"frequencies must have .*\(5,\)"):
        init.log_frequencies_(bias, torch.ones(4))


POEMS = "日月山。\n山山日。\n"


def test_characters_are_numbered_as_words_are_and_the_rarest_fall_out() -> None:
    assert Characters.of(POEMS).symbols == (UNK, START, END, "山", "。", "日", "月")
    few = Characters.of(POEMS, 6)
    assert few.symbols == (UNK, START, END, "山", "。", "日")
    numbers = few.encode(START + POEMS)
    assert numbers.tolist() == [1, 5, 0, 3, 4, 2, 3, 3, 5, 4, 2]
    assert few.decode(numbers) == f"{START}日{UNK}山。\n山山日。\n"
    assert torch.equal(few.encode(few.decode(numbers)), numbers)
    assert few.encode("<s").tolist() == [0, 0] and few.encode(" ").tolist() == [0]
    assert Characters.of(POEMS, 5, start=False).symbols == (UNK, END, "山", "。", "日")


def test_lines_of_characters_are_read_as_lines_of_words_are() -> None:
    characters = Characters.of(POEMS)
    rows = context_windows(characters.encode(POEMS), 2, characters)
    assert [characters.decode(row) for row in rows[3:6]] == ["山。", "。\n", f"{START}山"]


@pytest.mark.parametrize("symbol", ["日月", "", "<e>", " "])
def test_what_is_no_character(symbol) -> None:
    with pytest.raises(ValueError, match="symbols must be"):
        Characters([UNK, START, END, symbol])
