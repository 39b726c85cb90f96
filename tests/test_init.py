"""Initialisations: bounds, variance, orthogonality, which gate is touched, which generator."""

import math

import pytest
import torch
from helpers import F64, seeded

from rnnlib import init
from rnnlib.cells import MinGRUCell, MinLSTMCell


def weight(rows: int, cols: int) -> torch.Tensor:
    return torch.full((rows, cols), torch.nan, dtype=F64)


def test_uniform_fills_its_range_and_no_more() -> None:
    W = init.uniform_(weight(200, 300), 0.3, seeded())
    assert 0.299 < W.max() <= 0.3
    assert -0.3 <= W.min() < -0.299
    assert W.var().item() == pytest.approx(0.3**2 / 3, rel=0.02)


@pytest.mark.parametrize("blocks", [1, 3, 4])
def test_xavier_has_its_variance_and_bound_in_every_block(blocks) -> None:
    W = init.xavier_(weight(blocks * 200, 300), seeded(), blocks=blocks)
    for block in W.chunk(blocks):
        assert block.var().item() == pytest.approx(2 / (200 + 300), rel=0.02)
        assert 0.99 < block.abs().max() / math.sqrt(6 / (200 + 300)) <= 1
        assert abs(block.mean()) < 1e-3


@pytest.mark.parametrize("blocks", [1, 3, 4])
def test_kaiming_has_its_variance_in_every_block_and_is_normal(blocks) -> None:
    W = init.kaiming_(weight(blocks * 200, 300), seeded(), blocks=blocks)
    for block in W.chunk(blocks):
        assert block.var().item() == pytest.approx(2 / 300, rel=0.02)  # by the inputs, not 200
        beyond_two = (block.abs() > 2 * math.sqrt(2 / 300)).double().mean().item()
        assert beyond_two == pytest.approx(0.0455, abs=0.003)


@pytest.mark.parametrize(("blocks", "gain"), [(1, 1.0), (4, 0.5)])
def test_identity_is_the_identity_in_every_block(blocks, gain) -> None:
    W = init.identity_(weight(blocks * 5, 5), gain, blocks=blocks)
    for block in W.chunk(blocks):
        assert torch.equal(block, gain * torch.eye(5, dtype=F64))


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (7, 7), (64, 64), (9, 4), (4, 9), (5, 1)])
@pytest.mark.parametrize(("blocks", "gain"), [(1, 1.0), (4, 1.7), (3, 0.5)])
def test_orthogonal_blocks_are_orthogonal_to_1e_12(rows, cols, blocks, gain) -> None:
    W = init.orthogonal_(weight(blocks * rows, cols), seeded(), gain=gain, blocks=blocks)
    for block in W.chunk(blocks):
        product = block.T @ block if rows >= cols else block @ block.T
        expected = gain**2 * torch.eye(min(rows, cols), dtype=F64)
        assert (product - expected).abs().max() <= 1e-12


def test_orthogonal_signs_are_not_those_of_the_factorisation() -> None:
    # A QR alone leaves the diagonal's sign fixed: uniform matrices have both, in equal parts.
    firsts = torch.stack([init.orthogonal_(weight(3, 3), seeded(s)).diagonal() for s in range(300)])
    assert ((firsts > 0).double().mean(dim=0) - 0.5).abs().max() < 0.1
    ones = {init.orthogonal_(weight(1, 1), seeded(s)).item() for s in range(20)}
    assert ones == {-1.0, 1.0}


def test_blocks_differ() -> None:
    for fill in (init.xavier_, init.orthogonal_):
        first, second = fill(weight(8, 4), seeded(), blocks=2).chunk(2)
        assert not torch.equal(first, second)


def test_forget_bias_touches_the_forget_gate_alone() -> None:
    b = torch.arange(12.0)
    assert init.forget_bias_(b, 2.5).tolist() == [0, 1, 2, 2.5, 2.5, 2.5, 6, 7, 8, 9, 10, 11]
    assert init.forget_bias_(torch.zeros(4)).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("T_max", [3, 40, 1000])
def test_chrono_draws_f_from_its_range_sets_i_to_minus_f_and_nothing_else(T_max) -> None:
    b = torch.full((4000,), 7.0, dtype=F64)
    i, f, g, o = init.chrono_(b, T_max, seeded()).chunk(4)
    assert 0 <= f.min() < math.log(1 + 0.01 * T_max)
    assert math.log(T_max - 1) - 0.1 < f.max() <= math.log(T_max - 1)
    assert f.exp().mean().item() == pytest.approx(T_max / 2, rel=0.05)  # U(1, T_max - 1)
    assert torch.equal(i, -f)
    assert (g == 7).all()
    assert (o == 7).all()


def test_chrono_for_the_gru_sets_the_gate_that_keeps_and_nothing_else() -> None:
    r, z, n = init.chrono_gru_(torch.full((3000,), 7.0, dtype=F64), 40, seeded()).chunk(3)
    assert 0 <= z.min()
    assert math.log(38) < z.max() <= math.log(39)
    assert z.exp().mean().item() == pytest.approx(20, rel=0.05)
    assert (r == 7).all()
    assert (n == 7).all()


def test_chrono_for_the_minimal_cells_gives_each_unit_its_share_to_keep() -> None:
    """Units without an input keep u / (1 + u) of their state, u from U(1, T_max - 1)."""
    for cell, chrono_ in ((MinGRUCell, init.chrono_min_gru_), (MinLSTMCell, init.chrono_min_lstm_)):
        one = cell(1, 1000, dtype=F64)
        one.b.data.fill_(7)
        chrono_(one.b.data, 40, seeded())
        assert (one.b[-1000:] == 7).all()  # the candidate's
        keeps, _ = one.coefficients(torch.zeros(1, 1, dtype=F64))
        u = (keeps / (1 - keeps))[0]
        assert 1 <= u.min() and 38 < u.max() <= 39
        assert u.mean().item() == pytest.approx(20, rel=0.05)
    i, f, _ = init.chrono_min_lstm_(torch.zeros(30), 40, seeded()).chunk(3)
    assert torch.equal(i, -f)


FILLS = {
    "uniform": lambda g: init.uniform_(weight(8, 4), 1.0, g),
    "xavier": lambda g: init.xavier_(weight(8, 4), g, blocks=2),
    "kaiming": lambda g: init.kaiming_(weight(8, 4), g, blocks=2),
    "orthogonal": lambda g: init.orthogonal_(weight(8, 4), g, blocks=2),
    "chrono": lambda g: init.chrono_(torch.zeros(8), 20, g),
    "chrono, GRU": lambda g: init.chrono_gru_(torch.zeros(6), 20, g),
    "chrono, minGRU": lambda g: init.chrono_min_gru_(torch.zeros(6), 20, g),
    "chrono, minLSTM": lambda g: init.chrono_min_lstm_(torch.zeros(6), 20, g),
}


@pytest.mark.parametrize("name", FILLS)
def test_a_generator_alone_decides_and_the_global_one_stays(name) -> None:
    before = torch.get_rng_state()
    first, again, other = (FILLS[name](seeded(s)) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_parameters_are_filled_in_place_and_keep_their_gradient() -> None:
    for fill in (init.xavier_, init.orthogonal_):
        W = torch.nn.Parameter(torch.zeros(4, 4))
        assert fill(W, seeded()) is W
        assert W.requires_grad
        assert W.is_leaf


IN_PLACE = {
    "uniform": lambda W, g: init.uniform_(W, 0.3, g),
    "xavier": lambda W, g: init.xavier_(W, g, blocks=2),
    "kaiming": lambda W, g: init.kaiming_(W, g, blocks=2),
    "identity": lambda W, g: init.identity_(W, 0.3, blocks=2),
    "orthogonal": lambda W, g: init.orthogonal_(W, g, gain=0.7, blocks=2),
    "chrono": lambda W, g: init.chrono_(W.view(-1), 200_000, g),
    "chrono gru": lambda W, g: init.chrono_gru_(W.view(-1), 200_000, g),
    "chrono minGRU": lambda W, g: init.chrono_min_gru_(W.view(-1), 200_000, g),
    "chrono minLSTM": lambda W, g: init.chrono_min_lstm_(W.view(-1), 200_000, g),
}


@pytest.mark.parametrize("fill", IN_PLACE)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("default", [torch.float32, torch.float16])
def test_halves_are_the_float32_numbers_rounded_once(fill, dtype, default) -> None:
    exact = IN_PLACE[fill](torch.zeros(24, 12), seeded())
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(default)
        half = IN_PLACE[fill](torch.zeros(24, 12, dtype=dtype), seeded())
    finally:
        torch.set_default_dtype(before)
    assert half.dtype == dtype
    assert torch.equal(half, exact.to(dtype))
    assert exact.any() and torch.isfinite(half).all()


@pytest.mark.parametrize("fill", IN_PLACE)
def test_on_meta_nothing_is_drawn(fill) -> None:
    before = torch.get_rng_state()
    assert IN_PLACE[fill](torch.empty(24, 12, device="meta"), None).is_meta
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("fill", IN_PLACE)
def test_a_weight_that_learns_is_filled_in_place(fill) -> None:
    W = torch.nn.Parameter(torch.zeros(24, 12))
    IN_PLACE[fill](W, seeded())
    assert W.is_leaf and W.grad_fn is None
    assert torch.equal(W.detach().view(-1), IN_PLACE[fill](torch.zeros(24, 12), seeded()).view(-1))


def test_what_is_left_out_is_one_block_and_a_gain_of_one() -> None:
    W = torch.empty(6, 6, dtype=F64)
    whole = [
        (init.xavier_, {}), (init.kaiming_, {}), (init.orthogonal_, {"gain": 1.0}),
    ]  # fmt: skip
    for fill, options in whole:
        short = fill(W.clone(), seeded())
        assert torch.equal(short, fill(W.clone(), seeded(), blocks=1, **options))
        assert not torch.equal(short, fill(W.clone(), seeded(), blocks=2, **options))
    assert torch.equal(init.identity_(W.clone()), torch.eye(6, dtype=F64))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: init.identity_(torch.zeros(2, 2), "1"), TypeError, "gain must be a number"),
        (lambda: init.orthogonal_(torch.zeros(2, 2), 7), TypeError, "generator must be a torch"),
        (lambda: init.chrono_gru_([0.0] * 3, 9), TypeError, "b must be a torch.Tensor"),
        (lambda: init.chrono_(torch.zeros(4).long(), 9), TypeError, "b must hold floating"),
        (lambda: init.forget_bias_([0.0] * 4), TypeError, "b must be a torch.Tensor"),
        (lambda: init.chrono_min_gru_(torch.zeros(3), 9), ValueError, r"\(2H,\), got \(3,\)"),
        (lambda: init.chrono_min_lstm_(torch.zeros(4), 9), ValueError, r"\(3H,\), got \(4,\)"),
        (lambda: init.xavier_(torch.zeros(2, 2), blocks=0), ValueError, "blocks must be at least"),
        (lambda: init.xavier_(torch.zeros(2, 2), blocks=1.0), TypeError, "blocks must be an int"),
        (lambda: init.uniform_([0.0], 1), TypeError, "W must be a torch.Tensor"),
        (lambda: init.chrono_(torch.zeros(4), 9.5), TypeError, "T_max must be an integer"),
        (lambda: init.uniform_(torch.zeros(2), math.inf), ValueError, "bound must be finite"),
    ],
)
def test_wrong_arguments_are_named(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_generator_of_another_device_is_named() -> None:
    class Elsewhere(torch.Tensor):
        """A tensor that says that it lies on a GPU."""

        device = torch.device("cuda")

    W = torch.zeros(4, 4).as_subclass(Elsewhere)
    b = torch.zeros(12).as_subclass(Elsewhere)
    for fill in (
        lambda: init.uniform_(W, 0.1, seeded()), lambda: init.xavier_(W, seeded()),
        lambda: init.kaiming_(W, seeded()), lambda: init.orthogonal_(W, seeded()),
        lambda: init.chrono_(b, 9, seeded()), lambda: init.chrono_gru_(b, 9, seeded()),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="generator must be on the device cuda of what it f"):
            fill()
