"""The checks themselves: differences are accurate, and a wrong answer is named for what it is."""

import math
import re
from collections import deque
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from rnnlib import check


def test_central_difference_of_a_known_function():
    x = np.array([[0.3, -1.2], [2.0, 0.5]])
    found = check.central_difference(lambda: float((np.sin(x) * x).sum()), x)
    assert check.relative_error(found, np.cos(x) * x + np.sin(x)) < 1e-9


def test_central_difference_puts_x_back():
    x = np.array([1.0, 2.0])
    before = x.copy()
    check.central_difference(lambda: float((x**3).sum()), x)
    assert np.array_equal(x, before)


def test_central_difference_refuses_single_precision():
    with pytest.raises(TypeError, match="x must be a float64 array, got float32"):
        check.central_difference(lambda: 0.0, np.zeros(2, dtype=np.float32))


def test_central_difference_puts_x_back_when_f_fails():
    x = np.array([1.0, 2.0])
    for fail in (ArithmeticError, KeyboardInterrupt):

        def f(fail=fail):
            if x[1] > 2:
                raise fail
            return x.sum()

        with pytest.raises(fail):
            check.central_difference(f, x)
        assert x.tolist() == [1, 2]


def test_central_difference_has_the_step_it_is_given():
    x = np.array([0.3, -1.2])
    for step, error in [(1e-2, 1e-4), (0.5, 0.25)]:
        found = check.central_difference(lambda: (x**3).sum(), x, step)
        assert found - 3 * x**2 == pytest.approx(np.full(2, error))  # exactly step²


@pytest.mark.parametrize("value", [torch.tensor(1.5), np.float32(1.5), 1.5, 1, np.array(1.5)])
def test_central_difference_takes_any_number(value):
    x = np.array([2.0])
    assert check.central_difference(lambda: value * (2 if x[0] > 2 else 1), x, 0.5) == value


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"f": 1.0}, TypeError, "f must be a function, got 1.0"),
        ({"f": lambda: True}, TypeError, "what f returns must be numbers, got truth values"),
        ({"f": lambda: 1j}, TypeError, "what f returns must be real, got complex numbers"),
        ({"f": lambda: "1"}, TypeError, "what f returns must be numbers, got text"),
        ({"f": lambda: None}, TypeError, "what f returns must be numbers, got None"),
        ({"f": lambda: [1.0]}, ValueError, r"what f returns must be one number, got shape \(1,\)"),
        ({"x": [1.0]}, TypeError, "x must be a numpy.ndarray, got list"),
        ({"x": np.array([1j])}, TypeError, "x must hold floating-point numbers, got complex128"),
        ({"x": np.array([True])}, TypeError, "x must hold floating-point numbers, got bool"),
        ({"x": np.ma.array([1.0])}, TypeError, "x must be a plain numpy.ndarray, got MaskedArray"),
        ({"x": np.array([math.nan])}, ValueError, "x must be finite"),
        ({"x": np.broadcast_to(1.0, (2,))}, TypeError, "float64 array, got one that cannot be wr"),
        ({"step": 0}, ValueError, "step must be positive, got 0"),
        ({"step": -1e-5}, ValueError, "step must be positive, got -1e-05"),
        ({"step": 1j}, TypeError, "step must be a number, got 1j"),
    ],
)
def test_central_difference_wants_a_function_of_an_array(wrong, error, says):
    right = {"f": lambda: 1.0, "x": np.ones(3)}
    assert check.central_difference(**right).tolist() == [0, 0, 0]
    with pytest.raises(error, match=says):
        check.central_difference(**right | wrong)


def test_relative_error():
    assert check.relative_error([1.0, 2.0], [1.0, 2.0]) == 0
    assert check.relative_error([0.0], [0.0]) == 0
    assert check.relative_error([1.0, 4.0], [1.0, 5.0]) == pytest.approx(0.2)
    assert check.relative_error(torch.tensor([2.0]), np.array([1.0])) == pytest.approx(0.5)
    with pytest.raises(ValueError, match=r"same shape, got \(2,\) and \(3,\)"):
        check.relative_error(np.zeros(2), np.zeros(3))
    assert check.relative_error([3.0, -8.0], [3.0, 2.0]) == 1.25  # 10 / 8


@pytest.mark.filterwarnings("error")
def test_relative_error_of_nan_is_nan_wherever_it_stands():
    for a, b in [([math.nan], [1.0]), ([0.0], [math.nan]), ([1.0, 0.0], [1.0, math.nan])]:
        assert math.isnan(check.relative_error(a, b)) and math.isnan(check.relative_error(b, a))
    assert math.isnan(check.relative_error([math.inf], [math.inf]))
    assert check.relative_error([1e308], [-1e308]) == math.inf
    assert check.relative_error(np.zeros((0, 3)), np.zeros((0, 3))) == 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ([1j, 1.0], "must be real, got complex numbers"),
        (torch.tensor([1j, 1.0]), "must be real, got complex numbers"),
        ([True, False], "must be numbers, got truth values"),
        ("12", "must be numbers, got text"),
        (["1", "2"], "must be numbers, got text"),
        (np.ma.array([1.0, 2.0], mask=[False, True]), "must be numbers, got a masked array"),
        ([1.0, None], "must be numbers, got None"),
    ],
)
def test_relative_error_wants_real_numbers(wrong, says):
    with pytest.raises(TypeError, match=f"^a {says}"):
        check.relative_error(wrong, np.ones(2))
    with pytest.raises(TypeError, match=f"^b {says}"):
        check.relative_error(np.ones(2), wrong)


EXPECTED = np.array([[1.0, 2.0], [3.0, -4.0]])


@pytest.mark.parametrize(
    ("yours", "says"),
    [
        (None, "a: not answered yet"),
        (EXPECTED, "a: correct (largest relative error 0e+00)"),
        (EXPECTED + 1e-3, "a: not yet: yours differs from the expected answer by the same amount "),
        (EXPECTED[::-1], "a: not yet: the order is reversed"),
        (EXPECTED[:, ::-1], "a: not yet: the order is reversed"),
        (
            EXPECTED[::-1, ::-1],
            "a: not yet: the right numbers in another order: yours at (0, 0) belo",
        ),
        (EXPECTED * (1 + 1e-7), "a: not yet: right within 1e-07, and 1e-08 is asked for: mind t"),
        (EXPECTED * 0, "a: not yet: yours is 0 at (0, 0), too low; 4 of 4 entries differ"),
        (
            EXPECTED * [1, -1],
            "a: not yet: yours is -2 at (0, 1), of the wrong sign; 2 of 4 entries",
        ),
        (EXPECTED[0], "a: not yet: the shape is (2,), expected (2, 2)"),
        (EXPECTED.T, "a: not yet: this is the transpose"),
        (-EXPECTED, "a: not yet: yours is -1 times the expected answer everywhere"),
        (EXPECTED * 128, "a: not yet: yours is 128 times the expected answer everywhere"),
        (EXPECTED * np.nan, "a: not yet: the answer holds NaN or infinity"),
    ],
)
def test_an_answer_is_judged(yours, says, capsys):
    check.answer("a", yours, EXPECTED)
    assert capsys.readouterr().out.startswith(says)


def test_the_worst_entry_is_named(capsys):
    wrong = EXPECTED.copy()
    wrong[1, 0] = 7
    check.answer("a", wrong, EXPECTED)
    assert capsys.readouterr().out == (
        "a: not yet: yours is 7 at (1, 0), too high; 1 of 4 entries differ\n"
    )


# ---- whatever a reader hands over ---------------------------------------------------------------

PAIR = np.array([0.5, -3.0])


class Breaks:
    """An object that NumPy cannot read."""

    def __init__(self, error):
        self.error = error

    def __array__(self, *_, **__):
        raise self.error


def tangled():
    """A list that holds itself."""
    found = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    "yours",
    [
        [0.5, -3],
        (Fraction(1, 2), Decimal(-3)),
        [np.float32(0.5), torch.tensor(-3)],
        [torch.tensor(v, requires_grad=True) for v in (0.5, -3.0)],
        [torch.tensor(v, dtype=torch.bfloat16) for v in (0.5, -3.0)],
        torch.tensor(PAIR, requires_grad=True),
        torch.tensor(PAIR).bfloat16(),
        torch.tensor(PAIR).half(),
        torch.tensor(PAIR).to_sparse(),
        torch.tensor([0.5 + 1j, -3.0 + 2j], dtype=torch.complex128).conj().real,
        torch.tensor([-0.5j, 3j], dtype=torch.complex128).conj().imag,
        np.array([0.5, -3], dtype=object),
        np.array([0.5, -3], dtype=np.longdouble),
        np.array([0.5, -3], dtype=">f4"),
        deque([0.5, -3]),
        nn.Parameter(torch.tensor(PAIR)),
    ],
    ids=lambda yours: type(yours).__name__,
)
def test_numbers_in_any_wrapping_are_read(yours, capsys):
    check.answer("a", yours, PAIR)
    check.answer("a", PAIR, yours)
    assert capsys.readouterr().out == 2 * "a: correct (largest relative error 0e+00)\n"


def test_integers_of_any_length_are_numbers(capsys):
    check.answer("a", torch.tensor([2, 3], dtype=torch.uint8), [2.0, 3.0])
    check.answer("a", [10**30, 3 * 10**30], [1e30, 3e30])
    check.answer("a", range(3), np.arange(3.0))
    assert capsys.readouterr().out == 3 * "a: correct (largest relative error 0e+00)\n"


@pytest.mark.parametrize(
    ("yours", "says"),
    [
        ("1, 2", "must be numbers, got text"),
        (b"12", "must be numbers, got text"),
        (bytearray(b"12"), "must be numbers, got text"),
        (["0.5", "-3"], "must be numbers, got text"),
        (np.array(["0.5", "-3"]), "must be numbers, got numpy's <U3"),
        (np.array("0.5", dtype=object), "must be numbers, got text"),
        (..., "must be numbers, got ellipsis"),
        ([0.5, None], "must be numbers, got None"),
        (np.array([0.5, None]), "must be numbers, got None"),
        ({"a": 0.5}, "must be numbers, got dict"),
        ({0.5, -3}, "must be numbers, got set"),
        ((k for k in PAIR), "must be numbers, got generator"),
        (float, "must be numbers, got type"),
        (nn.Linear(1, 1), "must be numbers, got Linear"),
        (True, "must be numbers, got truth values"),
        ([True, 1.0], "must be numbers, got truth values"),
        (PAIR == PAIR, "must be numbers, got truth values"),
        (torch.tensor([True, False]), "must be numbers, got truth values"),
        ([[1, 2], [3]], "must be numbers, got parts of different shapes, (2,) and (1,)"),
        (np.ma.array(PAIR, mask=[False, True]), "must be numbers, got a masked array"),
        (np.array(["2026"], dtype="M8[Y]"), "must be numbers, got numpy's datetime64[Y]"),
        (torch.ones(2, device="meta"), "must be numbers, got Tensor that cannot be read"),
        ([10**400, 1], "must be numbers, got list that cannot be read"),
        (Breaks(ZeroDivisionError()), "must be numbers, got Breaks that cannot be read"),
        (Breaks(TypeError()), "must be numbers, got Breaks that cannot be read"),
        (Breaks(ValueError()), "must be numbers, got Breaks that cannot be read"),
        (tangled(), "must be numbers, got list that cannot be read"),
        ([0.5 + 0j, -3], "must be real, got complex numbers"),
        (torch.tensor([0.5 + 0j, -3]), "must be real, got complex numbers"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_number_gets_a_verdict_and_no_traceback(yours, says, capsys):
    check.answer("a", yours, PAIR)
    assert capsys.readouterr().out == f"a: not yet: the answer {says}\n"
    with pytest.raises(TypeError, match=r"^expected must be numbers, got"):
        check.answer("a", PAIR, [yours, "text"])
    with pytest.raises(KeyboardInterrupt):
        check.answer("a", Breaks(KeyboardInterrupt()), PAIR)


@pytest.mark.parametrize(
    ("yours", "says"),
    [
        ([], "the shape is (0,), expected (2,)"),
        (0.5, "the shape is (), expected (2,)"),
        ([0.5, math.inf], "the answer holds NaN or infinity"),
        ([1e308, -1e308], "yours is 1e+308 at (0,), too high; 2 of 2 entries differ"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_odd_numbers_are_wrong_like_others(yours, says, capsys):
    check.answer("a", yours, PAIR)
    assert capsys.readouterr().out == f"a: not yet: {says}\n"


def test_complex_numbers_fit_where_some_are_expected(capsys):
    expected = np.array([1 + 2j, -3])
    check.answer("a", torch.tensor([1 - 2j, -3]).conj(), expected)
    check.answer("a", [1 + 2j, torch.tensor(-3.0)], expected)
    check.answer("a", [1.0, -3.0], expected)
    check.answer("a", expected * 2j, expected)
    assert capsys.readouterr().out.splitlines() == [
        "a: correct (largest relative error 0e+00)",
        "a: correct (largest relative error 0e+00)",
        "a: not yet: yours is 1 at (0,), and that is wrong; 1 of 2 entries differ",
        "a: not yet: yours is 0+2j times the expected answer everywhere",
    ]


@pytest.mark.parametrize(
    ("expected", "tolerance", "error", "says"),
    [
        ([1.0, math.nan], 1e-8, ValueError, "expected must be finite"),
        (None, 1e-8, TypeError, "expected must be numbers, got None"),
        ([1.0, 2.0], -1e-8, ValueError, "tolerance must be finite and in"),
        ([1.0, 2.0], "small", TypeError, "tolerance must be a number"),
    ],
)
def test_the_author_s_side_is_checked_even_without_an_answer(expected, tolerance, error, says):
    with pytest.raises(error, match=says):
        check.answer("a", None, expected, tolerance)


def verdict(capsys, *args):
    check.answer("a", *args)
    return capsys.readouterr().out.removeprefix("a: ").removesuffix("\n")


def test_every_entry_counts_and_the_tolerance_holds_at_its_edge(capsys):
    """An entry's error is relative to itself, however large another one is."""
    for yours, options, right in [
        (3.5, [0.125], True), (3.5, [0.1249], False),  # 0.5 / 4
        (4 - 3.6e-8, [], True), (4 - 4.4e-8, [], False),  # the default is 1e-8
    ]:  # fmt: skip
        for other in (1.0, 1000.0, 3e5, -1e-9, 0.0):
            assert ("correct" in verdict(capsys, [other, yours], [other, 4.0], *options)) == right
            table = [[0.0, other], [4.0, 2.0]]
            mine = np.array([[0.0, other], [yours, 2.0]]).T
            assert ("transpose" in verdict(capsys, mine, table, *options)) == right


def test_rounding_of_a_sum_that_cancels_is_forgiven(capsys):
    """Below 1e-5 of the largest entry, errors are measured by that."""
    assert "correct" in verdict(capsys, [1.0, 0.9e-13], [1.0, 0.0])
    assert "correct" in verdict(capsys, [1.0, 1e-9 + 0.9e-13], [1.0, 1e-9])
    for wrong in (1.1e-13, 1e-9 + 1.1e-13):
        assert "right within" in verdict(capsys, [1.0, wrong], [1.0, wrong // 1e-9 * 1e-9])
    assert "1 of 2 entries differ" in verdict(capsys, [1.0, 0.0], [1.0, 1e-9])
    assert "correct" in verdict(capsys, [1e-14, 0.0], [0.0, 0.0])
    assert "2 of 2 entries differ" in verdict(capsys, [1e-9, 2e-9], [0.0, 0.0])


@pytest.mark.parametrize("shape", [(5,), (3, 4), (4, 4), (2, 3, 4)])
def test_what_is_said_of_all_entries_is_true_of_all(shape, capsys):
    """One entry that does not fit, even the smallest, and nothing is said of all."""
    expected = np.random.default_rng(0).normal(size=shape)
    smallest = np.unravel_index(np.abs(expected).argmin(), shape)
    expected[smallest] *= 1e-4
    for yours, says in [
        (expected * 2, "yours is 2 times the expected answer everywhere"),
        (-expected / 3, "yours is -0.333333 times the expected answer everywhere"),
        (1 / expected, "yours is one over the expected answer everywhere"),
        (expected + 0.25, "yours differs from the expected answer by the same amount everywhere"),
        (expected[::-1].copy(), "the order is reversed"),
        (expected[..., ::-1].copy(), "the order is reversed"),
        (np.roll(expected, 1), "the right numbers in another order: yours at @ belongs at @"),
        (expected.T.copy(), "this is the transpose"),
    ]:
        if expected.ndim == 1 and says == "this is the transpose":
            continue
        found = re.sub(r"\([\d, ]+\)", "@", verdict(capsys, yours, expected))
        assert found == f"not yet: {says}"
        if yours.shape != shape:
            smallest = smallest[::-1]
        for change in (0.0, 1.01 * yours[smallest]):
            spoilt = yours.copy()
            spoilt[smallest] = change
            found = verdict(capsys, spoilt, expected)
            assert "entries differ" in found or "shape" in found, (says, found)


def test_of_one_number_nothing_is_said_that_would_give_it_away(capsys):
    assert verdict(capsys, 6.0, 3.0) == "not yet: yours is 6, too high"
    assert verdict(capsys, [0.0, 6.0], [0.0, 3.0]).endswith("too high; 1 of 2 entries differ")
    assert verdict(capsys, -3.0, 3.0) == "not yet: yours is -1 times the expected answer everywhere"
    assert verdict(capsys, [[4.0]], [[3.0]]).startswith("not yet: yours is 4 at (0, 0), too high")


def test_the_expected_answer_is_never_shown(capsys):
    rng = np.random.default_rng(1)
    for shape in [(), (1,), (7,), (3, 4), (4, 4)]:
        expected = rng.uniform(1, 2, size=shape)
        for yours in (rng.normal(size=shape), expected + 1, rng.normal(size=(2, 9)), "text", None):
            found = verdict(capsys, yours, expected)
            assert not any(f"{entry:.4g}" in found for entry in expected.flat), found


def test_an_answer_of_nothing_but_none_is_no_answer_yet(capsys):
    for yours in (None, [None], (None, None)):
        assert verdict(capsys, yours, [1.0, 2.0]) == "not answered yet"
    assert verdict(capsys, [], [1.0, 2.0]) == "not yet: the shape is (0,), expected (2,)"
    assert verdict(capsys, [], []).startswith("correct")
