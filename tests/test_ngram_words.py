"""Counts of words: lines read by themselves, sums of one, each target's probability, mixtures."""

import math

import pytest
import torch
from helpers import seeded

from rnnlib import corpora
from rnnlib.ngram import NGram, choose_share, contexts, mixture
from rnnlib.text import END, START, UNK, Vocabulary, Words, split

TEXT = "a b a b c\na b\nb a c c\n"


def lines(count: int, seed: int = 0) -> str:
    """Lines of three to seven words out of nine, each word likely after the one before it."""
    g, found = seeded(seed), []
    for _ in range(count):
        word, line = int(torch.randint(9, (), generator=g)), []
        for _ in range(int(torch.randint(3, 8, (), generator=g))):
            word = (word + int(torch.randint(1, 4, (), generator=g))) % 9
            line.append(f"w{word}")
        found.append(" ".join(line))
    return "\n".join(found) + "\n"


def test_the_formula_by_hand_on_two_lines() -> None:
    #   lines <s> a b END and <s> a END; bigrams: <s> a 2, a b 1, b END 1, a END 1
    vocabulary = Words.of("a b\na\n")  # UNK, START, END, a, b: K = 5
    model = NGram("a b\na\n", 2, vocabulary)
    #   unigrams: a 2, b 1, END 2, so n_1 = 1, n_2 = 2 and D = 1/5; bigrams: n_1 = 3, n_2 = 1, D = 3/5
    #   before a stands START, before b stands a, before END stand a and b: 1, 1, 2; D = 2/4
    assert [t.discount for t in (*model.longest, *model.shorter)] == [1 / 5, 3 / 5, 1 / 2]
    one = {"a": 1 / 2, "b": 1 / 2, END: 3 / 2, UNK: 0, START: 0}
    one = {word: (count + 1 / 2 * 3 * 1 / 5) / 4 for word, count in one.items()}
    assert sum(one.values()) == pytest.approx(1, rel=1e-14)
    for context, word, expected in [
        ("", "a", (2 - 3 / 5 + 3 / 5 * 1 * one["a"]) / 2),
        ("", "b", (3 / 5 * 1 * one["b"]) / 2),
        ("a", "b", (1 - 3 / 5 + 3 / 5 * 2 * one["b"]) / 2),
        ("b", "b", (3 / 5 * 1 * one["b"]) / 1),
        ("zzz", "b", one["b"]),  # after a word that was never seen
        ("b a\n", "a", (2 - 3 / 5 + 3 / 5 * 1 * one["a"]) / 2),  # a line begins
        ("a", "zzz", (3 / 5 * 2 * one[UNK]) / 2),
    ]:
        assert model.probabilities(context, word)[1] == pytest.approx(expected, rel=1e-14)


def test_ngrams_are_tuples_of_words_and_lines_are_read_by_themselves() -> None:
    model = NGram(TEXT, 3, Words.of(TEXT))
    assert model.longest[2].counts == {
        (START, START, "a"): 2, (START, "a", "b"): 2, ("a", "b", "a"): 1, ("b", "a", "b"): 1,
        ("a", "b", "c"): 1, ("b", "c", END): 1, ("a", "b", END): 1, (START, START, "b"): 1,
        (START, "b", "a"): 1, ("b", "a", "c"): 1, ("a", "c", "c"): 1, ("c", "c", END): 1,
    }  # fmt: skip
    assert model.longest[0].counts == {("a",): 4, ("b",): 4, ("c",): 3, (END,): 3}


def test_each_symbol_stands_behind_the_order_less_one_before_it() -> None:
    assert NGram("abcab", 3, Vocabulary("abc")).grams("abca") == ["a", "ab", "abc", "bca"]
    model = NGram(TEXT, 3, Words.of(TEXT))
    assert model.grams("a b zzz\nc") == [
        (START, START, "a"), (START, "a", "b"), ("a", "b", UNK), ("b", UNK, END),
        (START, START, "c"),
    ]  # fmt: skip


def test_a_shorter_context_counts_what_stands_before_it_but_before_start_nothing_does() -> None:
    counts = {
        ("x", "a", "b"): 5, ("y", "a", "b"): 1, (START, "a", "b"): 2, (START, START, "a"): 7,
    }  # fmt: skip
    assert contexts(counts) == {("a", "b"): 3, (START, "a"): 7}
    assert contexts({"xab": 5, "yab": 1, "aaa": 2}) == {"ab": 2, "aa": 1}
    #   a line's first word: as often as it was seen, through all orders
    model = NGram(TEXT, 3, Words.of(TEXT))
    assert model.shorter[1].counts[(START, "a")] == 2


def test_probabilities_sum_to_one_over_the_vocabulary_after_any_context() -> None:
    text = lines(60)
    vocabulary = Words((*Words.of(text, 9).symbols, "never"))  # three words are UNK
    model = NGram(text, 4, vocabulary)
    for context in (
        "",
        "w1",
        "w1 w2",
        "w1 w2 w4 w5",
        "w1\nw3",
        "never",
        "w1 never w2",
        "zzz",
        "\n",
    ):
        each = [model.probabilities(context, word) for word in vocabulary.symbols]
        assert [sum(p) for p in zip(*each, strict=True)] == pytest.approx([1] * 4, rel=1e-12)
        assert min(map(min, each)) > 0


def test_log_probabilities_are_those_of_each_target() -> None:
    text, other = lines(60), lines(5, seed=1)
    model = NGram(text, 3, Words.of(text, 9))
    found = model.log_probabilities(other)
    words = model.vocabulary.cut(other)
    assert found.shape == (3, len(words))
    for t, word in enumerate(words):
        before = model.vocabulary.join(words[:t])
        expected = [math.log(p) for p in model.probabilities(before, word)]
        assert found[:, t].tolist() == pytest.approx(expected, rel=1e-12)
    bits = [-value / math.log(2) for value in found.mean(dim=1).tolist()]
    assert model.bits_per_character(other) == pytest.approx(bits, rel=1e-12)


def test_log_probabilities_of_characters_are_those_of_each_target_too() -> None:
    model = NGram("abcabdabc", 3, Vocabulary("abcd"))
    found = model.log_probabilities("dab").exp()
    for t in range(3):
        expected = model.probabilities("dab"[:t], "dab"[t])
        assert found[:, t].tolist() == pytest.approx(expected, rel=1e-14)


def test_lines_one_by_one_equal_the_text() -> None:
    text, other = lines(60), lines(5, seed=1)
    model = NGram(text, 4, Words.of(text, 9))
    each = [model.log_probabilities(line) for line in other.splitlines(keepends=True)]
    assert torch.equal(torch.cat(each, dim=1), model.log_probabilities(other))


def test_characters_of_the_tales_have_the_bits_that_they_had_before_words() -> None:
    train, held_out = split(corpora.load("tales"))
    model = NGram(train, 4, Vocabulary.of(train + held_out))
    before = [4.4189563514706025, 3.3468142757164525, 2.583816704480664, 2.241523778847198]
    assert model.bits_per_character(held_out) == pytest.approx(before, rel=1e-12)


def test_a_mixture_is_the_weighted_mean_of_two_probabilities() -> None:
    P, Q = (torch.rand(50, generator=seeded(s), dtype=torch.float64) for s in (0, 1))
    for share in (0.25, 0.9):
        found = mixture(P.log(), Q.log(), share).exp()
        assert found.tolist() == pytest.approx((share * P + (1 - share) * Q).tolist(), rel=1e-12)


def test_a_mixture_with_all_of_one_is_that_one() -> None:
    P, Q = (torch.rand(50, generator=seeded(s), dtype=torch.float64).log() for s in (0, 1))
    assert torch.equal(mixture(P, Q, 1.0), P)
    assert torch.equal(mixture(P, Q, 0.0), Q)


def test_the_share_chosen_is_the_likeliest() -> None:
    P, Q = (torch.rand(200, generator=seeded(s), dtype=torch.float64).log() for s in (0, 1))
    share = choose_share(P, Q)

    def loss(of: float) -> float:
        return -mixture(P, Q, of).mean().item()

    assert loss(share) == pytest.approx(min(loss(k / 1000) for k in range(1, 1000)), abs=1e-7)
    assert 0.3 < share < 0.7
    worse = Q - 3  # a model that knows nothing gets nothing
    assert choose_share(worse, Q) < 1e-6


def test_wrong_mixtures_are_refused_by_name() -> None:
    P = torch.full((3,), -1.0, dtype=torch.float64)
    for call, error, says in [
        (lambda: mixture(P, P[:2], 0.5), ValueError, r"log_q must have shape \(3,\), got \(2,\)"),
        (lambda: mixture(P, P.float(), 0.5), TypeError, "log_q must have .* torch.float64"),
        (lambda: mixture(P, P, 1.5), ValueError, r"share must be .* in \[0.0, 1.0\], got 1.5"),
        (lambda: mixture(P * math.inf, P, 0.5), ValueError, "log_p must be finite"),
        (lambda: mixture(P, P * math.inf, 0.5), ValueError, "log_q must be finite"),
        (lambda: choose_share(P, P, 0), ValueError, "steps must be at least 1, got 0"),
    ]:
        with pytest.raises(error, match=says):
            call()


def test_a_vocabulary_without_start_has_no_lines_to_begin() -> None:
    with pytest.raises(ValueError, match="vocabulary must hold START"):
        NGram(TEXT, 2, Words.of(TEXT, start=False))
