"""How well a model predicts a text, and what its own text is like."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from rnnlib import validate
from rnnlib.evaluation import logits_and_state, predict
from rnnlib.training import Metrics


def bits_per_character(nats: float) -> float:
    r"""Cross-entropy in bits a character: $\text{nats} / \ln 2$."""
    return validate.real("nats", nats, low=0.0) / math.log(2)


def perplexity(nats: float) -> float:
    r"""$e^{\text{nats}}$: so many equally likely characters would be as hard to guess.

    Beyond the largest float, from 709.8 nats on, it is infinity.
    """
    try:
        return math.exp(validate.real("nats", nats, low=0.0))
    except OverflowError:
        return math.inf


def entropy(probabilities: Tensor) -> Tensor:
    r"""$-\sum_k \hat y_k \ln \hat y_k$ in nats: (..., K) -> (...); a zero adds nothing.

    Raises ValueError unless no entry is below 0 and each sum is 1, within 1e-4 in float64 and
    float32, 0.004 in float16 and 0.03 in bfloat16: counts and logits are no distribution.
    """
    validate.tensor("probabilities", probabilities, (..., "K"), finite=True)
    tolerance = max(1e-4, 4 * torch.finfo(probabilities.dtype).eps)
    error = (probabilities.sum(dim=-1) - 1).abs().max()
    if probabilities.min() < 0 or error > tolerance:
        raise ValueError(
            "probabilities must be at least 0 with sum 1, got a smallest of "
            f"{probabilities.min():.3g} and a sum that is off by {error:.3g}"
        )
    return torch.special.entr(probabilities).sum(dim=-1)


def repetition(text: str, n: int = 8) -> float:
    """Share of the pieces of n characters that stood earlier in the text: 0 if all are new."""
    validate.instance("text", text, str, "a str")
    pieces = [text[t : t + n] for t in range(len(text) - validate.positive_int("n", n) + 1)]
    if not pieces:
        raise ValueError(f"text must have at least n={n} characters, got {len(text)}")
    return 1 - len(set(pieces)) / len(pieces)


def next_character_loss(model: nn.Module, batch: Tensor) -> tuple[Tensor, Metrics]:
    r"""Mean cross-entropy in nats of windows (N, T+1), each read from a zero state; accuracy.

    $$L = -\frac{1}{NT} \sum_{n,t} \ln \hat y_{n,t}[x_{n,t+1}]$$

    The model gives numbers (N, T) -> logits (N, T, K) and a state, and stays in its mode.
    Raises TypeError or ValueError for a batch that is no window of at least two known characters
    in int64, or a model that gives something else.
    """
    if validate.integers("batch", batch, ("N", "T+1")).shape[1] < 2:
        raise ValueError(f"batch must have shape (N, T+1) with T >= 1, got {tuple(batch.shape)}")
    x, target = batch[:, :-1], batch[:, 1:]
    logits, _ = logits_and_state(model(x), x)
    validate.labels("batch", target, target.shape, logits.shape[2])
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())
    return loss, {"accuracy": (logits.argmax(dim=2) == target).float().mean().item()}


def carried(model: nn.Module, numbers: Tensor, piece: int = 1000) -> Metrics:
    """``nats`` a character and ``accuracy`` on a text (M,), read once with the state carried.

    The state is zero before the first character; the M - 1 others are predicted, each from all
    that stands before it. ``piece`` characters go through the model at a time: it changes
    nothing but the memory needed. The model is in evaluation mode for that time, see
    ``rnnlib.evaluation``.
    """
    _check(numbers)
    validate.positive_int("piece", piece)
    state = None
    total = Sum()
    for start in range(0, len(numbers) - 1, piece):
        state = total.add(model, numbers[None, start : start + piece + 1], state)
    return total.mean()


def from_zero(model: nn.Module, numbers: Tensor, T: int) -> Metrics:
    """``nats`` a character and ``accuracy`` on the same M - 1 characters, the state zero every T.

    The windows overlap by one character, which is the last target of one and the first input of
    the next; the last window may be shorter. This is how training on windows sees a text.
    The model is in evaluation mode for that time.
    """
    _check(numbers)
    validate.positive_int("T", T)
    total = Sum()
    count = (len(numbers) - 1) // T
    if count:
        for some in numbers.unfold(0, T + 1, T).split(500):  # (N, T+1)
            total.add(model, some)
    if len(rest := numbers[count * T :]) > 1:
        total.add(model, rest[None])
    return total.mean()


class Sum:
    """A running sum of cross-entropy and right answers over characters."""

    def __init__(self) -> None:
        self.nats = self.right = 0.0
        self.characters = 0

    def add(self, model: nn.Module, numbers: Tensor, state: Any = None) -> Any:
        """Add the T predictions of each window (N, T+1); return the model's state after them.

        The model computes where its weights are; the sums are made on the CPU, in float64.
        """
        logits, state = predict(model, numbers[:, :-1], state)
        logits, target = logits.cpu(), numbers[:, 1:].cpu()
        validate.labels("numbers", target, target.shape, logits.shape[2])
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1).double(), target.flatten(), reduction="sum"
        )
        self.nats += loss.item()
        self.right += (logits.argmax(dim=2) == target).sum().item()
        self.characters += target.numel()
        return state

    def mean(self) -> Metrics:
        """Means over the characters."""
        return {"nats": self.nats / self.characters, "accuracy": self.right / self.characters}


def _check(numbers: Tensor) -> None:
    validate.labels("numbers", numbers, ("M",), 2**31)
    if len(numbers) < 2:
        raise ValueError(f"numbers must be at least 2 characters, got {len(numbers)}")
