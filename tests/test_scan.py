"""The parallel scan against the loop: states, all gradients, exact cases, and what it keeps."""

from typing import Any

import pytest
import torch
from helpers import F64, largest_error, normal, same, seeded
from torch import Tensor

from rnnlib import scan

N, H = 3, 4
each_T = pytest.mark.parametrize("T", [1, 2, 3, 4, 5, 6, 7, 8, 9, 64, 100, 1000])
NAMES = ("a", "b", "h_0")


def given(T: int) -> list[Tensor]:
    """a in (-1, 1), many of them near the ends; b and h_0 of both signs."""
    return [torch.tanh(2 * normal(N, T, H)), normal(N, T, H, seed=1), normal(N, H, seed=2)]


def given_logs(T: int, scale: float = 1.0) -> list[Tensor]:
    shapes = [(N, T, H), (N, T, H), (N, H)]
    return [scale * normal(*shape, seed=k) for k, shape in enumerate(shapes)]


def loop_of_logs(log_a: Tensor, log_b: Tensor, log_h: Tensor) -> Tensor:
    """Written down once more: no under- or overflow, and autograd's own gradient."""
    states = []
    for t in range(log_a.shape[1]):
        log_h = torch.logaddexp(log_a[:, t] + log_h, log_b[:, t])
        states.append(log_h)
    return torch.stack(states, dim=1)


def results(function: Any, values: list[Tensor]) -> dict[str, Tensor]:
    """The states and the gradients of a loss that weighs every state at random."""
    leaves = [v.clone().requires_grad_() for v in values]
    h = function(*leaves)
    grads = torch.autograd.grad((normal(*h.shape, seed=9) * h).sum(), leaves)
    return {"h": h} | dict(zip(NAMES, grads, strict=True))


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=F64)[None, :, None]  # (1, T, 1)


# ---- against numbers by hand, and against the loop ----------------------------------------------


def by_logs(a: Tensor, b: Tensor, h_0: Tensor) -> Tensor:
    return scan.parallel_log(a.log(), b.log(), h_0.log()).exp()


@pytest.mark.parametrize("function", [scan.sequential, scan.parallel, by_logs])
def test_two_steps_by_hand(function) -> None:
    leaves = [column(2, 3), column(5, 7), column(1)[0]]
    a, b, h_0 = (v.requires_grad_() for v in leaves)
    h = function(a, b, h_0)
    # h_1 = 2 * 1 + 5, h_2 = 3 * 7 + 7; the loss is h_1 + 10 h_2: delta_2 = 10, delta_1 = 1 + 3 * 10
    (column(1, 10) * h).sum().backward()
    expected = [(h, [7, 28]), (b.grad, [31, 10]), (a.grad, [31 * 1, 10 * 7]), (h_0.grad, [2 * 31])]
    for found, numbers in expected:
        assert found.flatten().tolist() == pytest.approx(numbers, rel=1e-14)


@each_T
def test_the_tree_equals_the_loop_with_all_gradients(T) -> None:
    values = given(T)
    found, expected = (results(way, values) for way in (scan.parallel, scan.sequential))
    assert largest_error(found, expected) <= 1e-12


@each_T
def test_backwards_in_time_they_are_equal_too_and_mirror_the_way_forward(T) -> None:
    values = given(T)
    ways = [lambda *v, way=way: way(*v, back=True) for way in (scan.parallel, scan.sequential)]
    found, expected = (results(way, values) for way in ways)
    assert largest_error(found, expected) <= 1e-12
    a, b, h_0 = values
    assert torch.equal(scan.sequential(a.flip(1), b.flip(1), h_0).flip(1), expected["h"])


def test_the_gradient_is_the_scan_backwards_in_time() -> None:
    """The docstring's equations, one by one."""
    a, b, h_0 = given(9)
    found = results(scan.parallel, [a, b, h_0])
    h, dh = found.pop("h"), normal(N, 9, H, seed=9)
    a_next = torch.cat([a[:, 1:], torch.zeros(N, 1, H, dtype=F64)], dim=1)
    delta = scan.sequential(a_next, dh, back=True)
    before = torch.cat([h_0[:, None], h[:, :-1]], dim=1)
    expected = {"a": delta * before, "b": delta, "h_0": a[:, 0] * delta[:, 0]}
    assert largest_error(found, expected) <= 1e-13


@each_T
@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_the_tree_of_logs_equals_a_loop_of_logs_with_all_gradients(T, scale) -> None:
    values = given_logs(T, scale)  # 40: numbers from e^-200 to e^200, and their products
    found, expected = (results(way, values) for way in (scan.parallel_log, loop_of_logs))
    assert largest_error(found, expected) <= 1e-11


@each_T
def test_logs_give_the_states_of_the_linear_scan(T) -> None:
    log_a, log_b, log_h_0 = given_logs(T)
    h = scan.parallel_log(log_a, log_b, log_h_0).exp()
    assert (
        largest_error({0: h}, {0: scan.sequential(log_a.exp(), log_b.exp(), log_h_0.exp())})
        <= 1e-12
    )


@pytest.mark.parametrize("function", [scan.sequential, scan.parallel])
def test_without_a_first_state_it_is_zero(function) -> None:
    a, b, h_0 = given(5)
    assert same([function(a, b)], [function(a, b, torch.zeros_like(h_0))])


def test_a_first_state_of_zero_has_the_logarithm_minus_infinity() -> None:
    log_a, log_b, log_h_0 = (v.requires_grad_() for v in given_logs(5))
    zero = torch.full_like(log_h_0, -torch.inf).requires_grad_()
    log_h = scan.parallel_log(log_a, log_b, zero)
    assert torch.equal(log_h[:, 0], log_b[:, 0])
    assert torch.equal(log_h, scan.parallel_log(log_a, log_b))
    grads = torch.autograd.grad(log_h.sum(), [log_a, log_b, zero])
    assert all(torch.isfinite(g).all() for g in grads)
    assert not grads[0][:, 0].any() and not grads[2].any()  # nothing came from before


def test_the_first_state_counts_in_every_step_that_it_reaches() -> None:
    """Where a public implementation of minGRU differed from its own loop."""
    a, b, h_0 = given(6)
    from_zero, change = scan.parallel(a, b), a.cumprod(1) * h_0[:, None]
    assert largest_error({0: scan.parallel(a, b, h_0)}, {0: from_zero + change}) <= 1e-12
    assert (change.abs() > 1e-9).all()


# ---- derivatives --------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [scan.parallel, scan.parallel_log])
@pytest.mark.parametrize("T", [1, 2, 5])
def test_first_and_second_derivatives_by_differences(function, T) -> None:
    leaves = [0.5 * normal(2, T, 2), normal(2, T, 2, seed=1), normal(2, 2, seed=2)]
    leaves = [v.requires_grad_() for v in leaves]
    assert torch.autograd.gradcheck(function, leaves)
    assert torch.autograd.gradgradcheck(function, leaves)


def test_derivatives_of_the_way_back_by_differences() -> None:
    leaves = [v[:2, :, :2].requires_grad_() for v in given(4)[:2]]
    leaves.append(given(4)[2][:2, :2].requires_grad_())
    assert torch.autograd.gradcheck(lambda *v: scan.parallel(*v, back=True), leaves)
    assert torch.autograd.gradgradcheck(lambda *v: scan.parallel(*v, back=True), leaves)


@pytest.mark.parametrize("function", [scan.parallel, scan.parallel_log])
@pytest.mark.parametrize("only", [0, 1, 2])
def test_one_argument_alone_may_need_a_gradient(function, only) -> None:
    values = given_logs(6)
    expected = results(function, values)[NAMES[only]]
    values[only].requires_grad_()
    h = function(*values)
    (found,) = torch.autograd.grad((normal(*h.shape, seed=9) * h).sum(), values[only])
    assert torch.equal(found, expected)


@pytest.mark.parametrize("function", [scan.parallel, scan.parallel_log])
def test_vmap_maps_over_any_of_the_arguments(function) -> None:
    a, b, h_0 = given_logs(7)
    more = torch.stack([b, b.flip(2), -b], dim=1)  # (N, 3, T, H): mapped in the middle
    found = torch.vmap(function, in_dims=(None, 1, None), out_dims=1)(a, more, h_0)
    expected = torch.stack([function(a, v, h_0) for v in more.unbind(1)], dim=1)
    assert torch.equal(found, expected)
    grad = torch.func.grad(lambda h_0: function(a, b, h_0).square().sum())
    assert torch.equal(
        torch.vmap(lambda k: grad(k * h_0))(torch.tensor([1.0, -2.0]))[1], grad(-2 * h_0)
    )


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # torch's own
@pytest.mark.parametrize("function", [scan.parallel, scan.parallel_log])
def test_a_forward_mode_derivative_raises(function) -> None:
    a, b, h_0 = given_logs(3)
    with pytest.raises(RuntimeError, match="jvp"):
        torch.func.jvp(lambda b: function(a, b, h_0), (b,), (b,))


@pytest.mark.parametrize(("function", "times"), [(scan.parallel, 2), (scan.parallel_log, 3)])
def test_what_is_kept_for_the_gradient_does_not_grow_with_the_levels_of_the_tree(
    function, times
) -> None:
    for T in (8, 1000):
        kept: list[Tensor] = []
        values = [v.requires_grad_() for v in given_logs(T)]
        with torch.autograd.graph.saved_tensors_hooks(
            lambda v, kept=kept: kept.append(v) or v, lambda v: v
        ):
            function(*values)
        assert sum(v.numel() for v in kept) == times * N * T * H + N * H


# ---- where it must be exact ---------------------------------------------------------------------


@each_T
def test_with_a_of_one_it_is_the_cumulative_sum(T) -> None:
    b = torch.randint(-100, 100, (N, T, H), generator=seeded()).to(F64)
    assert torch.equal(scan.parallel(torch.ones_like(b), b), b.cumsum(1))
    logs = scan.parallel_log(torch.zeros_like(b), b)
    assert largest_error({0: logs}, {0: b.logcumsumexp(1)}) <= 1e-13


@each_T
def test_with_a_of_zero_it_is_b(T) -> None:
    _, b, h_0 = given(T)
    assert torch.equal(scan.parallel(torch.zeros_like(b), b, h_0), b)
    assert torch.equal(scan.parallel_log(torch.full_like(b, -torch.inf), b, h_0), b)


def test_with_a_of_minus_one_it_is_the_parity_of_the_ones() -> None:
    bits = torch.randint(2, (N, 1000, H), generator=seeded()).to(F64)
    h = scan.parallel(1 - 2 * bits, torch.zeros_like(bits), torch.ones(N, H, dtype=F64))
    assert torch.equal(h, 1 - 2 * (bits.cumsum(1) % 2))


def test_a_zero_gate_forgets_to_the_last_bit() -> None:
    a, b, h_0 = given(37)
    a[:, 20] = 0
    whole = scan.parallel(a, b, h_0)
    a[:, :20], b[:, :20] = 0.5, 3.0
    assert torch.equal(scan.parallel(a, b, -h_0)[:, 20:], whole[:, 20:])


@pytest.mark.parametrize("function", [scan.sequential, scan.parallel, scan.parallel_log])
@pytest.mark.parametrize("pieces", [[1, 99], [64, 36], [33, 33, 34]])
def test_in_pieces_with_the_state_carried_it_is_the_whole(function, pieces) -> None:
    a, b, h = given_logs(100)
    whole, parts = function(a, b, h), []
    for some_a, some_b in zip(a.split(pieces, 1), b.split(pieces, 1), strict=True):
        parts.append(function(some_a, some_b, h))
        h = parts[-1][:, -1]
    assert largest_error({0: torch.cat(parts, 1)}, {0: whole}) <= 1e-13


# ---- numbers and their formats ------------------------------------------------------------------


def test_gates_near_one_and_zero_are_no_trouble_in_float32() -> None:
    """Products of gates far below the least float, and 4,096 steps of almost 1."""
    a = torch.sigmoid(80 * normal(N, 4096, H).sign() + normal(N, 4096, H, seed=3)).float()
    b = normal(N, 4096, H, seed=1).abs().float()
    assert a.cumprod(1)[:, -1].max() == 0
    found = results(scan.parallel, [a, b, torch.ones(N, H)])
    expected = results(scan.sequential, [v.double() for v in (a, b, torch.ones(N, H))])
    assert largest_error({k: v.double() for k, v in found.items()}, expected) < 3e-6


def test_the_closed_form_loses_digits_where_the_tree_of_logs_does_not() -> None:
    log_a, log_b = -normal(N, 4096, H).abs(), normal(N, 4096, H, seed=1)
    exact = loop_of_logs(log_a, log_b, torch.full((N, H), -torch.inf, dtype=F64))
    A = log_a.float().cumsum(1)
    closed = A + (log_b.float() - A).logcumsumexp(1)
    tree = scan.parallel_log(log_a.float(), log_b.float())
    error = [(v.double() - exact).abs().max().item() for v in (tree, closed)]
    assert error[0] < 3e-6 and error[1] > 30 * error[0]


def test_logs_far_beyond_every_float_give_finite_gradients() -> None:
    log_a, log_b = -5000 * normal(N, 50, H).abs(), 5000 * normal(N, 50, H, seed=1)
    found = results(scan.parallel_log, [log_a, log_b, 9000 * normal(N, H)])
    assert all(torch.isfinite(v).all() for v in found.values())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("function", [scan.sequential, scan.parallel, scan.parallel_log])
def test_the_data_type_is_kept_and_near_float64(function, dtype) -> None:
    values = [v.to(dtype) for v in given_logs(9, 0.5)]
    found, exact = results(function, values), results(function, [v.double() for v in values])
    assert all(v.dtype == dtype for v in found.values())
    error = largest_error({k: v.double() for k, v in found.items()}, exact)
    assert error < 20 * torch.finfo(dtype).eps


@pytest.mark.parametrize("wide", [0, 1, 2])
def test_under_autocast_the_widest_data_type_is_taken(wide) -> None:
    values = [v.bfloat16() for v in given(5)]
    values[wide] = given(5)[wide].float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = results(scan.parallel, values)
    expected = results(scan.parallel, [v.float() for v in values])
    assert found["h"].dtype == torch.float32 and torch.equal(found["h"], expected["h"])
    for name, v in zip(NAMES, values, strict=True):
        assert torch.equal(found[name], expected[name].to(v.dtype))


@pytest.mark.parametrize("function", [scan.sequential, scan.parallel, scan.parallel_log])
def test_the_device_is_kept(function) -> None:
    h = function(*[v.to("meta") for v in given(5)])
    assert h.device.type == "meta" and h.shape == (N, 5, H)


@pytest.mark.parametrize("function", [scan.parallel, scan.parallel_log])
def test_what_comes_in_may_be_any_view_and_is_left_as_it_was(function) -> None:
    values = given_logs(11)
    views = [v.transpose(0, -1).contiguous().transpose(0, -1) for v in values]
    views[2] = values[2][:1].expand(N, H)
    values[2] = views[2].contiguous()
    assert not any(v.is_contiguous() for v in views)
    before = [v.clone() for v in views]
    found, expected = results(function, views), results(function, values)
    assert same(found.values(), expected.values())
    function(*views)
    assert same(views, before)


@pytest.mark.parametrize("function", [scan.sequential, scan.parallel, scan.parallel_log])
def test_a_nan_goes_forward_in_its_unit_only(function) -> None:
    a, b, h_0 = given_logs(20)
    b[1, 7, 2] = float("nan")
    h = function(a, b, h_0)
    assert h[1, 7:, 2].isnan().all()
    assert h.isnan().sum() == 13


def test_an_infinite_first_state_leaves_the_gradients_of_the_rest_as_they_are() -> None:
    a, b, h_0 = given(9)
    found, finite = (results(scan.parallel, [a, b, v]) for v in (h_0 + torch.inf, h_0))
    assert same([found["b"], found["h_0"]], [finite["b"], finite["h_0"]])


@pytest.mark.parametrize("function", [scan.sequential, scan.parallel])
def test_back_is_true_or_false(function) -> None:
    with pytest.raises(TypeError, match=r"^back must be True or False, got 'yes'"):
        function(*given(2), back="yes")


@pytest.mark.parametrize("function", [scan.sequential, scan.parallel, scan.parallel_log])
@pytest.mark.parametrize(
    ("place", "wrong", "error", "says"),
    [
        (0, lambda v: v.tolist(), TypeError, "must be a torch.Tensor, got list"),
        (0, lambda v: v[0], ValueError, r"must have shape \(N, T, H\), got \(5, 4\)"),
        (0, lambda v: v[:, :0], ValueError, r"must not be empty, got shape \(3, 0, 4\)"),
        (0, lambda v: v.long(), TypeError, "floating-point numbers, got torch.int64"),
        (1, lambda v: v[:, :4], ValueError, r"must have shape \(3, 5, 4\), got \(3, 4, 4\)"),
        (1, lambda v: v.float(), TypeError, "data type torch.float64, got torch.float32"),
        (1, lambda v: v.to("meta"), ValueError, "device cpu, got meta"),
        (2, lambda v: v[:1], ValueError, r"must have shape \(3, 4\), got \(1, 4\)"),
        (2, lambda v: v.float(), TypeError, "data type torch.float64, got torch.float32"),
        (2, lambda v: 0.0, TypeError, "must be a torch.Tensor, got float"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named(function, place, wrong, error, says) -> None:
    values: list[Any] = given(5)
    values[place] = wrong(values[place])
    log = "log_" if function is scan.parallel_log else ""
    with pytest.raises(
        error, match=f"^{log}{NAMES[place]} {says}|^{log}{NAMES[place]} must.*{says}"
    ):
        function(*values)
