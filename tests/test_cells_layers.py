"""Cells and layers against torch's own, with its weights, in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers import (
    F64,
    LAYERS,
    largest_error,
    layer,
    normal,
    our_gradients,
    random_state,
    results,
    same,
    seeded,
    tensors,
)
from torch import Tensor, nn

from rnnlib import cells, layers

TORCH = {"rnn tanh": nn.RNN, "rnn relu": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
each_kind = pytest.mark.parametrize("kind", LAYERS)
each_depth = pytest.mark.parametrize("L", [1, 2, 3])
N, T, D, H = 3, 6, 4, 5


def torch_layer(kind: str, L: int = 1) -> Any:
    """torch's layer with random weights, both of its biases included."""
    twin = TORCH[kind](D, H, L, batch_first=True, dtype=F64, **LAYERS[kind][1])
    for k, w in enumerate(twin.parameters()):
        w.data = 0.5 * normal(*w.shape, seed=k)
    return twin


def their_gradients(twin: Any) -> dict[str, Tensor]:
    """torch's, under our names: b from b_ih, and the GRU's b_nh from the last third of b_hh."""
    grads = {}
    for k, (W_ih, W_hh, b_ih, b_hh) in enumerate(twin.all_weights):
        named = {"W_x": W_ih.grad, "W_h": W_hh.grad, "b": b_ih.grad}
        if isinstance(twin, nn.GRU):
            named["b_nh"] = b_hh.grad[2 * twin.hidden_size :]
        grads |= {f"{name} layer {k}": g for name, g in named.items()}
    return grads


@each_kind
@each_depth
def test_from_torch_gives_torchs_numbers_and_all_gradients(kind, L) -> None:
    twin = torch_layer(kind, L)
    ours = type(layer(kind, D, H)).from_torch(twin)
    x, state = normal(N, T, D), random_state(kind, L, N, H)
    expected = results(twin, x, state, kind, L) | their_gradients(twin)
    assert largest_error(results(ours, x, state, kind, L) | our_gradients(ours), expected) <= 1e-12


@each_kind
@each_depth
def test_to_torch_gives_our_numbers_and_all_gradients(kind, L) -> None:
    ours = layer(kind, D, H, L)
    twin = ours.to_torch()
    assert twin.batch_first
    x, state = normal(N, T, D), random_state(kind, L, N, H)
    expected = results(twin, x, state, kind, L) | their_gradients(twin)
    assert largest_error(results(ours, x, state, kind, L) | our_gradients(ours), expected) <= 1e-12


@each_kind
@each_depth
def test_there_and_back_is_exact(kind, L) -> None:
    ours = layer(kind, D, H, L)
    back = type(ours).from_torch(ours.to_torch())
    assert ours.state_dict().keys() == back.state_dict().keys()
    assert same(ours.state_dict().values(), back.state_dict().values())
    assert getattr(back.cells[0], "nonlinearity", "tanh") == LAYERS[kind][1].get(
        "nonlinearity", "tanh"
    )


@each_kind
@each_depth
def test_every_gate_of_every_parameter_gets_a_gradient(kind, L) -> None:
    net = layer(kind, D, H, L)
    net(normal(N, T, D))[0][:, -1].sum().backward()  # a loss at the last step only
    for cell in net.cells:
        for name, w in cell.named_parameters():
            gates = 1 if name == "b_nh" else cell.gates
            for gate, block in enumerate(w.grad.chunk(gates)):
                assert block.abs().max() > 0, (name, gate)


@each_kind
def test_one_step_equals_torchs_cell(kind) -> None:
    one = layer(kind, D, H).cells[0]
    theirs: Any = {"lstm": nn.LSTMCell, "gru": nn.GRUCell}.get(kind, nn.RNNCell)(
        D, H, dtype=F64, **LAYERS[kind][1]
    )
    theirs.load_state_dict(
        {k.removesuffix("_l0"): v for k, v in layer(kind, D, H).to_torch().state_dict().items()}
    )
    x, state = normal(N, D), random_state(kind, 1, N, H)
    h = tuple(s[0] for s in tensors(state))
    h = h if kind == "lstm" else h[0]
    found, expected = tensors(one(x, h)), tensors(theirs(x, h))
    assert largest_error(dict(enumerate(found)), dict(enumerate(expected))) <= 1e-12


@each_kind
@each_depth
def test_no_state_is_the_zero_state(kind, L) -> None:
    net, x = layer(kind, D, H, L), normal(N, T, D)
    zeros = tuple(torch.zeros_like(s) for s in tensors(random_state(kind, L, N, H)))
    outputs, last = net(x)
    expected, expected_last = net(x, zeros if kind == "lstm" else zeros[0])
    assert same([outputs, *tensors(last)], [expected, *tensors(expected_last)])


@each_kind
@each_depth
def test_the_state_carried_over_a_cut_changes_nothing(kind, L) -> None:
    net, x, state = layer(kind, D, H, L), normal(N, T, D), random_state(kind, L, N, H)
    outputs, last = net(x, state)
    for cut in (1, T - 1):
        early, between = net(x[:, :cut], state)
        late, end = net(x[:, cut:], between)
        joined = [torch.cat([early, late], dim=1), *tensors(end)]
        whole = [outputs, *tensors(last)]
        assert largest_error(dict(enumerate(joined)), dict(enumerate(whole))) <= 1e-12


@each_kind
def test_a_batch_equals_its_sequences_one_by_one(kind) -> None:
    net, x, state = layer(kind, D, H, 2), normal(N, T, D), random_state(kind, 2, N, H)
    whole, _ = net(x, state)
    for n in range(N):
        one = tuple(s[:, n : n + 1] for s in tensors(state))
        outputs, _ = net(x[n : n + 1], one if kind == "lstm" else one[0])
        assert largest_error({"h": outputs}, {"h": whole[n : n + 1]}) <= 1e-12


@each_kind
@each_depth
def test_shapes_are_batch_first(kind, L) -> None:
    of_kind, options = LAYERS[kind]
    outputs, state = of_kind(D, H, L, **options)(torch.zeros(N, T, D))
    assert outputs.shape == (N, T, H)
    assert outputs.dtype == torch.float32
    assert [s.shape for s in tensors(state)] == [(L, N, H)] * (2 if kind == "lstm" else 1)
    assert isinstance(state, tuple) == (kind == "lstm")
    assert same([outputs[:, -1]], [tensors(state)[0][-1]])


@each_kind
def test_unroll_gives_every_state(kind) -> None:
    net, x, state = layer(kind, D, H), normal(N, T, D), random_state(kind, 1, N, H)
    net.compute_with("cells")
    outputs, last = net(x, state)
    first = tuple(s[0] for s in tensors(state))
    states = layers.unroll(net.cells[0], x, first if kind == "lstm" else first[0])
    assert same([torch.stack([layers.hidden(s) for s in states], dim=1)], [outputs])
    assert same(tensors(states[-1]), [s[0] for s in tensors(last)])
    assert same([layers.hidden(layers.unroll(net.cells[0], x)[-1])], [net(x)[0][:, -1]])
    with pytest.raises(TypeError, match=r"cell must be an rnnlib cell, got (RNN|LSTM|GRU)"):
        layers.unroll(net, x)


@pytest.mark.parametrize(("D", "H"), [(1, 1), (4, 5), (10, 128)])
def test_parameter_counts(D, H) -> None:
    def count(kind: str) -> int:
        return sum(w.numel() for w in layer(kind, D, H).parameters())

    per_gate = D * H + H * H + H
    assert count("rnn tanh") == count("rnn relu") == per_gate
    assert count("lstm") == 4 * per_gate
    assert count("gru") == 3 * per_gate + H


def clear_of_kinks(cell: Any, x: Tensor, h: Tensor) -> bool:
    """No sum of a ReLU within 1e-3 of 0, where a difference of 1e-6 would cross the kink."""
    return bool(((x @ cell.W_x.T + h @ cell.W_h.T + cell.b).abs() > 1e-3).all())


def with_weights(module: nn.Module) -> Any:
    """The module as a function of its weights too, for gradcheck."""
    names = [name for name, _ in module.named_parameters()]

    def f(x: Tensor, *rest: Tensor) -> Any:
        states, weights = rest[: len(rest) - len(names)], rest[len(rest) - len(names) :]
        state = states if len(states) == 2 else states[0]
        out = torch.func.functional_call(module, dict(zip(names, weights, strict=True)), (x, state))
        return tuple(t for part in tensors(out) for t in tensors(part))

    return f


@each_kind
def test_gradcheck_of_the_cell(kind) -> None:
    one = layer(kind, 2, 3).cells[0]
    x = normal(2, 2).requires_grad_()
    state = [s[0].requires_grad_() for s in tensors(random_state(kind, 1, 2, 3))]
    assert kind != "rnn relu" or clear_of_kinks(one, x, state[0])
    assert torch.autograd.gradcheck(with_weights(one), (x, *state, *one.parameters()))


@each_kind
def test_gradcheck_of_two_layers(kind) -> None:
    net = layer(kind, 2, 3, 2)
    x = normal(2, 3, 2).requires_grad_()
    state = [s.requires_grad_() for s in tensors(random_state(kind, 2, 2, 3))]
    if kind == "rnn relu":
        x_of = x
        for cell, h in zip(net.cells, state[0], strict=True):
            hs = [h, *layers.unroll(cell, x_of, h)]
            assert all(clear_of_kinks(cell, x_of[:, t], hs[t]) for t in range(3))
            x_of = torch.stack(hs[1:], dim=1)
    assert torch.autograd.gradcheck(with_weights(net), (x, *state, *net.parameters()))


@each_kind
def test_the_generator_alone_decides_the_weights(kind) -> None:
    before = torch.get_rng_state()
    first, again, other = (layer(kind, D, H, 2, seed=s) for s in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert same(first.parameters(), again.parameters())
    assert not any(
        torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True)
    )


@each_kind
def test_weights_start_within_one_over_root_h(kind) -> None:
    for w in layer(kind, 50, 100, 2).parameters():
        assert 0.09 < w.abs().max() <= 0.1
        assert abs(w.mean()) < 0.02


def test_cells_say_their_sizes() -> None:
    assert repr(cells.GRUCell(3, 5)) == "GRUCell(input_size=3, hidden_size=5)"


def test_zero_state_is_zero_and_like_the_weights() -> None:
    for kind in LAYERS:
        for s in tensors(layer(kind, D, H).cells[0].zero_state(7)):
            assert s.shape == (7, H)
            assert s.dtype == F64
            assert not s.any()


def test_a_fresh_default_layer_uses_the_global_generator() -> None:
    torch.manual_seed(5)
    a = layers.GRU(2, 3)
    torch.manual_seed(5)
    assert same(a.parameters(), layers.GRU(2, 3).parameters())
    assert not same(a.parameters(), layers.GRU(2, 3, generator=seeded(1)).parameters())


# ---- torch's names, torch's weights, torch's kernel ----------------------------------------------


@each_kind
def test_torchs_names_are_taken_at_the_values_that_mean_the_same(kind) -> None:
    of_kind, options = LAYERS[kind]
    same_in_torch = {"bias": True, "batch_first": True, "dropout": 0.0, "device": "cpu"}
    same_in_torch |= {"bidirectional": False, "dtype": F64} | options
    ours = of_kind(input_size=D, hidden_size=H, num_layers=2, generator=seeded(), **same_in_torch)
    twin = TORCH[kind](input_size=D, hidden_size=H, num_layers=2, **same_in_torch)
    ours.load_state_dict(twin.state_dict())
    x = normal(N, T, D)
    assert largest_error({"h": ours(x)[0]}, {"h": twin(x)[0]}) <= 1e-12
    cell = of_kind.cell_class(D, H, bias=True, device="cpu", dtype=F64, **options)
    assert all(w.dtype == F64 for w in cell.parameters())


@each_kind
def test_a_frozen_weight_stays_frozen_on_the_way_and_nothing_is_drawn(kind) -> None:
    ours = layer(kind, D, H, 2)
    for name in ("W_x", "b"):
        getattr(ours.cells[0], name).requires_grad_(False)
    ours.cells[1].W_h.requires_grad_(False)
    before = torch.get_rng_state()
    twin = ours.to_torch()
    frozen = {name for name, w in twin.named_parameters() if not w.requires_grad}
    assert frozen == {"weight_ih_l0", "bias_ih_l0", "bias_hh_l0", "weight_hh_l1"}
    back = type(ours).from_torch(twin)
    assert torch.equal(torch.get_rng_state(), before)
    frozen = {name for name, w in back.named_parameters() if not w.requires_grad}
    assert frozen - {"cells.0.b_nh"} == {"cells.0.W_x", "cells.0.b", "cells.1.W_h"}
    for name in ("bias_hh_l0", "bias_ih_l0"):  # the sum of both still learns
        one_bias = layer(kind, D, H).to_torch()
        getattr(one_bias, name).requires_grad_(False)
        assert type(ours).from_torch(one_bias).cells[0].b.requires_grad


@each_kind
def test_training_mode_dropout_and_data_type_go_over(kind) -> None:
    of_kind, options = LAYERS[kind]
    ours = of_kind(D, H, 2, dropout=0.25, dtype=torch.bfloat16, **options).eval()
    twin = ours.to_torch()
    back = of_kind.from_torch(twin)
    for module in (twin, back):
        assert module.dropout == 0.25
        assert not module.training
        assert {w.dtype for w in module.parameters()} == {torch.bfloat16}


@each_kind
@each_depth
def test_a_layer_loads_the_state_of_torchs_twin(kind, L) -> None:
    twin = torch_layer(kind, L)
    ours = layer(kind, D, H, L, seed=4)
    weights = list(ours.parameters())
    ours.load_state_dict(twin.state_dict())
    assert all(w is v for w, v in zip(weights, ours.parameters(), strict=True))
    x = normal(N, T, D)
    assert largest_error({"h": ours(x)[0]}, {"h": twin(x)[0]}) <= 1e-12
    inside, theirs = nn.ModuleDict({"rnn": ours}), nn.ModuleDict({"rnn": torch_layer(kind, L)})
    theirs["rnn"].weight_hh_l0.data.mul_(0.5)
    inside.load_state_dict(theirs.state_dict())  # as a part of a model
    assert largest_error({"h": ours(x)[0]}, {"h": theirs["rnn"](x)[0]}) <= 1e-12
    part = {k: v for k, v in twin.state_dict().items() if k != "bias_hh_l0"}
    with pytest.raises(RuntimeError, match="weight_ih_l0"):
        ours.load_state_dict(part)


@each_kind
@each_depth
def test_torchs_kernel_computes_on_the_same_weights(kind, L) -> None:
    ours, x, state = layer(kind, D, H, L), normal(N, T, D), random_state(kind, L, N, H)
    weights = list(ours.parameters())
    expected = results(ours, x, state, kind, L) | our_gradients(ours)
    ours.compute_with("torch")
    assert all(w is v for w, v in zip(weights, ours.parameters(), strict=True))
    assert largest_error(results(ours, x, state, kind, L) | our_gradients(ours), expected) <= 1e-12
    twin = ours.to_torch()
    assert same([ours(x)[0], *tensors(ours(x)[1])], [twin(x)[0], *tensors(twin(x)[1])])
    assert type(ours(x)[1]) is type(twin(x)[1])
    with pytest.raises(TypeError, match=r"x must have the weights' data type .*64, got .*32"):
        ours(x.float())
    back = results(ours.compute_with("fused"), x, state, kind, L)
    assert largest_error(back, {name: expected[name] for name in back}) == 0


@each_kind
@pytest.mark.parametrize("kernel", ["fused", "cells", "torch"])
def test_dropout_acts_between_layers_in_training_only(kind, kernel) -> None:
    of_kind, options = LAYERS[kind]
    net = of_kind(D, 200, 2, dropout=0.4, generator=seeded(), dtype=F64, **options)
    net.compute_with(kernel)
    x, dropped = normal(N, T, D), []
    if kernel == "cells":
        net.cells[1].register_forward_pre_hook(lambda cell, args: dropped.append(args[0]))
    torch.manual_seed(0)
    outputs, _ = net(x)
    again, _ = net(x)
    assert not torch.equal(outputs, again)
    below = of_kind(D, 200, 1, dtype=F64, **options)
    below.cells[0].load_state_dict(net.cells[0].state_dict())
    for x_t, h_t in zip(dropped[:T], below(x)[0].unbind(1), strict=bool(dropped)):  # (N, 200)
        kept = x_t != 0
        assert 0.5 < kept[h_t != 0].double().mean() < 0.7
        assert torch.allclose(x_t[kept], h_t[kept] / 0.6)
    net.eval()
    assert same([net(x)[0]], [net(x)[0]])
    plain = of_kind(D, 200, 2, dtype=F64, **options)
    plain.load_state_dict(net.state_dict())
    assert torch.allclose(net(x)[0], plain(x)[0], rtol=0, atol=1e-12)


def test_dropout_of_a_single_layer_is_said_to_do_nothing() -> None:
    with pytest.warns(
        UserWarning, match="dropout acts between layers, and num_layers is 1"
    ) as said:
        layers.LSTM(D, H, dropout=0.5)
    assert said[0].filename == __file__  # the line to change


def test_sizes_are_kept_as_pythons_integers() -> None:
    net = layers.LSTM(np.int64(D), np.int32(H), np.uint8(2))
    sizes = [net.input_size, net.hidden_size, net.num_layers]
    assert sizes == [D, H, 2] and {type(size) for size in sizes} == {int}


def test_a_layer_of_a_new_cell_needs_the_cell_alone() -> None:
    class New(layers.Recurrent):
        cell_class = cells.RNNCell

    new, known = New(D, H, 2, generator=seeded()), layers.RNN(D, H, 2, generator=seeded())
    known.compute_with("cells")
    x, state = normal(N, T, D).float(), normal(2, N, H).float()
    assert same(new(x, state), known(x, state))


# ---- states -------------------------------------------------------------------------------------


@each_kind
def test_a_cell_without_a_state_begins_with_zeros_as_torchs_does(kind) -> None:
    one, x = layer(kind, D, H).cells[0], normal(N, D)
    assert same(tensors(one(x)), tensors(one(x, one.zero_state(N))))


def test_the_two_zeros_of_an_lstm_are_two_tensors() -> None:
    h, c = layer("lstm", D, H).cells[0].zero_state(N)
    h += 1
    assert not c.any()


def test_an_lstms_state_may_be_a_list() -> None:
    net, x, (h, c) = layer("lstm", D, H, 2), normal(N, T, D), random_state("lstm", 2, N, H)
    assert same([net(x, [h, c])[0]], [net(x, (h, c))[0]])
    assert same(net.cells[0](x[:, 0], [h[0], c[0]]), net.cells[0](x[:, 0], (h[0], c[0])))


@each_kind
@pytest.mark.parametrize("spoil", ["rows", "columns", "type", "device"])
def test_a_cell_checks_every_tensor_of_its_state(kind, spoil) -> None:
    one, x = layer(kind, D, H).cells[0], normal(N, D)
    wrong = {
        "rows": normal(N + 1, H), "columns": normal(N, H + 1), "type": normal(N, H).float(),
        "device": normal(N, H).to("meta"),
    }[spoil]  # fmt: skip
    parts = ["h", "c"] if kind == "lstm" else [""]
    for k, part in enumerate(parts):
        state = [normal(N, H), normal(N, H)][: len(parts)]
        state[k] = wrong
        with pytest.raises((TypeError, ValueError), match=f"state {part} ?must".replace("  ", " ")):
            one(x, tuple(state) if len(parts) == 2 else state[0])


@each_kind
def test_a_nan_goes_through_a_cell_and_stays_in_its_row(kind) -> None:
    one, x = layer(kind, D, H).cells[0], normal(N, D)
    x[1, 0] = float("nan")
    for s in tensors(one(x)):
        assert s[1].isnan().all()
        assert not s[[0, 2]].isnan().any()
