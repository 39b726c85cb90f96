"""Characters as numbers, the split, and the two sources of windows."""

import itertools
import math

import pytest
import torch
from helpers import seeded

from rnnlib import metrics, models, training
from rnnlib.text import Contiguous, Vocabulary, Windows, split, windows

TEXT = "once upon a time there was a wolf; the wolf said: 'fürchte dich nicht' — 日月\n"


def test_decoding_gives_the_text_back_and_the_numbers_are_the_order_of_the_symbols() -> None:
    vocabulary = Vocabulary.of(TEXT)
    numbers = vocabulary.encode(TEXT)
    assert numbers.dtype == torch.int64
    assert vocabulary.decode(numbers) == TEXT
    assert sorted(set(numbers.tolist())) == list(range(len(vocabulary)))
    assert list(vocabulary.symbols) == sorted(set(TEXT))
    assert Vocabulary("abd").encode("dab").tolist() == [2, 0, 1]
    assert len(vocabulary.encode("")) == 0 and vocabulary.encode("").dtype == torch.int64


def test_a_vocabulary_does_not_depend_on_the_order_of_the_text() -> None:
    assert Vocabulary.of("cab").symbols == Vocabulary.of("abcabc").symbols == "abc"


@pytest.mark.parametrize("share", [0.05, 0.5, 0.013])
def test_the_end_is_held_out_in_one_piece(share) -> None:
    text = "".join(chr(1000 + k) for k in range(1000))
    train, held_out = split(text, share)
    assert train + held_out == text
    assert len(held_out) == round(1000 * share)
    assert split(text) == split(text, 0.05)


def test_each_side_of_a_split_has_a_character() -> None:
    text = "abcdefghij"
    assert split(text, 0.9) == ("a", "bcdefghij")
    assert split(text, 0.1) == ("abcdefghi", "j")
    assert split("ab", 0.5) == ("a", "b")
    for share in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"held_out must be finite and in \[0.0, 1.0\], got"):
            split(text, share)
    for share in (0.0, 0.04, 0.96, 1.0):
        with pytest.raises(ValueError, match=rf"held_out must leave .* of 10, got {share}"):
            split(text, share)
    for short in ("", "a"):
        with pytest.raises(
            ValueError, match=f"text must hold at least 2 characters .*got '{short}'"
        ):
            split(short)
    with pytest.raises(TypeError, match="text must be a str, got list"):
        split(["a", "b", "c"])


def test_a_vocabulary_is_of_some_text_in_order() -> None:
    with pytest.raises(ValueError, match="text must hold at least one character, got ''"):
        Vocabulary.of("")
    with pytest.raises(TypeError, match="text must be a str, got list"):
        Vocabulary.of(["a"])
    for symbols in ("", "ba", "abb"):
        with pytest.raises(ValueError, match=f"symbols must be distinct .* got '{symbols}'"):
            Vocabulary(symbols)


def test_unknown_characters_and_numbers_are_named_with_their_place() -> None:
    vocabulary = Vocabulary("abd")
    for text, says in [("abcZ", "'c' at place 2; known are 'abd'"), ("Zab", "'Z' at place 0")]:
        with pytest.raises(ValueError, match=f"text must hold known characters only, got {says}"):
            vocabulary.encode(text)
    for text in (["a", "b"], b"ab", None):
        with pytest.raises(TypeError, match=f"prompt must be a str, got {type(text).__name__}"):
            vocabulary.encode(text, "prompt")
    for number in (3, -1):
        with pytest.raises(ValueError, match=r"numbers must be in \[0, 3\)"):
            vocabulary.decode(torch.tensor([0, number]))
    with pytest.raises(TypeError, match=r"numbers .* torch.int64, got torch.int32"):
        vocabulary.decode(torch.tensor([0, 1]).int())


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"T": 0}, ValueError, "T must be at least 1, got 0"),
        ({"T": 2.0}, TypeError, r"T must be an integer, got 2.0 \(float\)"),
        ({"T": "2"}, TypeError, "T must be an integer, got '2'"),
        ({"T": None}, TypeError, "T must be an integer, got None"),
        ({"N": 0}, ValueError, "N must be at least 1, got 0"),
        ({"N": -1}, ValueError, "N must be at least 1, got -1"),
        ({"N": 1.5}, TypeError, "N must be an integer, got 1.5"),
        ({"N": True}, TypeError, "N must be an integer, got True"),
        ({"numbers": torch.arange(9).int()}, TypeError, "numbers .*int64, got torch.int32"),
        (
            {"numbers": torch.arange(9).to(torch.uint8)},
            TypeError,
            "numbers .*int64, got torch.uint8",
        ),
        ({"numbers": torch.arange(9).double()}, TypeError, "numbers .*int64, got torch.float64"),
        ({"numbers": torch.arange(9).numpy()}, TypeError, "numbers .*int64, got ndarray"),
        ({"numbers": list(range(9))}, TypeError, "numbers .*int64, got list"),
        ({"numbers": torch.arange(9)[None]}, ValueError, r"numbers .*\(length,\), got \(1, 9\)"),
        ({"numbers": torch.arange(0)}, ValueError, "numbers must not be empty"),
    ],
)
def test_windows_and_strands_want_int64_and_whole_sizes(wrong, error, says) -> None:
    right = {"numbers": torch.arange(9), "T": 2, "N": 3}
    for source in (windows, lambda **kw: Windows(**kw, seed=0), Contiguous):
        source(**right)
        with pytest.raises(error, match=says):
            source(**right | wrong)


def test_the_longest_window_is_the_text() -> None:
    numbers, generator = torch.arange(9), seeded()
    assert windows(numbers, 8, 2, generator).tolist() == [list(range(9))] * 2
    assert next(Contiguous(numbers, 8, 1)).tolist() == [list(range(9))]
    assert next(Contiguous(numbers, 2, 4)).tolist() == [[k, k + 1, k + 2] for k in (0, 2, 4, 6)]
    for make in (windows, lambda *a: Windows(*a, seed=0)):
        with pytest.raises(ValueError, match="numbers must be at least 10 for T=9 and N=2, got 9"):
            make(numbers, 9, 2)
    with pytest.raises(ValueError, match="numbers must be at least 11 for T=2 and N=5, got 9"):
        Contiguous(numbers, 2, 5)
    with pytest.raises(TypeError, match=r"generator must be a torch.Generator .*got 3"):
        windows(numbers, 2, 2, 3)


def test_a_source_looks_at_its_numbers_once() -> None:
    for numbers in (torch.arange(-1, 8), torch.tensor([0, 1, 2, 2**31])):
        for source in (lambda n: Windows(n, 2, 1, 0), lambda n: Contiguous(n, 2, 1)):
            with pytest.raises(ValueError, match=r"numbers must be in \[0, 2147483648\), got"):
                source(numbers)


def test_windows_are_pieces_of_the_text_from_every_place() -> None:
    numbers = torch.arange(20)
    source = Windows(numbers, T=4, N=500, seed=0)
    batch = next(source)
    assert batch.shape == (500, 5)
    assert torch.equal(batch, batch[:, :1] + torch.arange(5))
    assert set(batch[:, 0].tolist()) == set(range(16))  # the last of them ends with the text
    assert not torch.equal(next(source), batch)


def test_windows_repeat_by_seed_and_go_on_from_where_they_were() -> None:
    first, again, other = (Windows(torch.arange(50), 5, 8, seed) for seed in (1, 1, 2))
    assert torch.equal(next(first), next(again))
    state = first.state_dict()
    expected = [next(first) for _ in range(3)]
    other.load_state_dict(state)
    assert all(torch.equal(batch, next(other)) for batch in expected)


def test_contiguous_windows_are_the_strands_of_the_text_and_begin_anew() -> None:
    source = Contiguous(torch.arange(100), T=7, N=3)  # strands of 33 steps, 4 windows each
    for _ in range(2):
        windows = []
        for k in range(4):
            windows.append(next(source))
            assert source.begins == (k == 0)
        for before, after in itertools.pairwise(windows):
            assert torch.equal(before[:, -1], after[:, 0])
        strands = torch.cat([windows[0], *(w[:, 1:] for w in windows[1:])], dim=1)
        assert torch.equal(strands, torch.tensor([[0], [33], [66]]) + torch.arange(29))


def test_contiguous_windows_with_one_window_a_round_always_begin() -> None:
    source = Contiguous(torch.arange(10), T=4, N=2)
    for _ in range(3):
        assert next(source).tolist() == [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8]]
        assert source.begins


def test_contiguous_windows_go_on_from_where_they_were() -> None:
    first, other = (Contiguous(torch.arange(100), 7, 3) for _ in range(2))
    for _ in range(6):
        next(first)
    other.load_state_dict(first.state_dict())
    assert torch.equal(next(first), next(other))
    assert first.begins == other.begins


def test_a_model_trained_on_windows_learns_what_follows() -> None:
    text = "abcde" * 100
    numbers = Vocabulary.of(text).encode(text)
    model = models.CharacterModel(5, 8, 1, generator=seeded()).fast()
    history = training.train(
        model, Windows(numbers, 6, 16, seed=0), metrics.next_character_loss,
        torch.optim.Adam(model.parameters(), lr=0.05), 60,
    )  # fmt: skip
    assert history.loss[0] == pytest.approx(1.6, abs=0.2)  # ln 5
    assert history.loss[-1] < 0.05
    assert history.metrics[-1]["accuracy"] == 1
