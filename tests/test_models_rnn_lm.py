"""The recurrent language model: torch's numbers, tied weights, where dropout is, exact resume."""

from typing import Any

import pytest
import torch
from helpers import F64, normal, same, seeded, tensors
from torch import nn
from torch.nn.functional import cross_entropy

import rnnlib
from rnnlib import metrics, optim, training
from rnnlib.models import RNNLM
from rnnlib.models.dropout import Dropout, WordDropout
from rnnlib.text import Contiguous, Windows

K, E, H = 9, 4, 6
KINDS = {"rnn": rnnlib.RNN, "lstm": rnnlib.LSTM, "gru": rnnlib.GRU}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
NUMBERS = torch.randint(K, (3, 12), generator=seeded(5))


def model(kind: Any = rnnlib.LSTM, embedding: int = E, L: int = 2, **options: Any) -> RNNLM:
    return RNNLM(K, kind, embedding, H, L, generator=seeded(1), **options).double()


def by_torch(made: RNNLM, numbers: torch.Tensor) -> tuple[torch.Tensor, Any]:
    """The same from torch's own layers, two on top of each other in one module."""
    twins = [layer.to_torch() for layer in made.layers]
    whole = type(twins[0])(E, H, 2, batch_first=True).double()
    for k, twin in enumerate(twins):
        weights = {name.replace("_l0", f"_l{k}"): w for name, w in twin.state_dict().items()}
        whole.load_state_dict(weights, strict=False)
    outputs, state = whole(made.embedding.weight[numbers])
    return outputs @ made.readout.weight.T + made.readout.bias, state


@each_kind
def test_logits_and_state_are_those_of_torchs_layers(kind) -> None:
    made = model(kind)
    made.readout.bias.data.normal_(generator=seeded(2))
    for computed in (made, made.fast(), made.plain()):
        logits, state = computed(NUMBERS)
        expected, last = by_torch(made, NUMBERS)
        assert torch.allclose(logits, expected, rtol=1e-12, atol=1e-13)
        for a, b in zip(tensors(state), tensors(last), strict=True):
            assert torch.allclose(a, b, rtol=1e-12, atol=1e-13)
    assert {layer.kernel for layer in made.layers} == {"fused"}
    assert {layer.kernel for layer in made.fast().layers} == {"torch"}


@each_kind
@pytest.mark.parametrize("cut", [1, 5, 11])
def test_a_text_in_two_pieces_is_the_text_in_one(kind, cut) -> None:
    made = model(kind)
    whole, last = made(NUMBERS)
    first, state = made(NUMBERS[:, :cut])
    second, after = made(NUMBERS[:, cut:], state)
    assert torch.allclose(torch.cat([first, second], dim=1), whole, rtol=1e-12)
    assert all(a.shape == (2, 3, H) for a in tensors(after))
    for a, b in zip(tensors(after), tensors(last), strict=True):
        assert torch.allclose(a, b, rtol=1e-12)


def test_the_first_weights_are_as_said() -> None:
    made = RNNLM(500, rnnlib.GRU, 40, 30, generator=seeded(1))
    for W in (made.embedding.weight, made.readout.weight):
        assert 0.099 < W.max() < 0.1 and -0.1 < W.min() < -0.099
        assert W.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.02)
    assert not made.readout.bias.any()
    again = RNNLM(500, rnnlib.GRU, 40, 30, generator=seeded(1))
    assert same(made.state_dict().values(), again.state_dict().values())


def test_tied_weights_are_one_parameter_whose_gradient_is_the_sum_of_two() -> None:
    tied, free = model(embedding=H, tied=True), model(embedding=H)
    assert tied.readout.weight is tied.embedding.weight
    names = {name for name, _ in tied.named_parameters()}
    assert {name for name, _ in free.named_parameters()} - names == {"readout.weight"}
    free.load_state_dict(tied.state_dict())
    for made in (tied, free):
        made.loss(NUMBERS[:, :-1], NUMBERS[:, 1:])[0].backward()
    C, W_ph = free.embedding.weight.grad, free.readout.weight.grad
    assert torch.allclose(tied.embedding.weight.grad, C + W_ph, rtol=1e-12)
    with pytest.raises(
        ValueError, match=r"embedding must be as large as hidden .*embedding=4, hidden=6"
    ):
        model(tied=True)


@each_kind
def test_the_loss_is_the_cross_entropy_of_the_logits(kind) -> None:
    made = model(kind)
    x, y = NUMBERS[:, :-1], NUMBERS[:, 1:]
    _, state = made(x)
    state = tuple(part.detach() for part in state) if kind is rnnlib.LSTM else state.detach()
    loss, after = made.loss(x, y, state)
    logits, expected = made(x, state)
    reference = cross_entropy(logits.flatten(0, 1), y.flatten())
    assert loss.item() == pytest.approx(reference.item(), rel=1e-13)
    assert same(tensors(after), tensors(expected))
    weights = list(made.parameters())
    ours, theirs = torch.autograd.grad(loss, weights), torch.autograd.grad(reference, weights)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-15)


@each_kind
def test_padding_is_excluded_from_the_loss_and_changes_nothing(kind) -> None:
    made = model(kind)
    made.readout.bias.data.normal_(generator=seeded(2))
    x, y, lengths = NUMBERS[:, :-1], NUMBERS[:, 1:], torch.tensor([11, 4, 7])
    loss, after = made.loss(x, y, lengths=lengths)
    kept = [(n, t) for n, T in enumerate(lengths.tolist()) for t in range(T)]
    logits, state = made(x)
    p, targets = (torch.stack([a[n, t] for n, t in kept]) for a in (logits, y))
    reference = cross_entropy(p, targets)
    assert len(kept) == 22 and loss.item() == pytest.approx(reference.item(), rel=1e-13)
    assert loss.item() == pytest.approx(metrics.cross_entropy(logits, y, lengths).item(), rel=1e-13)
    assert loss.item() != pytest.approx(made.loss(x, y)[0].item(), rel=1e-3)
    assert same(tensors(after), tensors(state))
    weights = list(made.parameters())
    ours, theirs = torch.autograd.grad(loss, weights), torch.autograd.grad(reference, weights)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-14)
    behind = torch.arange(11) >= lengths[:, None]  # other padding, more of it, one by one
    for fill in (0, K - 1):
        padded = [
            nn.functional.pad(a.masked_fill(behind, fill), (0, 5), value=fill) for a in (x, y)
        ]
        assert made.loss(*padded, lengths=lengths)[0].item() == pytest.approx(
            loss.item(), rel=1e-13
        )
    alone = [
        made.loss(x[n : n + 1, :T], y[n : n + 1, :T])[0].item() * T
        for n, T in enumerate(lengths.tolist())
    ]
    assert sum(alone) / 22 == pytest.approx(loss.item(), rel=1e-13)


@pytest.mark.parametrize("locked", [False, True])
def test_dropout_leaves_out_a_share_and_keeps_the_mean(locked) -> None:
    drop = Dropout(0.3, locked=locked, generator=seeded(4))
    x = torch.ones(40, 50, 60, dtype=F64)
    kept = drop(x)
    assert set(kept.unique().tolist()) == {0, 1 / 0.7}
    assert kept.mean().item() == pytest.approx(1, abs=0.03)
    assert torch.equal(kept, kept[:, :1].expand_as(kept)) is locked
    assert not torch.equal(drop(x), kept)
    assert torch.equal(Dropout(0.3, locked=locked, generator=seeded(4))(x), kept)
    assert drop.eval()(x) is x


def test_dropout_is_after_the_table_after_each_layer_and_nowhere_else() -> None:
    made = model(L=3, dropout=0.5)
    seen: list[tuple[int, torch.Tensor, torch.Tensor]] = []
    for place, drop in enumerate(made.drops):
        drop.register_forward_hook(
            lambda _, given, kept, place=place: seen.append((place, given[0], kept))
        )
    logits, _ = made(NUMBERS)
    assert [place for place, _, _ in seen] == [0, 1, 2, 3]
    assert all((kept == 0).double().mean() > 0.3 for _, _, kept in seen)
    assert torch.equal(seen[0][1], made.embedding(NUMBERS))
    for layer, (_, _, below), (_, outputs, _) in zip(made.layers, seen, seen[1:], strict=False):
        assert torch.equal(layer(below)[0], outputs)
    assert torch.equal(made.readout(seen[3][2]), logits)
    assert torch.equal(made.eval()(NUMBERS)[0], model(L=3)(NUMBERS)[0])


def test_a_word_that_is_left_out_is_so_at_all_its_places() -> None:
    drop = WordDropout(0.4, 500, generator=seeded(4))
    numbers = torch.randint(500, (30, 40), generator=seeded(2))
    kept = drop(torch.ones(30, 40, 6, dtype=F64), numbers)
    by_word = torch.zeros(500, dtype=F64)
    by_word[numbers] = kept[:, :, 0]
    assert torch.equal(kept, by_word[numbers][:, :, None].expand_as(kept))
    assert set(kept.unique().tolist()) == {0, 1 / 0.6}
    assert kept.mean().item() == pytest.approx(1, abs=0.07)
    x = normal(30, 40, 6)
    assert drop.eval()(x, numbers) is x
    made = model(word_dropout=0.9)
    same_word = torch.full((2, 3), 4)
    rows = [made.word_drop(made.embedding(same_word), same_word) for _ in range(40)]
    assert 25 < sum(not row.any() for row in rows) < 40
    assert made(NUMBERS)[0].ne(made.eval()(NUMBERS)[0]).any()


def test_dropout_may_differ_by_place_and_the_readout_begin_at_log_frequencies() -> None:
    made = model(dropout=(0.1, 0.0, 0.3))
    assert [drop.p for drop in made.drops] == [0.1, 0.0, 0.3]
    with pytest.raises(ValueError, match=r"dropout must be one number, .* 3 in all, got 2"):
        model(dropout=[0.1, 0.2])
    shares = torch.arange(1, K + 1) / 45
    assert torch.equal(model(frequencies=shares).readout.bias, shares.log().double())
    for wrong, says in [
        (shares - 1 / 45, "frequencies must be above 0, got 0"),
        (shares[1:], "shape"),
    ]:
        with pytest.raises(ValueError, match=says):
            model(frequencies=wrong)


def test_torchs_kernel_and_ours_leave_out_the_same() -> None:
    own, fast = model(dropout=0.5, word_dropout=0.3), model(dropout=0.5, word_dropout=0.3).fast()
    assert torch.allclose(own(NUMBERS)[0], fast(NUMBERS)[0], rtol=1e-12)
    assert not torch.allclose(own(NUMBERS)[0], fast.eval()(NUMBERS)[0], rtol=1e-3)


class Run:
    """A run of some steps: its weights at the end, and the losses."""

    def __init__(self, steps: int, carried: bool, checkpoint: Any = None, seed: int = 3):
        made = RNNLM(
            K,
            rnnlib.LSTM,
            H,
            H,
            2,
            tied=True,
            dropout=0.4,
            word_dropout=0.2,
            generator=seeded(seed),
        )
        text = torch.randint(K, (400,), generator=seeded(2))
        if carried:
            of: Any = lambda m, x, y, state: m.loss(x, y, state)  # noqa: E731
            source: Any = training.TruncatedBPTT(
                Contiguous(text, 6, 4), of, resets=0.3, generator=seeded(seed + 5)
            )
            loss = source.loss
        else:
            source, loss = Windows(text, 6, 4, seed=1), metrics.next_character_loss
        method = optim.Adam(made.parameters(), lr=0.01)
        history = training.train(made, source, loss, method, steps, checkpoint=checkpoint)
        self.weights, self.losses = list(made.state_dict().values()), history.loss


@pytest.mark.parametrize("carried", [True, False])
def test_a_run_with_dropout_goes_on_to_the_same_last_digit(carried, tmp_path) -> None:
    whole, file = Run(40, carried), tmp_path / "run"
    Run(23, carried, file)
    parts = Run(40, carried, file, seed=9)  # other weights and draws: the file's count
    assert parts.losses == whole.losses and same(parts.weights, whole.weights)
    assert Run(40, carried, seed=9).losses != whole.losses


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"kind": nn.LSTM}, TypeError, "kind must be a class of rnnlib's layers.* got .*nn"),
        ({"kind": rnnlib.LSTM(2, 2)}, TypeError, "kind must be a class of rnnlib's layers"),
        ({"dropout": 1.0}, ValueError, r"dropout must be below 1, got 1.0"),
        ({"dropout": -0.1}, ValueError, r"dropout must be finite and in \[0.0, 1.0\], got -0.1"),
        ({"locked": 1}, TypeError, "locked must be True or False, got 1"),
        ({"tied": "no"}, TypeError, "tied must be True or False, got 'no'"),
        ({"L": 0}, ValueError, "num_layers must be at least 1, got 0"),
        ({"embedding": 0}, ValueError, "embedding must be at least 1, got 0"),
    ],
)
def test_wrong_options_are_named(wrong, error, says) -> None:
    with pytest.raises(error, match=says):
        model(**wrong)


def test_wrong_numbers_targets_and_kernels_are_named() -> None:
    made = model()
    for call, error, says in [
        (lambda: made(NUMBERS + 3), ValueError, rf"numbers must be in \[0, {K}\)"),
        (lambda: made(NUMBERS.int()), TypeError, "numbers must hold integers as torch.int64"),
        (lambda: made(NUMBERS[0]), ValueError, r"numbers must have shape \(N, T\), got \(12,\)"),
        (lambda: made.loss(NUMBERS, NUMBERS, lengths=torch.tensor([12, 0, 3])), ValueError, r"lengths must be in \[1, 12\]"),
        (lambda: made.loss(NUMBERS, NUMBERS, lengths=torch.tensor([12, 13, 3])), ValueError, "lengths"),
        (lambda: made.loss(NUMBERS, NUMBERS[:, 1:]), ValueError, r"targets must have shape \(3, 12\)"),
        (lambda: made(NUMBERS, normal(2, 3, H)), TypeError, "state"),
        (lambda: made(NUMBERS, (normal(2, 2, H),) * 2), ValueError, "state h must have shape"),
        (lambda: model(rnnlib.PhasedLSTM).fast(), TypeError, "kind must be an RNN, LSTM or GRU, got PhasedLSTM"),
    ]:  # fmt: skip
        with pytest.raises(error, match=says):
            call()
