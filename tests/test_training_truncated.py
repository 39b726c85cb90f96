"""Truncated back-propagation: the state is carried, the gradient stops, resets forget."""

from typing import Any

import pytest
import torch
from helpers import seeded
from torch.nn.functional import cross_entropy

import rnnlib
from rnnlib.models import RNNLM
from rnnlib.text import Contiguous
from rnnlib.training import TruncatedBPTT

K, T, N = 7, 5, 3
TEXT = torch.randint(K, (100,), generator=seeded(2))  # strands of 33 steps: 6 windows each


def model(kind: Any = rnnlib.LSTM) -> RNNLM:
    made = RNNLM(K, kind, 4, 6, 2, generator=seeded(1)).double()
    for weight in made.parameters():
        weight.data *= 3  # so that the state matters
    return made


def losses(source: TruncatedBPTT, made: RNNLM, windows: int) -> list[float]:
    return [source.loss(made, next(source))[0].item() for _ in range(windows)]


@pytest.mark.parametrize("kind", [rnnlib.RNN, rnnlib.LSTM, rnnlib.GRU])
def test_windows_are_read_on_and_the_strands_anew_from_zero(kind) -> None:
    made = model(kind)
    strands = Contiguous(TEXT, T, N).strands  # (N, 34)
    logits, _ = made(strands[:, :30])
    expected = [
        cross_entropy(logits[:, t : t + T].flatten(0, 1), strands[:, t + 1 : t + T + 1].flatten())
        for t in range(0, 30, T)
    ]
    found = losses(TruncatedBPTT(Contiguous(TEXT, T, N)), made, 12)
    assert found == pytest.approx(2 * [e.item() for e in expected], rel=1e-12)


def test_the_gradient_stops_at_the_start_of_a_window() -> None:
    made = model()
    source = TruncatedBPTT(Contiguous(TEXT, T, N))
    for _ in range(2):
        made.zero_grad()
        window = next(source)
        loss, _ = source.loss(made, window)
        loss.backward()
    again = model()
    with torch.no_grad():
        _, state = again(source.windows.strands[:, :T])
    again.loss(window[:, :-1], window[:, 1:], state)[0].backward()
    for ours, expected in zip(made.parameters(), again.parameters(), strict=True):
        assert torch.allclose(ours.grad, expected.grad, rtol=1e-10, atol=1e-15)  # type: ignore[arg-type]


def test_resets_at_each_window_read_each_from_zero() -> None:
    made = model()
    found = losses(TruncatedBPTT(Contiguous(TEXT, T, N), resets=1.0), made, 6)
    windows = Contiguous(TEXT, T, N)
    zero = [made.loss(w[:, :-1], w[:, 1:])[0].item() for w in (next(windows) for _ in range(6))]
    assert found == pytest.approx(zero, rel=1e-12)
    assert losses(TruncatedBPTT(Contiguous(TEXT, T, N)), made, 6)[1:] != pytest.approx(
        zero[1:], rel=1e-4
    )


def test_resets_forget_a_share_of_the_strands_each_by_itself() -> None:
    states: list[Any] = []

    def of(_: Any, x: torch.Tensor, y: torch.Tensor, state: Any) -> Any:
        states.append(state)
        return torch.zeros(()), (torch.ones(2, 50, 3), 2 * torch.ones(2, 50, 3))

    text = torch.zeros(50 * 500 + 1, dtype=torch.int64)
    source = TruncatedBPTT(Contiguous(text, T, 50), of, resets=0.2, generator=seeded(1))
    for _ in range(100):
        source.loss(model(), next(source))
    assert states[0] is None
    h, c = (torch.stack([s[k] for s in states[1:]]) for k in (0, 1))  # (99, 2, 50, 3)
    assert torch.equal(c, 2 * h) and torch.equal(h, h[:, :1, :, :1].expand_as(h))
    assert (h == 0).double().mean().item() == pytest.approx(0.2, abs=0.03)
    forgotten = (h[:, 0, :, 0] == 0).sum(dim=1)
    assert forgotten.min() < 8 and forgotten.max() > 12  # strand by strand, not all at once


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"windows": TEXT}, TypeError, "windows must be a text.Contiguous, got Tensor"),
        ({"of": 3}, TypeError, "of must be a function, got 3"),
        ({"resets": 1.5}, ValueError, r"resets must be finite and in \[0.0, 1.0\], got 1.5"),
        ({"generator": 3}, TypeError, "generator must be a torch.Generator or None, got 3"),
    ],
)
def test_wrong_options_are_named(wrong, error, says) -> None:
    with pytest.raises(error, match=says):
        TruncatedBPTT(**{"windows": Contiguous(TEXT, T, N)} | wrong)
