"""The checks themselves: differences are accurate, and a wrong answer is named for what it is."""

import numpy as np
import pytest
import torch

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


def test_relative_error():
    assert check.relative_error([1.0, 2.0], [1.0, 2.0]) == 0
    assert check.relative_error([0.0], [0.0]) == 0
    assert check.relative_error([1.0, 4.0], [1.0, 5.0]) == pytest.approx(0.2)
    assert check.relative_error(torch.tensor([2.0]), np.array([1.0])) == pytest.approx(0.5)
    with pytest.raises(ValueError, match=r"same shape, got \(2,\) and \(3,\)"):
        check.relative_error(np.zeros(2), np.zeros(3))


EXPECTED = np.array([[1.0, 2.0], [3.0, -4.0]])


@pytest.mark.parametrize(
    ("yours", "says"),
    [
        (None, "a: not answered yet"),
        (EXPECTED, "a: correct (largest relative error 0e+00)"),
        (EXPECTED + 1e-3, "a: not yet: yours is"),
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
    assert capsys.readouterr().out == "a: not yet: yours is 7 at (1, 0), expected 3\n"
