"""Layers as a whole: vectorised, without values, in every number format, copied, hooked."""

import copy
import io
import pickle

import pytest
import torch
from helpers import F64, largest_error, normal, same, seeded
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from whole_layers import D, H, L, N, T, each_kind, every_kind, layer, outputs, x_of

import rnnlib
from rnnlib import fused

# ---- vectorised, without values -----------------------------------------------------------------


@every_kind
def test_vmap_of_grad_gives_the_gradient_of_each_sequence(kind) -> None:
    net, x = layer(kind), x_of()
    weights, weighing = dict(net.named_parameters()), normal(1, T, H, seed=3)

    def loss(weights: dict[str, Tensor], x: Tensor) -> Tensor:
        h, _ = torch.func.functional_call(net, weights, (x[None],))
        return (weighing * h).sum()

    found = torch.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, x)
    for n in range(N):
        alone = torch.autograd.grad(loss(weights, x[n]), list(weights.values()))
        expected = dict(zip(weights, alone, strict=True))
        assert largest_error({k: v[n] for k, v in found.items()}, expected) <= 1e-12


@every_kind
def test_shapes_alone_on_meta_and_with_fake_tensors(kind) -> None:
    shapes = [v.shape for v in outputs(layer(kind)(x_of()))]
    on_meta = kind(D, H, L, device="meta")(torch.empty(N, T, D, device="meta"))
    assert [v.shape for v in outputs(on_meta)] == shapes
    assert all(v.device.type == "meta" for v in outputs(on_meta))
    with FakeTensorMode():
        fake = layer(kind)(torch.empty(N, T, D, dtype=F64))
        assert [v.shape for v in outputs(fake)] == shapes


@each_kind
def test_a_nan_goes_through_as_in_torch_and_stays_in_its_sequence(kind) -> None:
    net, x = layer(kind), x_of()
    spoiled = x.clone()
    spoiled[1, 2, 0] = float("nan")
    for module in (net, net.to_torch()):
        h, _ = module(spoiled)
        assert h[1, 2:].isnan().all()
        assert not h[1, :2].isnan().any() and not h[[0, 2]].isnan().any()


# ---- number formats -----------------------------------------------------------------------------


@every_kind
def test_autocast_behind_a_linear_is_near_float32(kind) -> None:
    before, net = nn.Linear(D, D), layer(kind, torch.float32)
    x = x_of(N, torch.float32)
    exact = net(before(x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert before(x).dtype == torch.bfloat16
        found = net(before(x))
        again = net(before(x), found[1])  # the state that it gave
    assert (
        0
        < max(
            (a - b).abs().max().item() for a, b in zip(outputs(found), outputs(exact), strict=True)
        )
        < 0.03
    )
    assert not same([again[0]], [found[0]])


@every_kind
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_every_floating_type_is_kept_and_near_float64(kind, dtype) -> None:
    net = layer(kind, dtype)
    exact = copy.deepcopy(net).double()
    x = x_of(N, dtype)
    found = outputs(net(x))
    assert all(v.dtype == dtype for v in found)
    found[0].float().sum().backward()
    assert all(w.grad is not None and w.grad.dtype == dtype for w in net.parameters())
    expected = outputs(exact(x.double()))
    tolerance = 20 * torch.finfo(dtype).eps
    assert all(
        (a.double() - b).abs().max() < tolerance for a, b in zip(found, expected, strict=True)
    )


@every_kind
def test_weights_are_made_in_the_default_type_and_on_the_default_device(kind) -> None:
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.bfloat16)
        assert all(w.dtype == torch.bfloat16 for w in kind(D, H).parameters())
    finally:
        torch.set_default_dtype(before)
    with torch.device("meta"):
        assert all(w.device.type == "meta" for w in kind(D, H).parameters())


# ---- copied, stored, parallel, hooked -----------------------------------------------------------


@every_kind
def test_copies_and_pickles_give_the_same_numbers(kind) -> None:
    net, x = layer(kind, dropout=0.5).eval(), x_of()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert same(outputs(other(x)), outputs(net(x)))
        assert not {id(w) for w in other.parameters()} & {id(w) for w in net.parameters()}
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    loaded = layer(kind)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    assert same(outputs(loaded.eval()(x)), outputs(net(x)))


@every_kind
def test_data_parallel_and_its_replicas_give_the_same_numbers(kind) -> None:
    net, x = layer(kind), x_of()
    assert same(outputs(nn.DataParallel(net)(x)), outputs(net(x)))
    replica = net._replicate_for_data_parallel()  # has no parameters, only tensors in their place
    for cell, copied in zip(
        net.cells, [c._replicate_for_data_parallel() for c in net.cells], strict=True
    ):
        copied.__dict__.update({name: w * 1 for name, w in cell.named_parameters()})
        copied._parameters = {}
    assert same(outputs(replica(x)), outputs(net(x)))


@each_kind
def test_hooks_of_a_cell_fire_at_every_step_of_a_layer(kind) -> None:
    net, x, seen = layer(kind), x_of(), []
    net.cells[1].register_forward_hook(
        lambda cell, args, state: seen.append(rnnlib.cells.hidden(state))
    )
    h, _ = net(x)
    assert same(torch.stack(seen, dim=1)[None], h[None])


def test_hooks_of_a_phased_cell_fire_too() -> None:
    net, seen = rnnlib.PhasedLSTM(D, H, generator=seeded(), dtype=F64), []
    net.cells[0].register_forward_hook(lambda cell, args, state: seen.append(state[0]))
    h, _ = net(x_of(), normal(N, T).abs().cumsum(1))
    assert same(torch.stack(seen, dim=1)[None], h[None])


@every_kind
def test_checkpointing_of_activations_gives_the_same_gradients(kind) -> None:
    net, x = layer(kind), x_of()
    grads = []
    for run in (net, lambda x: torch.utils.checkpoint.checkpoint(net, x, use_reentrant=False)):
        h, _ = run(x)
        grads.append(torch.autograd.grad(h.square().sum(), list(net.parameters())))
    assert same(*grads)


@every_kind
def test_second_derivatives_of_a_layer_are_right(kind) -> None:
    net = kind(2, 3, generator=seeded(), dtype=F64)
    x = normal(2, 3, 2).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: net(x)[0], (x,))


def test_fused_under_autocast_is_near_float32() -> None:
    shapes = [(T, N, D), (N, H), (N, H), (4 * H, D), (4 * H, H), (4 * H,)]
    leaves = [normal(*shape, seed=k).float().requires_grad_() for k, shape in enumerate(shapes)]
    grads = []
    for dtype in (torch.bfloat16, None):
        with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
            h, c = fused.lstm(*leaves)
        assert h.dtype == (dtype or torch.float32)
        grads.append(torch.autograd.grad(h.float().square().sum() + c.sum(), leaves))
    errors = [((a - b).norm() / b.norm()).item() for a, b in zip(*grads, strict=True)]
    assert 0 < max(errors) < 0.05
