"""How well a model predicts a text, and what its own text is like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rnnlib import validate
from rnnlib.cells import each
from rnnlib.evaluation import logits_and_state, predict
from rnnlib.text import padded, within
from rnnlib.training import Metrics


def bits_per_character(nats: float, symbols: int = 1, characters: int = 1) -> float:
    r"""Cross-entropy in bits a character: $\text{nats} / \ln 2$.

    For a model of words, ``nats`` is a word's, and M = ``symbols`` words are written with
    C = ``characters`` characters: $\text{nats} \cdot M / (C \ln 2)$. Perplexities of two
    vocabularies cannot be compared, bits a character of one text can, unless words became UNK:
    what a model of UNK leaves open, which word it was, is not paid for.
    """
    M = validate.positive_int("symbols", symbols)
    C = validate.positive_int("characters", characters)
    return validate.real("nats", nats, low=0.0) * M / C / math.log(2)


def perplexity(H: float, base: float = math.e) -> float:
    r"""$b^{H_b}$: so many equally likely symbols would be as hard to guess.

    H is a cross-entropy per symbol to the logarithm's ``base`` b: nats by default, bits for 2.
    The base must be the one that H was taken to; then it changes nothing, $e^{H_e} = 2^{H_2}$.
    Beyond the largest float, from 709.8 nats on, it is infinity.
    """
    if (base := validate.real("base", base)) <= 1:
        raise ValueError(f"base must be above 1, got {base}")
    try:
        return math.pow(base, validate.real("H", H, low=0.0))
    except OverflowError:
        return math.inf


def cross_entropy(logits: Tensor, targets: Tensor, lengths: Tensor | None = None) -> Tensor:
    r"""Mean cross-entropy in nats a target, padding excluded.

    $$L = -\frac{1}{\sum_n T_n} \sum_n \sum_{t \le T_n} \ln \hat y_{n,t}[y_{n,t}]$$

    logits (N, T, K), targets (N, T), ``lengths`` T_n (N,) in [1, T], or None for T -> L ().
    What stands behind a length is not looked at. The mean is over targets, not over sequences:
    so it does not depend on how they lie in batches, if batches are weighted by their targets.
    Raises TypeError or ValueError that names what does not fit.
    """
    validate.tensor("logits", logits, ("N", "T", "K"))
    p, y = _kept("targets", logits, targets, lengths)
    return nn.functional.cross_entropy(p, y)


def _kept(
    name: str, logits: Tensor, targets: Tensor, lengths: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Logits (M, K) and targets (M,) of the steps within the lengths, one after the other."""
    N, T, K = logits.shape
    validate.integers(name, targets, (N, T))
    if lengths is None:
        p, y = logits.flatten(0, 1), targets.flatten()
    else:
        kept = within(lengths, N, T).to(targets.device)
        p, y = logits[kept], targets[kept]
    return p, validate.labels(name, y, y.shape, K)


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
    p, y = _kept("batch", logits, target, None)
    loss = nn.functional.cross_entropy(p, y)
    return loss, {"accuracy": (logits.argmax(dim=2) == target).float().mean().item()}


def carried(model: nn.Module, numbers: Tensor, piece: int = 1000, strands: int = 1) -> Metrics:
    """``nats`` a symbol and ``accuracy`` on a text (M,), read once with the state carried.

    The state is zero before the first symbol; the M - 1 others are predicted, each from all
    that stands before it. ``piece`` symbols go through the model at a time: it changes
    nothing but the memory needed. With more ``strands`` the text is cut into so many, which are
    read side by side, in less time: each begins at zero, so a few symbols lack what came before.
    The model is in evaluation mode for that time, see ``rnnlib.evaluation``.
    """
    _check(numbers, validate.positive_int("strands", strands) + 1)
    validate.positive_int("piece", piece)
    S = (len(numbers) - 1) // strands  # steps of each; what is left over goes on from the last
    side = torch.stack([numbers[n * S : n * S + S + 1] for n in range(strands)])
    state, total = None, Sum()
    for start in range(0, S, piece):
        state = total.add(model, side[:, start : start + piece + 1], state)
    if len(rest := numbers[strands * S :]) > 1:
        total.add(model, rest[None], each(state, lambda part: part[:, -1:].contiguous()))
    return total.mean()


def from_zero(model: nn.Module, numbers: Tensor, T: int) -> Metrics:
    """``nats`` a symbol and ``accuracy`` on the same M - 1 symbols, the state zero every T.

    The windows overlap by one symbol, which is the last target of one and the first input of
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


def separate(model: nn.Module, sequences: Sequence[Tensor], N: int = 100) -> Metrics:
    """``nats`` a symbol and ``accuracy`` on sequences (M_n,), the state zero before each.

    M_n - 1 symbols of each are predicted. N sequences are read side by side, with padding, which
    does not count: N changes nothing but time and memory. Sequences of like length pad little.
    The model is in evaluation mode for that time.
    """
    if not len(validate.instance("sequences", sequences, Sequence, "a sequence of tensors")):
        raise ValueError("sequences must hold at least one, got none")
    validate.positive_int("N", N)
    total = Sum()
    for start in range(0, len(sequences), N):
        numbers, lengths = padded(sequences[start : start + N], fill=0)  # (N, T), (N,)
        if lengths.min() < 2:
            raise ValueError("sequences must be at least 2 symbols each, got 1")
        total.add(model, numbers, lengths=lengths - 1)
    return total.mean()


def symbol_nats(
    model: nn.Module, sequences: Sequence[Tensor], N: int = 100
) -> tuple[Tensor, Tensor]:
    r"""Nats of each symbol of sequences (M_n,) but the first, and lengths $T_n = M_n - 1$ (n,).

    $-\ln \hat y_{n,t}[y_{n,t}]$ as (n, T) in float64, with zeros behind a length; the state is zero
    before each sequence. N are read side by side, which changes nothing but time and memory.
    The model is in evaluation mode for that time.
    """
    if not len(validate.instance("sequences", sequences, Sequence, "a sequence of tensors")):
        raise ValueError("sequences must hold at least one, got none")
    validate.positive_int("N", N)
    lengths = torch.tensor([len(sequence) - 1 for sequence in sequences])
    if lengths.min() < 1:
        raise ValueError("sequences must be at least 2 symbols each, got fewer")
    nats = torch.zeros(len(sequences), int(lengths.max()), dtype=torch.float64)
    for start in range(0, len(sequences), N):
        numbers, long = padded(sequences[start : start + N], fill=0)
        logits, _ = predict(model, numbers[:, :-1])
        p, y = _kept("sequences", logits.cpu(), numbers[:, 1:], long - 1)
        kept = within(long - 1, *nats[start : start + N].shape)
        nats[start : start + N][kept] = nn.functional.cross_entropy(p.double(), y, reduction="none")
    return nats, lengths


class Perplexities(NamedTuple):
    """Perplexities of one model on the same sequences, by what is counted and how means are taken.

    Of them only ``character`` can be compared.
    """

    padded: float  # over all places, padding too
    sentence: float  # mean of the sequences' own, padding excluded
    sentence_padded: float  # mean of the sequences' own, padding counted
    character: float  # over all symbols, padding excluded


def perplexities(nats: Tensor, lengths: Tensor) -> Perplexities:
    r"""One model's perplexity four ways, from nats $\ell_{n,t}$ (N, T) and lengths T_n (N,).

    $$\text{padded} = e^{\frac{1}{NT} \sum_{n,t} \ell_{n,t}}, \quad
    \text{sentence} = \frac1N \sum_n e^{\frac{1}{T_n} \sum_{t \le T_n} \ell_{n,t}}, \quad
    \text{sentence\_padded} = \frac1N \sum_n e^{\frac1T \sum_t \ell_{n,t}}, \quad
    \text{character} = e^{\frac{1}{\sum_n T_n} \sum_n \sum_{t \le T_n} \ell_{n,t}}$$

    What stands behind a length is what the model pays for padding: zero, as ``symbol_nats`` has it,
    if padding is known for certain. A model that learned to continue padding pays nearly nothing.
    """
    N, T = validate.tensor("nats", nats, ("N", "T"), finite=True).shape
    kept = within(lengths, N, T)
    nats = nats.double()
    known = nats * kept
    return Perplexities(
        padded=perplexity(nats.mean().item()),
        sentence=(known.sum(dim=1) / lengths).exp().mean().item(),
        sentence_padded=nats.mean(dim=1).exp().mean().item(),
        character=perplexity((known.sum() / kept.sum()).item()),
    )


class Sum:
    """A running sum of cross-entropy and right answers over symbols."""

    def __init__(self) -> None:
        self.nats = self.right = 0.0
        self.symbols = 0

    def add(
        self, model: nn.Module, numbers: Tensor, state: Any = None, lengths: Tensor | None = None
    ) -> Any:
        """Add the T predictions of each window (N, T+1); return the model's state after them.

        Of window n only the first T_n = ``lengths[n]`` count. The model computes where its
        weights are; the sums are made on the CPU, in float64.
        """
        logits, state = predict(model, numbers[:, :-1], state)
        p, y = _kept("numbers", logits.cpu(), numbers[:, 1:].cpu(), lengths)
        self.nats += nn.functional.cross_entropy(p.double(), y, reduction="sum").item()
        self.right += (p.argmax(dim=1) == y).sum().item()
        self.symbols += len(y)
        return state

    def mean(self) -> Metrics:
        """Means over the symbols."""
        return {"nats": self.nats / self.symbols, "accuracy": self.right / self.symbols}


def _check(numbers: Tensor, least: int = 2) -> None:
    validate.labels("numbers", numbers, ("M",), 2**31)
    if len(numbers) < least:
        raise ValueError(f"numbers must be at least {least} symbols, got {len(numbers)}")
