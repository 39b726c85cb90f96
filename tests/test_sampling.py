"""Writing: the distribution that is drawn from, and the text that comes of it."""

import io
import itertools
import math
import subprocess
import sys
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import normal, seeded
from torch import nn

from rnnlib import LSTM, checkpoints, sampling
from rnnlib.models import RNNLM, CharacterModel
from rnnlib.sampling import generate, likeliest, probabilities, read, stream
from rnnlib.text import END, UNK, Vocabulary, Words

VOCABULARY = Vocabulary("abcdefg")
K = len(VOCABULARY)


def trained(seed: int = 1) -> CharacterModel:
    """A model with strong opinions that depend on the state."""
    model = CharacterModel(K, 12, 2, generator=seeded(seed))
    for weight in model.parameters():
        weight.data *= 4
    return model


def evened(log_p: torch.Tensor) -> CharacterModel:
    """A model that gives the same logits after every text."""
    model = CharacterModel(K, 2, 1, generator=seeded())
    model.readout.weight.data.zero_()
    model.readout.bias.data.copy_(log_p)
    return model


# ---- probabilities ------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0, 2.0, 100.0])
def test_temperature_divides_the_logits(temperature) -> None:
    logits = normal(3, 4, K) * 5
    found = probabilities(logits, temperature)
    assert torch.allclose(found, (logits / temperature).softmax(-1), rtol=1e-12, atol=0)


def test_no_temperature_is_too_small_or_too_large() -> None:
    logits = torch.tensor([3.0, 1.0, 2.0])
    assert probabilities(logits, 1e-308).tolist() == [1, 0, 0]
    assert probabilities(logits, 1e300).tolist() == pytest.approx([1 / 3] * 3)


def test_temperature_zero_and_top_k_of_one_are_the_argmax() -> None:
    logits = normal(50, K)
    expected = torch.nn.functional.one_hot(logits.argmax(-1), K).double()
    assert torch.equal(probabilities(logits, 0), expected)
    assert torch.equal(probabilities(logits, top_k=1), expected)
    assert torch.equal(probabilities(logits, top_p=1e-9), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("K", [4, 7, 300])
def test_of_equal_logits_those_with_the_lower_numbers_come_first(K, dtype) -> None:
    logits = torch.randint(3, (30, K), generator=seeded(1)).to(dtype)  # many ties
    for row, first, three, half in zip(
        logits, probabilities(logits, 0), probabilities(logits, top_k=3),
        probabilities(logits, top_p=0.5), strict=True,
    ):  # fmt: skip
        order = sorted(range(K), key=lambda k: (-row[k].item(), k))
        assert first.nonzero().flatten().tolist() == order[:1]
        assert three.nonzero().flatten().tolist() == sorted(order[:3])
        p = row.double().softmax(-1)[order]
        short = int((p.cumsum(-1) < 0.5 - 1e-12).sum())
        assert half.nonzero().flatten().tolist() == sorted(order[: short + 1])


def test_probabilities_are_float64_and_options_may_be_any_real_numbers() -> None:
    logits = normal(3, K)
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        p = probabilities(logits.to(dtype), 0.7)
        assert p.dtype == torch.float64 and p.shape == (3, K)
        assert torch.allclose(p, probabilities(logits.to(dtype).double(), 0.7), rtol=1e-14)
    assert torch.equal(probabilities(logits, Fraction(1, 2)), probabilities(logits, 0.5))
    halved = probabilities(logits, top_p=Fraction(1, 2))
    assert torch.equal(halved, probabilities(logits, top_p=0.5))


@pytest.mark.parametrize("temperature", [0.0, 0.3, 1.0, 1e300])
def test_what_may_not_be_drawn_has_no_probability_and_the_others_share_it(temperature) -> None:
    logits = 50 * torch.randn(4, 9, generator=seeded(1))
    may = torch.tensor([True, False, True, True, False, False, True, True, False])
    found = probabilities(logits, temperature, may=may)
    assert torch.equal(found[:, may], probabilities(logits[:, may], temperature))
    assert not found[:, ~may].any()
    each = torch.stack([may, ~may, may, ~may])
    rows = [probabilities(row, temperature, may=m) for row, m in zip(logits, each, strict=True)]
    assert torch.equal(probabilities(logits, temperature, may=each), torch.stack(rows))
    two = probabilities(logits, temperature or 1, top_k=2, may=may)
    assert ((two > 0).sum(dim=1) == 2).all() and not two[:, ~may].any()


@pytest.mark.parametrize(
    ("may", "error", "says"),
    [
        ([True, False], TypeError, "may must be a torch.Tensor or None"),
        (torch.tensor([1, 0]), TypeError, "may must hold bool, got torch.int64"),
        (torch.tensor([True]), ValueError, r"may must have shape \(2,\) .* got \(1,\)"),
        (torch.tensor([False, False]), ValueError, "may must allow at least one symbol"),
    ],
)
def test_what_is_no_mask_is_named(may, error, says) -> None:
    with pytest.raises(error, match=says):
        probabilities(torch.zeros(2), may=may)
    one_of_two = torch.tensor([[True, True], [False, False]])
    with pytest.raises(ValueError, match="may must allow at least one symbol"):
        probabilities(torch.zeros(2, 2), may=one_of_two)


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"temperature": 10**400}, ValueError, "temperature must be finite"),
        ({"temperature": math.inf}, ValueError, "temperature must be finite"),
        ({"temperature": "1"}, TypeError, "temperature must be a number, got '1'"),
        ({"top_k": 10**400}, ValueError, r"top_k must be below 2\*\*63"),
        ({"top_p": 10**400}, ValueError, "top_p must be finite"),
        ({"top_p": 0}, ValueError, r"top_p must be in \(0, 1\] or None, got 0"),
        ({"top_p": True}, TypeError, "top_p must be a number, got True"),
        ({"logits": torch.tensor([0.0, -math.inf])}, ValueError, "logits must be finite"),
        ({"logits": torch.tensor([0.0, math.nan])}, ValueError, "logits must be finite"),
        ({"logits": torch.tensor([1, 2])}, TypeError, "logits must hold floating-point"),
    ],
)
def test_what_is_no_choice_is_named(wrong, error, says) -> None:
    right: dict[str, Any] = {"logits": torch.zeros(2)}
    with pytest.raises(error, match=says):
        probabilities(**right | wrong)
    if "logits" not in wrong:
        with pytest.raises(error, match=says):
            stream(trained(), VOCABULARY, "a", **wrong)  # before anything is written


@pytest.mark.parametrize("k", range(1, K + 2))
def test_top_k_keeps_the_k_most_probable_and_their_ratios(k) -> None:
    logits = normal(20, K)
    p, kept = logits.softmax(-1), probabilities(logits, top_k=k)
    assert torch.equal((kept > 0).sum(-1), torch.full((20,), min(k, K)))
    lowest = torch.where(kept > 0, p, math.inf).amin(-1)
    highest = torch.where(kept > 0, -math.inf, p).amax(-1)
    assert (lowest > highest).all()
    expected = torch.where(kept > 0, p, 0)
    assert torch.allclose(kept, expected / expected.sum(-1, keepdim=True), rtol=1e-12, atol=0)


@pytest.mark.parametrize("mass", [0.1, 0.5, 0.9, 0.99, 1.0])
def test_top_p_keeps_the_smallest_set_whose_mass_is_at_least_p(mass) -> None:
    logits = normal(50, K) * 2
    p, kept = logits.softmax(-1), probabilities(logits, top_p=mass)
    for row, found in zip(p, kept, strict=True):
        inside = found > 0
        assert row[inside].sum() >= mass - 1e-12
        assert row[inside].sum() - row[inside].min() < mass  # without its last it is too little
        assert inside.all() or row[inside].min() > row[~inside].max()
        assert torch.allclose(found[inside], row[inside] / row[inside].sum(), rtol=1e-12)


def test_top_p_counts_the_mass_that_top_k_left() -> None:
    logits = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()
    assert probabilities(logits, top_k=2, top_p=0.57).tolist() == [1, 0, 0, 0]  # 0.4/0.7 = 0.571
    assert probabilities(logits, top_p=0.57).tolist() == pytest.approx([4 / 7, 3 / 7, 0, 0])


def test_top_p_comes_after_the_temperature() -> None:
    logits = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()
    assert (probabilities(logits, 0.25, top_p=0.69) > 0).sum() == 1  # 0.4^4 has 0.72 of the mass


# ---- text ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"temperature": 0.7, "top_k": 3}, {"top_p": 0.6}])
def test_the_same_seed_writes_the_same_text(options) -> None:
    text = generate(trained(), VOCABULARY, "bad", 60, seed=5, **options)
    assert len(text) == 60
    assert text == generate(trained(), VOCABULARY, "bad", 60, seed=5, **options)
    assert text != generate(trained(), VOCABULARY, "bad", 60, seed=6, **options)


def test_the_stream_is_the_text_and_a_longer_text_begins_with_a_shorter() -> None:
    model = trained()
    written = "".join(islice(stream(model, VOCABULARY, "cab", seed=2), 50))
    assert generate(model, VOCABULARY, "cab", 50, seed=2) == written
    assert generate(model, VOCABULARY, "cab", 20, seed=2) == written[:20]
    assert generate(model, VOCABULARY, "cab", 0) == ""
    assert generate(model, VOCABULARY, "cab", 50) == generate(model, VOCABULARY, "cab", 50, seed=0)
    for length in (-1, 2.5, "9"):
        with pytest.raises((TypeError, ValueError), match=r"^length must be .*, got"):
            generate(model, VOCABULARY, "cab", length)


def test_greedy_text_is_the_argmax_after_the_whole_text_so_far() -> None:
    model, text = trained(), "cab"
    for _ in range(40):
        logits, _ = model(VOCABULARY.encode(text)[None])
        text += VOCABULARY.symbols[logits[0, -1].argmax()]
    assert len(set(text)) > 2
    assert generate(model, VOCABULARY, "cab", 40, temperature=0) == text[3:]
    assert generate(model, VOCABULARY, "cab", 40, top_k=1, seed=9) == text[3:]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_n_and_then_m_characters_with_the_state_are_n_plus_m(temperature) -> None:
    model = trained()
    whole = generate(model, VOCABULARY, "cab", 50, temperature=temperature, seed=4)
    generator = seeded(4)
    first = generate(model, VOCABULARY, "cab", 20, temperature=temperature, seed=generator)
    _, state = read(model, VOCABULARY, "cab" + first[:-1])
    second = generate(
        model, VOCABULARY, first[-1], 30, temperature=temperature, seed=generator, state=state
    )
    assert first + second == whole
    without = generate(model, VOCABULARY, first[-1], 30, temperature=0)
    assert temperature or second != without  # the state matters


def test_reading_in_pieces_equals_reading_at_once() -> None:
    model = trained()
    text = "abcdefg" * 4
    logits, state = read(model, VOCABULARY, text)
    _, before = read(model, VOCABULARY, text[:11])
    pieces, after = read(model, VOCABULARY, text[11:], before)
    assert torch.allclose(logits, pieces, atol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(state, after, strict=True))


def test_a_restart_forgets_all_but_the_last_character() -> None:
    model = trained()
    text = generate(model, VOCABULARY, "cab", 25, temperature=0, restart_every=10)
    expected = generate(model, VOCABULARY, "cab", 10, temperature=0)
    for length in (10, 5):
        expected += generate(model, VOCABULARY, expected[-1], length, temperature=0)
    assert text == expected
    assert text != generate(model, VOCABULARY, "cab", 25, temperature=0)


class Reads(nn.Module):
    """A model that says the next letter of the alphabet and notes what it reads after what."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[tuple[str, str]] = []  # what stood in the state, and what was read

    def forward(self, numbers: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        text = VOCABULARY.decode(numbers[0])
        self.read.append((state or "", text))
        logits = nn.functional.one_hot((numbers + 1) % K, K) * 50.0
        return logits, (state or "") + text


@pytest.mark.parametrize("every", [None, 1, 2, 3, 5])
@pytest.mark.parametrize("prompt", ["", "ca", "fed"])
def test_the_state_is_carried_and_thrown_away_after_every_so_many_characters(prompt, every) -> None:
    model = Reads()
    text = generate(model, VOCABULARY, prompt, 12, seed=1, restart_every=every)
    expected, state, unread = [], "", prompt
    for written, character in enumerate(text):
        if every and written and written % every == 0:
            state = ""
        if unread:
            expected.append((state, unread))
            state += unread
        unread = character
    assert model.read == expected
    assert len(model.read) == (12 if prompt else 11)
    letters = itertools.pairwise(prompt[-1:] + text)
    assert all(VOCABULARY.symbols[(VOCABULARY.encode(a) + 1) % K] == b for a, b in letters)


def test_a_state_goes_on_from_where_it_was_read() -> None:
    model = Reads()
    _, state = read(model, VOCABULARY, "abc")
    assert generate(model, VOCABULARY, "d", 2, state=state) == "ef"
    assert model.read == [("", "abc"), ("abc", "d"), ("abcd", "e")]


def test_a_restart_spares_the_state_that_was_given() -> None:
    model = Reads()
    generate(model, VOCABULARY, "d", 3, state="abc", restart_every=2)
    assert model.read == [("abc", "d"), ("abcd", "e"), ("", "f")]


class Elsewhere(nn.Module):
    """A model whose numbers are not in the processor's memory; it keeps where it was asked to read.

    Its weights, if it has any, are on one device, and its buffer on that or another.
    """

    def __init__(self, weight: str | None, buffer: str):
        super().__init__()
        if weight:
            self.weight = nn.Parameter(torch.zeros(1, device=weight))
        self.register_buffer("kept", torch.zeros(1, device=buffer))

    def forward(self, numbers: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        self.asked = numbers.device.type
        return torch.zeros(*numbers.shape, K), state


@pytest.mark.parametrize(
    ("weight", "buffer", "where"),
    [("meta", "cpu", "meta"), ("cpu", "meta", "cpu"), (None, "meta", "meta"), (None, "cpu", "cpu")],
)
def test_characters_go_where_the_weights_are_or_the_buffers(weight, buffer, where) -> None:
    model = Elsewhere(weight, buffer)
    read(model, VOCABULARY, "abc")
    assert model.asked == where


def test_reading_wants_a_model_a_vocabulary_and_a_character() -> None:
    for arguments, error, says in [
        ((Reads(), VOCABULARY, ""), ValueError, "text must hold a symbol to read, got ''"),
        ((Reads(), VOCABULARY, "aZ"), ValueError, "text must hold known .* 'Z' at place 1"),
        ((Reads(), VOCABULARY, 3), TypeError, "text must be a str, got int"),
        ((Reads(), "abc", "a"), TypeError, "vocabulary must be a Vocabulary, got str"),
        ((Reads, VOCABULARY, "a"), TypeError, "model must be a torch.nn.Module, got type"),
        (
            (Reads(), Vocabulary("abcdef"), "a"),
            ValueError,
            "vocabulary must have the model's 7 symbols, .*got 6",
        ),
    ]:
        with pytest.raises(error, match=says):
            read(*arguments)


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": 2**70}, ValueError, r"seed must be below 2\*\*63"),
        ({"seed": 1.0}, TypeError, "seed must be an integer, got 1.0"),
        ({"restart_every": 0}, ValueError, "restart_every must be at least 1, got 0"),
        ({"restart_every": 2.0}, TypeError, "restart_every must be an integer, got 2.0"),
        ({"prompt": "", "state": "abc"}, ValueError, "prompt must hold a symbol .*got ''"),
        ({"prompt": None}, TypeError, "prompt must be a str, got NoneType"),
        ({"model": "grimm"}, TypeError, "model must be a torch.nn.Module, got str"),
        ({"vocabulary": "abc"}, TypeError, "vocabulary must be a Vocabulary, got str"),
    ],
)
def test_wrong_options_are_named_before_anything_is_written(wrong, error, says) -> None:
    right = {"model": Reads(), "vocabulary": VOCABULARY, "prompt": "abc"}
    with pytest.raises(error, match=says):
        stream(**right | wrong)


def test_without_a_prompt_the_first_character_is_drawn_evenly() -> None:
    model = evened(torch.tensor([9.0, 0, 0, 0, 0, 0, 0])).fast()  # would begin with "a"
    starts = [generate(model, VOCABULARY, "", 1, seed=s, temperature=0) for s in range(700)]
    assert [next(stream(model, VOCABULARY, seed=s)) for s in range(20)] == starts[:20]
    counts = [starts.count(c) for c in VOCABULARY.symbols]
    assert sum((n - 100) ** 2 / 100 for n in counts) < 22.5  # chi-square, 6 degrees, p = 0.001
    assert generate(model, VOCABULARY, "", 5, seed=1, temperature=0)[1:] == "aaaa"


@pytest.mark.parametrize("options", [{}, {"temperature": 2.0}, {"top_p": 0.8}, {"top_k": 4}])
def test_characters_come_as_often_as_their_probabilities_say(options) -> None:
    logits = torch.tensor([0.3, 0.25, 0.2, 0.1, 0.08, 0.05, 0.02]).log()
    text = generate(evened(logits).fast(), VOCABULARY, "a", 2000, seed=1, **options)
    p = probabilities(logits, **options)
    expected = {c: 2000 * q for c, q in zip(VOCABULARY.symbols, p.tolist(), strict=True) if q}
    assert set(text) == set(expected)
    square = sum((text.count(c) - e) ** 2 / e for c, e in expected.items())
    assert square < 22.5  # chi-square, at most 6 degrees, p = 0.001


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_what_is_never_written_leaves_its_probability_to_the_others(temperature) -> None:
    logits = torch.tensor([0.3, 0.25, 0.2, 0.1, 0.08, 0.05, 0.02]).log()
    options: dict[str, Any] = {"temperature": temperature, "never": "ac"}
    text = generate(evened(logits).fast(), VOCABULARY, "a", 1000, seed=1, **options)
    left = logits.clone()
    left[[0, 2]] = -1e30
    assert text == generate(
        evened(left).fast(), VOCABULARY, "a", 1000, seed=1, temperature=temperature
    )
    assert set(text) == ({"b"} if temperature == 0 else set("bdefg"))
    starts = {generate(evened(logits), VOCABULARY, "", 1, seed=s, never="ac") for s in range(60)}
    assert starts == set("bdefg")
    for wrong in ("aZ", "aa", VOCABULARY.symbols):
        with pytest.raises(ValueError, match="never must be distinct symbols of the vocabulary"):
            stream(evened(logits), VOCABULARY, "a", never=wrong)


def test_torchs_twin_writes_the_same_text() -> None:
    text = generate(trained(), VOCABULARY, "cab", 80, seed=3)
    assert generate(trained().fast(), VOCABULARY, "cab", 80, seed=3) == text


def test_an_unknown_character_of_the_prompt_is_named_before_anything_is_written() -> None:
    with pytest.raises(ValueError, match=r"prompt .*'Z' at place 2; known are 'abcdefg'"):
        stream(trained(), VOCABULARY, "abZ")


# ---- words --------------------------------------------------------------------------------------

WORDS = Words([UNK, END, "once", "upon", "a", "time", ","])


def of_words() -> RNNLM:
    model = RNNLM(7, LSTM, 8, 8, 2, tied=True, generator=seeded(2))
    for weight in model.parameters():
        weight.data *= 4
    return model


def test_a_model_of_words_writes_words() -> None:
    model = of_words()
    symbols = list(itertools.islice(stream(model, WORDS, "once upon a", seed=3), 40))
    assert len(set(symbols)) > 4
    assert generate(model, WORDS, "once upon a", 40, seed=3) == WORDS.join(symbols)
    generator, number, state = seeded(3), WORDS.encode("once upon a")[None], None
    for symbol in symbols:
        logits, state = model(number, state)
        p = probabilities(logits[0, -1].detach())
        number = torch.multinomial(p, 1, generator=generator)[None]
        assert WORDS.symbols[int(number)] == symbol
    greedy = generate(model, WORDS, "once upon a", 10, temperature=0, never=(UNK, END)).split(" ")
    numbers = WORDS.encode("once upon a")
    for word in greedy:
        logits = model(numbers[None])[0][0, -1, 2:]
        assert WORDS.symbols[2 + int(logits.argmax())] == word
        numbers = torch.cat([numbers, WORDS.encode(word)])


def test_the_likeliest_words_and_their_probabilities() -> None:
    model = of_words()
    p = model(WORDS.encode("once upon a")[None])[0][0, -1].double().softmax(0)
    found = likeliest(model, WORDS, "once upon a", 3)
    assert [WORDS.symbols.index(word) for word, _ in found] == p.topk(3).indices.tolist()
    assert [share for _, share in found] == pytest.approx(p.topk(3).values.tolist(), rel=1e-6)
    assert len(likeliest(model, WORDS, "a")) == 5
    _, state = read(model, WORDS, "once upon")
    again = likeliest(model, WORDS, "a", 3, state)
    assert [w for w, _ in again] == [w for w, _ in found]
    even = likeliest(evened(torch.zeros(7)), VOCABULARY, "a", 9)
    assert even == [(c, pytest.approx(1 / 7)) for c in VOCABULARY.symbols]
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        likeliest(model, WORDS, "a", 0)


def test_a_text_without_a_word_is_no_prompt_to_read() -> None:
    with pytest.raises(ValueError, match="text must hold a symbol to read, got ' '"):
        read(of_words(), WORDS, " ")
    with pytest.raises(ValueError, match=r"prompt must hold a symbol .* got ' '"):
        stream(of_words(), WORDS, " ", state=1)
    assert generate(of_words(), WORDS, " ", 9, seed=1) == generate(of_words(), WORDS, "", 9, seed=1)


# ---- the command --------------------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path) -> Path:
    path = tmp_path / "w.safetensors"
    checkpoints.save_model(path, trained(), VOCABULARY, {}, torch.float32)
    return path


def test_the_command_writes_what_generate_does(weights, capsys) -> None:
    options = ["--length", "40", "--temperature", "0.7", "--top-k", "4", "--top-p", "0.9"]
    assert sampling.main([str(weights), "--prompt", "cab", "--seed", "3", *options]) == 0
    expected = generate(
        trained(), VOCABULARY, "cab", 40, temperature=0.7, top_k=4, top_p=0.9, seed=3
    )
    assert capsys.readouterr().out == f"cab{expected}\n"
    assert sampling.main([str(weights), "--prompt", "cab"]) == 0
    assert capsys.readouterr().out == "cab" + generate(trained(), VOCABULARY, "cab", 200) + "\n"


@pytest.mark.parametrize("prompt", ["once upon a", ""])
def test_the_command_writes_words_with_spaces(prompt, tmp_path, capsys) -> None:
    checkpoints.save_model(tmp_path / "w", of_words(), WORDS, {}, torch.float32)
    assert sampling.main([str(tmp_path / "w"), "--prompt", prompt, "--length", "40"]) == 0
    symbols = list(itertools.islice(stream(of_words(), WORDS, prompt), 40))
    expected = WORDS.join([*WORDS.cut(prompt), *symbols])
    assert capsys.readouterr().out == expected + "\n"


class Pipe(io.RawIOBase):
    """A pipe that keeps the pieces in which it was written."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self.pieces.append(bytes(piece))
        return len(piece)


def test_the_command_streams_character_by_character(weights, monkeypatch) -> None:
    pipe = Pipe()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(pipe), "utf-8"))
    sampling.main([str(weights), "--prompt", "cab", "--length", "40"])
    expected = generate(trained(), VOCABULARY, "cab", 40)
    assert [piece.decode() for piece in pipe.pieces][:41] == ["cab", *expected]


def test_the_command_explains_itself(capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        sampling.main(["--help"])
    assert stop.value.code == 0
    help_text = " ".join(capsys.readouterr().out.split())
    for words in [
        "python -m rnnlib.sampling", "Write with a trained model of characters or words.",
        "weights a weights file", "PROMPT the beginning", "LENGTH characters or words to write",
        "0 is greedy (default: 1.0)", "TOP_K draw among the k most", "TOP_P draw among the most",
        "SEED the same seed writes the same text",
    ]:  # fmt: skip
        assert words in help_text


def test_python_m_runs_the_command(weights) -> None:
    command = [sys.executable, "-m", "rnnlib.sampling", str(weights), "--length", "9"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == generate(trained(), VOCABULARY, "", 9) + "\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--prompt", "cat"], "prompt must hold known characters only, got 't' at place 2"),
        (["--temperature", "-1"], "temperature must be finite and in [0.0, inf], got -1.0"),
        (["--length", "-5"], "length must be at least 0, got -5"),
        (["--top-p", "2"], "top_p must be finite and in [0.0, 1.0], got 2.0"),
    ],
)
def test_a_wrong_option_exits_with_2_and_says_why(weights, options, said, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        sampling.main([str(weights), *options])
    assert stop.value.code == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_ctrl_c_ends_the_line_and_exits_with_130(weights, capsys, monkeypatch) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        yield from "de"
        raise KeyboardInterrupt

    monkeypatch.setattr(sampling, "stream", interrupted)
    assert sampling.main([str(weights), "--prompt", "abc"]) == 130
    assert capsys.readouterr().out == "abcde\n"


def test_a_file_that_is_not_there_exits_with_2_and_says_so(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        sampling.main([str(tmp_path / "no")])
    assert stop.value.code == 2
    assert "path must be a weights file" in capsys.readouterr().err
