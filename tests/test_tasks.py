"""Synthetic tasks: what they are, how they are drawn, and what a guess scores."""

import itertools
import math

import pytest
import torch
from helpers import same, seeded
from torch.utils.data import DataLoader

from rnnlib.tasks import (
    Batches,
    PalindromeBatches,
    PalindromeDataset,
    Shuffled,
    adding,
    adding_baseline,
    copying,
    copying_baseline,
    palindromes,
    parity,
    permutations,
)

ALL = (adding, copying, palindromes, parity, permutations)
LENGTHS = [2, 3, 4, 5, 10, 11, 40]
each_length = pytest.mark.parametrize("T", LENGTHS)


def is_palindrome(digits: list[int]) -> bool:
    return digits == digits[::-1]


@each_length
@pytest.mark.parametrize("one_hot", [False, True])
def test_input_and_label_together_are_a_palindrome(T, one_hot) -> None:
    x, y = palindromes(T, 50, seeded(), one_hot=one_hot)
    assert x.shape == (50, T - 1, 10 if one_hot else 1)
    assert x.dtype == torch.float32
    assert y.shape == (50,)
    assert y.dtype == torch.int64
    digits = (x.argmax(dim=2) if one_hot else x[:, :, 0].long()).tolist()
    assert all(is_palindrome([*d, label]) for d, label in zip(digits, y.tolist(), strict=True))
    assert [d[0] for d in digits] == y.tolist()


@each_length
def test_one_hot_has_the_same_digits(T) -> None:
    scalar, y = palindromes(T, 20, seeded(3))
    one_hot, y_too = palindromes(T, 20, seeded(3), one_hot=True)
    assert torch.equal(y, y_too)
    assert set(one_hot.unique().tolist()) == {0, 1}
    assert (one_hot.sum(dim=2) == 1).all()
    assert torch.equal(one_hot @ torch.arange(10.0), scalar[:, :, 0])


@pytest.mark.parametrize("T", [5, 6])
def test_free_digits_are_uniform_and_independent(T) -> None:
    x, _ = palindromes(T, 20_000, seeded())
    free = x[:, : (T + 1) // 2, 0].long()
    expected = 20_000 / 10
    for column in free.T:
        chi_square = ((column.bincount(minlength=10) - expected) ** 2 / expected).sum()
        assert chi_square < 33.7  # 9 degrees of freedom: p = 1e-4
    pairs = (10 * free[:, 0] + free[:, 1]).bincount(minlength=100)
    assert ((pairs - 200.0) ** 2 / 200).sum() < 161  # 99 degrees: p = 1e-4


def test_the_seed_alone_decides_and_the_global_generator_stays() -> None:
    before = torch.get_rng_state()
    assert same(palindromes(9, 30, seeded(1)), palindromes(9, 30, seeded(1)))
    assert not same(palindromes(9, 30, seeded(1)), palindromes(9, 30, seeded(2)))
    next(PalindromeBatches(9, 30, seed=1))
    _ = PalindromeDataset(9)[0]
    assert torch.equal(torch.get_rng_state(), before)


@each_length
def test_items_are_palindromes(T) -> None:
    data = PalindromeDataset(T, seed=4)
    for k in range(20):
        x, y = data[k]
        assert x.shape == (T - 1,)
        assert x.dtype == "float32"
        assert type(y) is int
        assert is_palindrome([*x.astype(int).tolist(), y])
        assert set(x) <= set(range(10))


def test_an_item_depends_on_seed_and_index_alone() -> None:
    def item(seed: int, k: int) -> list[float]:
        x, y = PalindromeDataset(30, seed)[k]
        return [*x.tolist(), y]

    data = PalindromeDataset(30, 5)
    for k in (7, 0, 3):  # whatever was asked before
        assert [*data[k][0].tolist(), data[k][1]] == item(5, k)
    assert len({tuple(item(seed, k)) for seed in (5, 6) for k in range(50)}) == 100
    assert item(5, 6) != item(6, 5)


def test_items_are_uniform() -> None:
    data = PalindromeDataset(3)
    labels = torch.tensor([data[k][1] for k in range(5000)])
    assert ((labels.bincount(minlength=10) - 500.0) ** 2 / 500).sum() < 33.7


def test_a_data_loader_gives_the_courses_batches_with_and_without_workers() -> None:
    def first_batches(workers: int) -> list[torch.Tensor]:
        loader = iter(DataLoader(PalindromeDataset(6), batch_size=8, num_workers=workers))
        return [t for _ in range(3) for t in next(loader)]

    alone, with_worker = first_batches(0), first_batches(1)
    assert same(alone, with_worker)
    x, y = alone[:2]
    assert (x.shape, x.dtype) == ((8, 5), torch.float32)
    assert (y.shape, y.dtype) == ((8,), torch.int64)
    assert torch.equal(x[:, 0].long(), y)
    assert not same(alone[:2], alone[2:4])


def test_the_data_set_can_be_shuffled_and_outlasts_the_course() -> None:
    data = PalindromeDataset(11, seed=4)
    assert 10_000 * 128 < len(data) < 2_000_000  # a permutation of it is small
    shuffled = iter(DataLoader(data, batch_size=64, shuffle=True, generator=seeded()))
    x, y = next(shuffled)
    assert torch.equal(x[:, 0].long(), y)
    order = torch.randperm(len(data), generator=seeded())  # some order: not the first 64
    assert len(order.unique()) == len(data)
    first = next(iter(DataLoader(data, batch_size=64)))
    assert not torch.equal(first[0], x)


def test_a_data_set_of_some_length_ends_there_and_has_the_same_items() -> None:
    data, longer = PalindromeDataset(11, seed=4, length=5), PalindromeDataset(11, seed=4)
    assert len(data) == 5 == len(list(itertools.islice(data, 9)))
    assert all((data[k][0] == longer[k][0]).all() for k in range(5))
    with pytest.raises(IndexError, match="index must be below the length 5, got 5"):
        data[5]
    assert sorted(len(batch[1]) for batch in DataLoader(data, batch_size=2, shuffle=True)) == [
        1,
        2,
        2,
    ]
    for length in (0, 2.5, 2**63):
        with pytest.raises((TypeError, ValueError), match="length must be"):
            PalindromeDataset(11, length=length)


@pytest.mark.parametrize(
    "source", [lambda s: PalindromeBatches(5, 2, s), lambda s: PalindromeDataset(5, s)]
)
@pytest.mark.parametrize("seed", [-1, 2**63, 2**70, 1.0, "1", None, True])
def test_a_seed_is_an_integer_of_63_bits(source, seed) -> None:
    source(2**63 - 1)
    with pytest.raises((TypeError, ValueError), match=r"^seed must be"):
        source(seed)


@pytest.mark.parametrize("one_hot", ["no", 1, None])
def test_one_hot_is_yes_or_no(one_hot) -> None:
    for make in (palindromes, lambda T, N, **kw: PalindromeBatches(T, N, 0, **kw)):
        with pytest.raises(TypeError, match=f"one_hot must be True or False, got {one_hot!r}"):
            make(5, 2, one_hot=one_hot)


def test_tasks_are_float32_whatever_torch_s_default_is() -> None:
    before = [draw(9, 5, seeded()) for draw in ALL]
    torch.set_default_dtype(torch.float64)
    try:
        after = [draw(9, 5, seeded()) for draw in ALL]
    finally:
        torch.set_default_dtype(torch.float32)
    for a, b in zip(before, after, strict=True):
        assert same(a, b) and a[0].dtype == b[0].dtype == torch.float32


def test_batches_go_on_from_where_they_stood() -> None:
    source = PalindromeBatches(7, 4, seed=3, one_hot=True)
    first = [next(source) for _ in range(2)]
    state = source.state_dict()
    later = [next(source) for _ in range(3)]
    other = PalindromeBatches(7, 4, seed=99, one_hot=True)
    other.load_state_dict(state)
    assert all(same(a, b) for a, b in zip(later, (next(other) for _ in range(3)), strict=True))
    again = PalindromeBatches(7, 4, seed=3, one_hot=True)
    assert all(same(batch, next(again)) for batch in first)
    assert not same(*first)


@pytest.mark.parametrize("T", [2, 3, 10, 201])
def test_adding_marks_one_number_in_each_half_and_asks_for_their_sum(T) -> None:
    x, y = adding(T, 300, seeded())
    numbers, marks = x.unbind(dim=2)
    assert x.shape == (300, T, 2)
    assert ((marks == 0) | (marks == 1)).all()
    assert (marks[:, : T // 2].sum(dim=1) == 1).all()
    assert (marks[:, T // 2 :].sum(dim=1) == 1).all()
    assert torch.allclose(y, (numbers * marks).sum(dim=1))
    assert 0 <= numbers.min() < 0.05
    assert 0.95 < numbers.max() < 1


def test_adding_marks_every_place() -> None:
    x, _ = adding(7, 500, seeded())
    assert (x[:, :, 1].sum(dim=0) > 0).all()


def test_always_one_scores_the_baseline_of_adding_and_nothing_constant_scores_less() -> None:
    assert adding_baseline() == 1 / 6
    _, y = adding(10, 200_000, seeded())
    assert (y - 1).square().mean().item() == pytest.approx(1 / 6, rel=0.01)
    assert y.mean().item() == pytest.approx(1, abs=0.005)  # the best constant is the mean


@pytest.mark.parametrize("T", [1, 2, 30])
def test_copying_asks_for_the_first_ten_symbols_after_the_signal(T) -> None:
    x, y = copying(T, 200, seeded())
    symbols = x.argmax(dim=2)
    assert x.shape == (200, T + 20, 10)
    assert (x.sum(dim=2) == 1).all()
    assert (symbols[:, :10] >= 1).all() and (symbols[:, :10] <= 8).all()
    assert len(symbols[:, :10].unique()) == 8
    assert (symbols[:, 10 : T + 9] == 0).all()
    assert (symbols[:, T + 9] == 9).all()  # ten steps are left for the ten symbols
    assert (symbols[:, T + 10 :] == 0).all()
    assert (y[:, :-10] == 0).all()
    assert torch.equal(y[:, -10:], symbols[:, :10])


def test_the_baseline_of_copying_is_the_loss_of_blanks_and_a_guess() -> None:
    T = 30
    _, y = copying(T, 50, seeded())
    p = torch.full((50, T + 20, 9), -1e9)
    p[:, :-10, 0] = 0  # blanks, for certain
    p[:, -10:, 1:] = 0  # any of the eight
    loss = torch.nn.functional.cross_entropy(p.flatten(0, 1), y.flatten()).item()
    assert loss == pytest.approx(copying_baseline(T), rel=1e-6)
    assert copying_baseline(200) == pytest.approx(10 * math.log(8) / 220)


@pytest.mark.parametrize("T", [1, 2, 9])
@pytest.mark.parametrize("one_hot", [False, True])
def test_parity_asks_whether_the_ones_so_far_are_odd(T, one_hot) -> None:
    x, y = parity(T, 400, seeded(), one_hot=one_hot)
    assert x.shape == (400, T, 2 if one_hot else 1)
    assert x.dtype == torch.float32 and y.dtype == torch.int64
    bits = (x.argmax(dim=2) if one_hot else x[:, :, 0].long()).tolist()
    assert y.tolist() == [[sum(row[: t + 1]) % 2 for t in range(T)] for row in bits]
    assert torch.tensor(bits).float().mean().item() == pytest.approx(0.5, abs=0.1)
    assert same(parity(T, 400, seeded()), parity(T, 400, seeded()))
    if one_hot:
        assert (x.sum(dim=2) == 1).all()


def test_the_parity_of_the_whole_does_not_follow_from_a_part() -> None:
    x, y = parity(6, 20_000, seeded())
    for t in range(6):  # each bit alone, and with it the parity of the first five, say nothing
        agrees = (x[:, t, 0] == y[:, -1]).float().mean().item()
        assert agrees == pytest.approx(0.5, abs=0.02)
    assert (y[:, 4] == y[:, 5]).float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_parity_refuses_what_does_not_fit() -> None:
    for call, error, says in [
        (lambda: parity(0, 2), ValueError, "T must be at least 1, got 0"),
        (lambda: parity(2, 0), ValueError, "N must be at least 1, got 0"),
        (lambda: parity(2, 2, one_hot=1), TypeError, "one_hot must be True or False, got 1"),
        (lambda: parity(2, 2, 3), TypeError, "generator must be"),
    ]:
        with pytest.raises(error, match=says):
            call()


@pytest.mark.parametrize("T", [1, 2, 9])
def test_permutations_follow_every_thing_through_the_swaps(T) -> None:
    x, y = permutations(T, 300, seeded())
    assert x.shape == (300, T, 10) and x.dtype == torch.float32 and (x.sum(dim=2) == 1).all()
    assert y.shape == (300, T, 5) and y.dtype == torch.int64
    pairs = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]
    for swaps, labels in zip(x.argmax(dim=2).tolist(), y.tolist(), strict=True):
        table = list("abcde")  # the thing at each place
        for swap, places in zip(swaps, labels, strict=True):
            one, other = pairs[swap]
            table[one], table[other] = table[other], table[one]
            assert [table.index(thing) for thing in "abcde"] == places
    assert same(permutations(T, 300, seeded()), permutations(T, 300, seeded()))
    assert permutations(T, 1, seeded())[0].shape == (1, T, 10)  # not all swaps come


def test_all_swaps_come_and_all_arrangements_that_parity_allows() -> None:
    x, y = permutations(30, 4000, seeded())
    assert x.mean(dim=(0, 1)).tolist() == pytest.approx(10 * [0.1], abs=0.01)
    assert len(y[:, -1].unique(dim=0)) == 60  # after an even number of swaps
    assert len(y[:, -2:].flatten(0, 1).unique(dim=0)) == 120


def test_permutations_refuse_what_does_not_fit() -> None:
    for call, error, says in [
        (lambda: permutations(0, 2), ValueError, "T must be at least 1, got 0"),
        (lambda: permutations(2, 0), ValueError, "N must be at least 1, got 0"),
        (lambda: permutations(2, 2, 3), TypeError, "generator must be"),
    ]:
        with pytest.raises(error, match=says):
            call()


@pytest.mark.parametrize("draw", [adding, copying, parity, permutations])
def test_batches_follow_their_seed_and_go_on_from_where_they_stood(draw) -> None:
    source, same, other = (Batches(draw, seed, T=12, N=3) for seed in (5, 5, 6))
    first = next(source)
    expected = draw(T=12, N=3, generator=seeded(5))
    for a, b, c, d in zip(first, next(same), next(other), expected, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, d)  # the trial draw at the start was put back
        assert not torch.equal(a, c)
    state, later = source.state_dict(), next(source)
    other.load_state_dict(state)
    assert all(torch.equal(a, b) for a, b in zip(later, next(other), strict=True))


def test_shuffled_rows_come_once_a_round_in_a_new_order() -> None:
    rows = torch.arange(20).view(10, 2)
    source = Shuffled(rows, 5, seed=0)
    rounds = [torch.cat([next(source), next(source)]) for _ in range(3)]
    for some in rounds:
        assert torch.equal(some.sort(dim=0).values, rows)
    assert not torch.equal(rounds[0], rounds[1])
    assert not torch.equal(rounds[0], rows)
    uneven = Shuffled(rows, 4, seed=0)  # two batches a round, two rows left out
    for _ in range(20):
        batch = torch.cat([next(uneven), next(uneven)])
        assert len(batch.unique(dim=0)) == 8


def test_shuffled_rows_repeat_by_seed_and_go_on_from_where_they_were() -> None:
    first, again, other = (Shuffled(torch.arange(50), 8, seed) for seed in (1, 1, 2))
    assert torch.equal(next(first), next(again))
    state = first.state_dict()
    expected = [next(first) for _ in range(20)]
    other.load_state_dict(state)
    assert all(torch.equal(batch, next(other)) for batch in expected)
    assert torch.equal(next(iter(again)), expected[0])


def test_shuffled_rows_are_enough_for_a_batch() -> None:
    assert len(next(Shuffled(torch.arange(5), 5, seed=0))) == 5
    for call, error, says in [
        (lambda: Shuffled(torch.arange(5), 6, seed=0), ValueError, "rows must be at least N=6"),
        (lambda: Shuffled([1, 2], 1, seed=0), TypeError, "rows must be a torch.Tensor, got list"),
        (lambda: Shuffled(torch.tensor(3), 1, seed=0), ValueError, "rows must be at least N=1"),
        (lambda: Shuffled(torch.arange(5), 0, seed=0), ValueError, "N must be at least 1, got 0"),
        (lambda: Shuffled(torch.arange(5), 2, seed=-1), ValueError, "seed must be at least 0"),
    ]:
        with pytest.raises(error, match=says):
            call()
