"""The n-gram model: the formula by hand, probabilities that sum to one, the choice of the order."""

import math

import pytest
import torch
from helpers import seeded

from rnnlib.ngram import NGram, Table, choose_order
from rnnlib.text import Vocabulary


def words(count: int, seed: int = 0) -> str:
    """A text of three words in random order, so that order 1 and 2 do not say it all."""
    drawn = torch.randint(3, (count,), generator=seeded(seed)).tolist()
    return "".join(["abc ", "abd ", "cba "][k] for k in drawn)


def test_the_formula_by_hand_on_five_characters() -> None:
    model = NGram("abaab", 2, Vocabulary("ab"))
    assert [t.discount for t in (*model.longest, *model.shorter)] == [0.5, 0.5, 1 / 3]
    #   unigrams a 3, b 2; bigrams ab 2, ba 1, aa 1; before a stand two characters, before b one
    for context, character, expected in [
        ("", "a", [3 / 5, 2 / 3]),
        ("", "b", [2 / 5, 1 / 3]),
        ("a", "a", [3 / 5, 7 / 18]),
        ("a", "b", [2 / 5, 11 / 18]),
        ("b", "a", [3 / 5, 5 / 6]),
        ("ab", "b", [2 / 5, 1 / 6]),
    ]:
        assert model.probabilities(context, character) == pytest.approx(expected, rel=1e-14)


def test_a_shorter_context_counts_the_characters_that_stand_before_it() -> None:
    text = words(50)
    model = NGram(text, 4, Vocabulary.of(text))
    for n, table in enumerate(model.shorter, 1):
        before: dict[str, set[str]] = {}
        for i in range(1, len(text) - n + 1):
            before.setdefault(text[i : i + n], set()).add(text[i - 1])
        assert table.counts == {gram: len(found) for gram, found in before.items()}


def test_probabilities_sum_to_one_after_any_context() -> None:
    vocabulary = Vocabulary(" abcdxyz")  # x, y and z were never seen
    model = NGram(words(200), 5, vocabulary)
    for context in ("", "a", "ab", "abc ab", "abc abd cba ", "x", "abx", "cbcb", "zzzzzz"):
        each = [model.probabilities(context, c) for c in vocabulary.symbols]
        assert [sum(p) for p in zip(*each, strict=True)] == pytest.approx([1] * 5, rel=1e-12)
        assert min(map(min, each)) > 0


def test_unknown_characters_have_no_probability() -> None:
    model = NGram(words(200), 3, Vocabulary(" abcd"))
    for context, character, error, says in [
        ("ab", "Z", ValueError, "symbol must hold known characters only, got 'Z' at place 0"),
        ("aZb", "a", ValueError, "context must hold known characters only, got 'Z' at place 1"),
        ("ab", "", ValueError, "symbol must be one symbol, got ''"),
        ("ab", "ab", ValueError, "symbol must be one symbol, got 'ab'"),
        ("ab", 3, TypeError, "symbol must be a str, got int"),
        (["a"], "b", TypeError, "context must be a str, got list"),
    ]:
        with pytest.raises(error, match=says):
            model.probabilities(context, character)


def test_texts_are_of_the_vocabulary_and_not_empty() -> None:
    known = Vocabulary(" abcd")
    with pytest.raises(
        ValueError, match="text must hold known characters only, got 'Z' at place 4"
    ):
        NGram("abc Z", 2, known)
    model = NGram(words(200), 3, known)
    with pytest.raises(
        ValueError, match="text must hold known characters only, got 'Z' at place 2"
    ):
        model.bits_per_character("abZ")
    with pytest.raises(ValueError, match="text must have at least one symbol, got none"):
        model.bits_per_character("")


def test_counts_are_whole_numbers_of_grams_of_one_length() -> None:
    for counts, error, says in [
        ([("ab", 2)], TypeError, "counts must be a mapping of n-grams to integers, got list"),
        ({"ab": 2.0}, TypeError, "counts must be a mapping of str or of tuples to int"),
        ({"ab": True}, TypeError, "counts must be a mapping of str or of tuples to int"),
        (
            {("a", "b"): 2, "ab": 2},
            TypeError,
            "counts must be a mapping of str or of tuples to int",
        ),
        ({3: 2}, TypeError, "counts must be a mapping of str or of tuples to int"),
        ({"ab": 0, "ba": 1}, ValueError, "counts must be at least 1, of n-grams of one length"),
        ({"ab": 2, "a": 1}, ValueError, "counts must be at least 1, of n-grams of one length"),
        ({"": 2}, ValueError, "counts must be at least 1, of n-grams of one length"),
    ]:
        with pytest.raises(error, match=says):
            Table(counts)
    assert Table({}).mix("ab", 0.25) == 0.25  # nothing seen: the shorter context's


def test_the_longest_order_fits_before_the_end_of_the_text() -> None:
    text = words(10)  # 40 characters, 38 of them before the end
    assert len(choose_order(text, 38, Vocabulary(" abcd"))[1]) == 38
    with pytest.raises(ValueError, match=r"text must have at least longest=39 .*, got 38"):
        choose_order(text, 39, Vocabulary(" abcd"))
    with pytest.raises(TypeError, match=r"longest must be an integer, got 2\.0"):
        choose_order(text, 2.0, Vocabulary(" abcd"))
    assert NGram("abc", 3, Vocabulary("abc")).order == 3  # as long as the text
    with pytest.raises(ValueError, match="text must have at least order=4 symbols, got 3"):
        NGram("abc", 4, Vocabulary("abc"))


def test_a_context_longer_than_the_order_is_cut() -> None:
    model = NGram(words(200), 3, Vocabulary.of(words(200)))
    assert model.probabilities("abc ab", "d") == model.probabilities("ab", "d")


def test_bits_are_the_mean_over_the_text() -> None:
    model, text = NGram(words(200), 3, Vocabulary(" abcd")), words(20, seed=1)
    expected = [0.0] * 3
    for t, c in enumerate(text):
        for k, p in enumerate(model.probabilities(text[:t], c)):
            expected[k] -= math.log2(p) / len(text)
    assert model.bits_per_character(text) == pytest.approx(expected, rel=1e-12)


def test_the_smaller_model_is_inside_the_larger() -> None:
    text = words(200)
    small, large = (NGram(text, order, Vocabulary.of(text)) for order in (3, 5))
    assert large.probabilities("cba ab", "c")[:3] == small.probabilities("cba ab", "c")


def test_counts_reach_the_entropy_of_a_text_of_random_words() -> None:
    bits = NGram(words(5000), 4, Vocabulary(" abcd")).bits_per_character(words(1000, seed=1))
    assert bits[2] == pytest.approx(math.log2(3) / 4, rel=0.03)  # one word in three, 4 characters
    assert bits[0] > bits[1] > bits[2]


def test_a_discount_is_there_even_if_nothing_was_seen_once() -> None:
    assert Table({"a": 2, "b": 3}).discount == 0.5


def test_the_order_is_the_one_that_predicts_the_end_of_the_text_best() -> None:
    text = words(500)
    order, bits = choose_order(text, 6, Vocabulary.of(text))
    assert len(bits) == 6
    assert bits[order - 1] == min(bits)
    assert order == 3  # two characters tell where in a word we are
    model = NGram(text[:1900], 6, Vocabulary.of(text))
    assert bits == model.bits_per_character(text[1900:])
