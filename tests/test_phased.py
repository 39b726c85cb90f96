"""The Phased LSTM: its time gate by exact values, its gradients, and what k = 0 and k = 1 mean."""

import math

import pytest
import torch
from helpers import F64, largest_error, layer, normal, same, seeded, tensors
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from rnnlib import models
from rnnlib.cells import LSTMCell
from rnnlib.check import relative_error
from rnnlib.layers import LSTM, PhasedLSTM, unroll
from rnnlib.phased import PhasedLSTMCell, time_gate

N, T, D, H = 3, 6, 4, 5


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=F64)


def cell(**options) -> PhasedLSTMCell:
    return PhasedLSTMCell(D, H, generator=seeded(), **options).double()


def set_gate(cell: PhasedLSTMCell, tau: float, s: float, r_on: float) -> PhasedLSTMCell:
    with torch.no_grad():
        for parameter, value in ((cell.tau, tau), (cell.s, s), (cell.r_on, r_on)):
            parameter.fill_(value)
    return cell


def states() -> tuple[Tensor, Tensor]:
    return normal(N, H, seed=1), normal(N, H, seed=2)


# ---- the time gate ------------------------------------------------------------------------------


def test_the_gate_has_the_papers_values_at_its_corners_and_between() -> None:
    # tau = 8, s = 3, r_on = 1/2: all phases and values are exact in binary
    phases = [0, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 7 / 8]
    expected = [0, 1 / 2, 1, 1 / 2, 1 / 32 / 2, 1 / 32 * 0.75, 1 / 32 * 7 / 8]
    for period in (-2, 0, 5):  # also for times before the shift
        t = 3 + 8 * (vector(*phases) + period)
        k = time_gate(t, vector(8), vector(3), vector(0.5), leak=1 / 32)
        assert k.shape == (7, 1)
        assert k[:, 0].tolist() == expected


def test_the_gate_of_each_unit_follows_its_own_parameters() -> None:
    tau, s, r_on = vector(2, 5, 11), vector(0, -3, 40), vector(0.05, 0.3, 1)
    t = 50 * normal(N, T)
    k = time_gate(t, tau, s, r_on, leak=0.01)
    assert k.shape == (N, T, 3)
    for unit in range(3):
        for n in range(N):
            for j in range(T):
                period, share = tau[unit].item(), r_on[unit].item()
                phi = ((t[n, j].item() - s[unit].item()) % period) / period
                value = (
                    2 * phi / share
                    if phi < share / 2
                    else 2 - 2 * phi / share
                    if phi < share
                    else 0.01 * phi
                )
                assert k[n, j, unit].item() == pytest.approx(value, abs=1e-13)


def test_on_average_the_gate_lets_half_of_its_open_share_through() -> None:
    t = torch.arange(100_000, dtype=F64) * 1e-4 * 7  # ten periods
    k = time_gate(t, vector(7), vector(2), vector(0.2), leak=0.0)
    assert k.mean().item() == pytest.approx(0.1, abs=1e-4)
    assert (k > 0).double().mean().item() == pytest.approx(0.2, abs=1e-3)


def hand_derivatives(t: float, tau: float, s: float, r: float, leak: float) -> list[float]:
    """dk/dtau, dk/ds, dk/dr_on: the page's formulas."""
    phi = (t - s) % tau / tau
    slope = 2 / r if phi < r / 2 else -2 / r if phi < r else leak
    by_r = -2 * phi / r**2 if phi < r / 2 else 2 * phi / r**2 if phi < r else 0.0
    return [-slope * (t - s) / tau**2, -slope / tau, by_r]


@pytest.mark.parametrize("phi", [0.05, 0.15, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("turns", [-3, 0, 4])
def test_hand_derivatives_of_the_gate_equal_autograd_in_every_branch(phi, turns) -> None:
    tau, s, r_on = 7.3, 2.1, 0.4
    t = s + (phi + turns) * tau
    leaves = [vector(v).requires_grad_() for v in (tau, s, r_on)]
    grads = torch.autograd.grad(time_gate(vector(t), *leaves, leak=0.02).sum(), leaves)
    for found, expected in zip(grads, hand_derivatives(t, tau, s, r_on, 0.02), strict=True):
        assert found.item() == pytest.approx(expected, rel=1e-12, abs=1e-14)


def test_gradcheck_of_the_gate_away_from_its_kinks() -> None:
    tau, s, r_on = vector(4, 9), vector(1, -2), vector(0.5, 0.3)
    phases = [0.1, 0.4, 0.7, 0.2, 0.45, 0.9]  # for unit 0; none within 0.02 of a kink in either
    t = 1 + 4 * vector(*phases)
    other = torch.remainder(t + 2, 9) / 9
    for kink in (0, 0.15, 0.3, 1):
        assert (other - kink).abs().min() > 0.02
    inputs = [v.requires_grad_() for v in (tau, s, r_on)]
    assert torch.autograd.gradcheck(lambda *g: time_gate(t, *g, leak=0.01), inputs)


# ---- the cell -----------------------------------------------------------------------------------


def test_gradcheck_of_all_weights_the_input_and_the_state() -> None:
    one = set_gate(cell(), tau=4.0, s=1.0, r_on=0.5)
    with torch.no_grad():
        one.tau += torch.arange(H) / 8  # (H,) all different
    t = vector(1.4, 2.6, 4.2)  # the three branches
    phi = torch.remainder(t[:, None] - one.s, one.tau) / one.tau
    for kink in (0, 0.25, 0.5, 1):
        assert (phi - kink).abs().min() > 0.01
    names = [name for name, _ in one.named_parameters()]
    assert names == ["W_x", "W_h", "b", "tau", "s", "r_on"]

    def step(x: Tensor, h: Tensor, c: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        with_these = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(one, with_these, (x, t, (h, c)))

    inputs = [normal(N, D), *states(), *(w.detach().clone() for w in one.parameters())]
    assert torch.autograd.gradcheck(step, [v.requires_grad_() for v in inputs])


def test_the_step_is_the_papers_equations_with_the_candidate_in_h() -> None:
    one = set_gate(cell(leak=0.1), tau=4.0, s=1.0, r_on=0.5)
    x, t, (h, c) = normal(N, D), vector(1.4, 2.6, 4.2), states()
    a = x @ one.W_x.T + h @ one.W_h.T + one.b
    i, f, g, o = a.chunk(4, dim=1)
    candidate = g.tanh() * i.sigmoid() + c * f.sigmoid()
    k = vector(0.4, 0.4, 0.08)[:, None]  # 2*0.1/0.5; 2 - 2*0.4/0.5; 0.1*0.8
    c_next = k * candidate + (1 - k) * c
    h_next = k * candidate.tanh() * o.sigmoid() + (1 - k) * h
    found = dict(enumerate(one(x, t, (h, c))))
    assert largest_error(found, {0: h_next, 1: c_next}) <= 1e-14
    gated = k * c_next.tanh() * o.sigmoid() + (1 - k) * h
    assert relative_error(gated, h_next) > 0.01  # the other variant is another network


def always_open(net: PhasedLSTM) -> Tensor:
    """Parameters and times for which k is exactly 1: phase 1/2 of a unit that opens fully."""
    for one in net.cells:
        set_gate(one, tau=2.0, s=0.0, r_on=1.0)
    return (1 + 2 * torch.arange(T, dtype=F64)).expand(N, T)


@pytest.mark.parametrize("L", [1, 2])
def test_always_open_is_the_lstm_to_the_last_digit_with_all_gradients(L) -> None:
    lstm = layer("lstm", D, H, L)
    phased = PhasedLSTM(D, H, L).double()
    missing = phased.load_state_dict(lstm.state_dict(), strict=False)
    assert not missing.unexpected_keys
    times = always_open(phased)
    assert (phased.cells[0].gate(times) == 1).all()
    x, state = normal(N, T, D), (normal(L, N, H, seed=1), normal(L, N, H, seed=2))
    found = phased(x, times, state)
    expected = lstm(x, state)
    assert same([found[0], *found[1]], [expected[0], *expected[1]])
    for outputs, _ in (found, expected):
        (normal(N, T, H, seed=3) * outputs).sum().backward()
    for ours, theirs in zip(phased.cells, lstm.cells, strict=True):
        for name, w in theirs.named_parameters():
            assert torch.equal(getattr(ours, name).grad, w.grad), name


def test_a_closed_unit_keeps_its_state_bit_by_bit_and_passes_only_the_copy() -> None:
    one = set_gate(cell(leak=0.0), tau=10.0, s=0.0, r_on=0.2)
    x = (100 * normal(N, D)).requires_grad_()
    h, c = (s.requires_grad_() for s in states())
    t = vector(3, 5, 9)  # phases 0.3, 0.5, 0.9: closed
    h_next, c_next = one(x, t, (h, c))
    assert same([h_next, c_next], [h, c])
    dh, dc = normal(N, H, seed=3), normal(N, H, seed=4)
    ((dh * h_next).sum() + (dc * c_next).sum()).backward()
    assert same([h.grad, c.grad], [dh, dc])  # the copied state: a derivative of exactly 1
    for name, zero in [("x", x), *one.named_parameters()]:
        assert zero.grad is not None and (zero.grad == 0).all(), name


def test_a_closed_unit_keeps_its_state_while_an_open_one_moves() -> None:
    one = set_gate(cell(leak=0.0), tau=10.0, s=0.0, r_on=0.2)
    with torch.no_grad():
        one.s[2:] = 4.0  # open at t = 5
    h, c = states()
    h_next, c_next = one(normal(N, D), vector(5, 5, 5), (h, c))
    for before, after in ((h, h_next), (c, c_next)):
        assert torch.equal(before[:, :2], after[:, :2])
        assert (before[:, 2:] != after[:, 2:]).all()


def test_with_a_leak_a_closed_unit_learns_a_little() -> None:
    one = set_gate(cell(leak=1e-3), tau=10.0, s=0.0, r_on=0.2)
    h_next, _ = one(normal(N, D), vector(3, 5, 9), states())
    h_next.sum().backward()
    for name, w in one.named_parameters():
        largest = w.grad.abs().max().item()
        assert (largest == 0) == (name == "r_on"), name  # a closed gate does not depend on r_on


# ---- the layer ----------------------------------------------------------------------------------


@pytest.mark.parametrize("L", [1, 3])
def test_the_layer_is_the_cell_step_by_step(L) -> None:
    net = PhasedLSTM(D, H, L, r_on=0.4, generator=seeded()).double()
    x, times = normal(N, T, D), torch.rand(N, T, generator=seeded(), dtype=F64).cumsum(1) * 9
    outputs, (h_n, c_n) = net(x, times)
    below = x
    for k, one in enumerate(net.cells):
        state, hs = one.zero_state(N), []
        for j in range(T):
            state = one(below[:, j], times[:, j], state)
            hs.append(state[0])
        below = torch.stack(hs, dim=1)
        assert same([h_n[k], c_n[k]], state)
    assert torch.equal(outputs, below)


def test_unroll_with_times_and_a_state_carried_over_a_cut() -> None:
    net = PhasedLSTM(D, H, 2, r_on=0.4, generator=seeded()).double()
    x, times = normal(N, T, D), normal(N, T).abs().cumsum(1)
    outputs, last = net(x, times)
    early, between = net(x[:, :2], times[:, :2])
    late, end = net(x[:, 2:], times[:, 2:], between)
    assert same([torch.cat([early, late], 1), *end], [outputs, *last])
    states = unroll(net.cells[0], x, times=times)
    again = unroll(net.cells[1], torch.stack([h for h, _ in states], 1), times=times)
    assert same(tensors(again[-1]), [s[1] for s in last])


def test_the_gate_starts_as_the_authors_do_and_the_weights_as_the_lstms() -> None:
    one = PhasedLSTMCell(3, 20_000 // 8, generator=seeded(5))
    assert math.e <= one.tau.min() < 2.8 and 19.5 < one.tau.max() <= math.e**3
    log_tau = one.tau.log()
    assert log_tau.mean().item() == pytest.approx(2, abs=0.04)
    assert 0 <= one.s.min() < 1 and 99 < one.s.max() <= 100
    assert one.s.mean().item() == pytest.approx(50, abs=2)
    assert (one.r_on == torch.tensor(0.05)).all()
    assert one.leak == 1e-3
    small, twin = PhasedLSTMCell(3, 4, generator=seeded(1)), LSTMCell(3, 4, generator=seeded(1))
    assert all(torch.equal(getattr(small, k), w) for k, w in twin.named_parameters())
    with torch.no_grad():
        for w in small.parameters():
            w.fill_(-1)
    small.reset_parameters(seeded(1))
    assert same([small.W_x, small.W_h, small.b], twin.parameters())
    assert 1 <= small.tau.log().min() and small.tau.log().max() <= 3
    assert 0 <= small.s.min() and (small.r_on == torch.tensor(0.05)).all()


def test_ranges_of_the_start_are_options() -> None:
    one = PhasedLSTMCell(3, 500, r_on=0.3, log_tau=(0, 0.5), shift=(-2, -1), generator=seeded())
    assert 1 <= one.tau.min() and one.tau.max() <= math.exp(0.5)
    assert -2 <= one.s.min() and one.s.max() <= -1
    assert (one.r_on == torch.tensor(0.3)).all()
    one = PhasedLSTMCell(3, 5, r_on=1, log_tau=(2, 2), shift=(-3, -3), leak=1)
    assert same([one.tau, one.s, one.r_on], [torch.full((5,), v) for v in (math.exp(2), -3.0, 1.0)])


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"leak": 1.5}, ValueError, r"leak must be finite and in \[0.0, 1.0\], got 1.5"),
        ({"r_on": 0}, ValueError, r"r_on must be in \(0, 1\], got 0"),
        ({"r_on": 1.5}, ValueError, r"r_on must be in \(0, 1\], got 1.5"),
        ({"r_on": "all"}, TypeError, "r_on must be a number, got 'all'"),
        ({"shift": (1, 0)}, ValueError, r"shift must be \(low, high\) with low <= high, got"),
        ({"shift": ("0", 1)}, TypeError, "shift must be a number, got '0'"),
        ({"log_tau": (0, "1")}, TypeError, "log_tau must be a number, got '1'"),
    ],
)
def test_what_is_no_start_is_named(wrong, error, says) -> None:
    with pytest.raises(error, match=says):
        cell(**wrong)


def test_the_start_comes_from_the_generator_alone() -> None:
    one = cell()
    torch.manual_seed(5)
    assert same(one.parameters(), cell().parameters())


def test_project_puts_period_and_open_share_into_range_after_every_step() -> None:
    net = PhasedLSTM(1, 3, generator=seeded())
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    optimizer.register_step_post_hook(lambda *_: net.project_())
    one = net.cells[0]
    one.tau.grad, one.r_on.grad = torch.tensor([99.0, 0, -1]), torch.tensor([1.0, 0, -1])
    tau = one.tau.detach().clone()
    optimizer.step()
    assert one.tau.tolist() == pytest.approx([1e-3, tau[1].item(), tau[2].item() + 1])
    assert one.r_on.tolist() == pytest.approx([1e-3, 0.05, 1.0])
    net(torch.zeros(1, 2, 1), torch.ones(1, 2))  # and the gate takes them


def test_there_is_no_torch_twin() -> None:
    for name in ("from_torch", "to_torch", "compute_with"):
        assert hasattr(LSTM, name)
        assert not hasattr(PhasedLSTM, name)


# ---- the classifier -----------------------------------------------------------------------------


def test_the_classifier_reads_each_sequence_at_its_own_end() -> None:
    model = models.Classifier(PhasedLSTM(D, H, r_on=0.4, generator=seeded()).double(), 2)
    x, times = normal(N, T, D), normal(N, T).abs().cumsum(1)
    lengths = torch.tensor([2, 6, 1])
    p = model(x, lengths, times=times)
    for n, length in enumerate(lengths.tolist()):
        alone = model(x[n : n + 1, :length], times=times[n : n + 1, :length])
        assert relative_error(p[n : n + 1], alone) <= 1e-14


@pytest.mark.parametrize("kind", ["rnn tanh", "lstm", "gru"])
def test_lengths_work_for_every_cell_and_full_lengths_change_nothing(kind) -> None:
    model = models.Classifier(layer(kind, D, H), 2)
    x = normal(N, T, D)
    assert torch.equal(model(x), model(x, lengths=torch.full((N,), T)))
    spoiled = x.clone()
    spoiled[0, 3:] = 99
    lengths = torch.tensor([3, T, T])
    assert torch.equal(model(x, lengths=lengths), model(spoiled, lengths=lengths))
    assert not torch.equal(model(x), model(spoiled))


# ---- times of any size and type -----------------------------------------------------------------


def test_seconds_since_1970_in_float64_open_the_gate_as_near_zero() -> None:
    near = torch.arange(0, 5, 0.5, dtype=F64)
    tau, s, r_on = (torch.tensor([v]) for v in (5.0, 0.0, 0.6))  # float32
    expected = time_gate(near.float(), tau, s, r_on, 0.01)
    found = time_gate(near + 1.7e9, tau, s, r_on, 0.01)  # a whole number of periods later
    assert found.dtype == torch.float32
    assert torch.allclose(found, expected, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match=r"t must be known to a quarter of .* take the first time"):
        time_gate((near + 1.7e9).float(), tau, s, r_on, 0.01)


@pytest.mark.parametrize(
    ("dtype", "last"), [(torch.float32, 1e7), (torch.bfloat16, 150.0), (torch.float16, 1200.0)]
)
def test_times_are_refused_where_their_type_cannot_tell_a_quarter_of_a_period(dtype, last) -> None:
    tau = torch.tensor([40.0, 4.0])
    gate = (tau, torch.zeros(2), torch.full((2,), 0.5), 0.0)
    limit = 1.0 / torch.finfo(dtype).eps  # steps of a quarter of the shorter period
    time_gate(torch.tensor([-limit]).to(dtype), *gate)
    assert last > limit
    for sign in (1, -1):
        with pytest.raises(ValueError, match="shortest period, 4"):
            time_gate(torch.tensor([0.0, sign * last]).to(dtype), *gate)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_layer_in_any_type_takes_times_in_any_type(dtype) -> None:
    net = PhasedLSTM(D, H, 2, r_on=0.4, generator=seeded(), dtype=dtype)
    exact = PhasedLSTM(D, H, 2, dtype=F64)
    exact.load_state_dict(net.state_dict())
    x, times = normal(N, T, D).to(dtype), normal(N, T).abs().cumsum(1)
    expected, _ = exact(x.double(), times)
    outputs, _ = net(x, times)
    assert outputs.dtype == dtype
    assert (outputs.double() - expected).abs().max() < 100 * torch.finfo(dtype).eps
    outputs.float().sum().backward()
    assert all(w.grad.dtype == dtype and w.grad.isfinite().all() for w in net.parameters())


def test_a_gate_out_of_range_says_what_puts_it_back() -> None:
    for name, value, says in [
        ("tau", -1.0, "tau must be above 0, got -1"), ("r_on", 0.0, r"r_on must be in \(0, 1\]"),
        ("r_on", 1.1, "from 0.05 to 1.1"), ("tau", math.nan, "tau must be finite"),
    ]:  # fmt: skip
        net = PhasedLSTM(D, H, generator=seeded())
        getattr(net.cells[0], name).data[2] = value
        with pytest.raises(ValueError, match=says + ".*project_"):
            net(normal(N, T, D).float(), torch.zeros(N, T))


GATE = {"tau": vector(4, 5), "s": vector(0, 1), "r_on": vector(0.3, 0.4)}


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"tau": 4.0}, TypeError, "tau must be a torch.Tensor, got float"),
        ({"s": vector(0)}, ValueError, r"s must have shape \(2,\), got \(1,\)"),
        ({"r_on": vector(0.3, 0.3, 0.3)}, ValueError, r"r_on must have shape \(2,\), got \(3,\)"),
        ({"s": torch.zeros(2)}, TypeError, "s must have the weights' data type torch.float64"),
        ({"t": vector(0, math.nan)}, ValueError, "t must be finite, got NaN or infinity$"),
        ({"tau": vector(4, math.inf)}, ValueError, "tau must be finite, .*infinity; after .*proj"),
        ({"s": vector(math.nan, 0)}, ValueError, "s must be finite, .*infinity; after .*project_"),
        ({"r_on": vector(0.3, -math.inf)}, ValueError, "r_on must be finite, .*; after .*project_"),
    ],
)
def test_what_is_no_gate_is_named(wrong, error, says) -> None:
    with pytest.raises(error, match=says):
        time_gate(**{"t": vector(1, 2, 3), **GATE, **wrong}, leak=0.1)


@pytest.mark.parametrize("look", ["compiler.is_compiling", "jit.is_tracing"])
def test_values_are_not_looked_at_while_torch_compiles_or_traces(look, monkeypatch) -> None:
    monkeypatch.setattr(f"torch.{look}", lambda: True)
    assert time_gate(vector(math.nan), **GATE, leak=0.1).isnan().all()


@pytest.mark.parametrize("name", ["t", "tau", "s", "r_on"])
def test_values_are_not_looked_at_where_torch_maps_over_one_of_them(name) -> None:
    given = {"t": vector(1, 2, 3), **GATE}
    several = given[name] * vector(1, 0.9, 0.8)[:, None]
    found = torch.vmap(lambda value: time_gate(**given | {name: value}, leak=0.1))(several)
    assert same(found, [time_gate(**given | {name: value}, leak=0.1) for value in several])


def test_values_are_not_looked_at_where_there_are_none() -> None:
    with FakeTensorMode():
        assert PhasedLSTM(D, H)(torch.ones(N, T, D), torch.ones(N, T))[0].shape == (N, T, H)
    net = PhasedLSTM(D, H, generator=seeded(), dtype=F64)
    x, times = normal(N, T, D), normal(N, T).abs().cumsum(1)
    alone = torch.vmap(lambda x, t: net(x[None], t[None])[0][0])(x, times)
    assert torch.allclose(alone, net(x, times)[0], rtol=0, atol=1e-14)
    assert net.to("meta")(x.to("meta"), times.to("meta"))[0].shape == (N, T, H)


def test_the_step_with_a_given_openness_is_the_call_at_its_time() -> None:
    one, x, t = cell(r_on=0.4), normal(N, D), vector(1.4, 2.6, 4.2)
    assert same(one.step(x, one.gate(t), states()), one(x, t, states()))
    assert same(one(x, t), one(x, t, one.zero_state(N)))
    for share in (0.0, 1.0):
        one.step(x, torch.full((N, H), share, dtype=F64), states())
    k = one.gate(t)
    with pytest.raises(ValueError, match=r"k must be in \[0, 1\], got values from .* to 1.5"):
        one.step(x, torch.where(k == k.max(), 1.5, k), states())
    for wrong in [lambda: one(x.float(), t), lambda: one.step(x.float(), k, states())]:
        with pytest.raises(TypeError, match=r"x must have the weights' data type .*64, got .*32"):
            wrong()
    with pytest.raises(TypeError, match=r"k must have the weights' data type .*64, got .*32"):
        one.step(x, k.float(), states())
    state = states()
    alone = torch.vmap(lambda k: one.step(x, k, state)[0])(torch.stack([k, 0.5 * k]))
    assert torch.allclose(alone[1], one.step(x, 0.5 * k, states())[0], rtol=0, atol=1e-15)
