"""Tiny Shakespeare in 71 seconds: what does each change to a plain LSTM buy?

71 seconds is what the small CPU setting of nanoGPT takes on two cores, to 1.886 nats a character
on windows of 64. Each variant takes a number of steps that fits into that time on one of the same
two cores, evaluation and set-up included, with some seconds to spare for a slow minute of the
machine. The variants build on each other: each has all changes of those before it. One run at a
time; the number of steps is fixed, the time is not.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from rnnlib import corpora, fused, init, training, validate
from rnnlib.experiments.study import means, not_lost, run_study
from rnnlib.text import Vocabulary
from rnnlib.text import frequencies as shares

State = tuple[Tensor, Tensor]  # h and c, (N, H) each

WINDOW = 64  # characters in a window of the evaluation: nanoGPT's context
NANOGPT = 1.886  # nats on such windows, in one run of its small CPU setting that we did not record
LSTMS = {"torch": None, "float32": torch.float32, "bfloat16": torch.bfloat16}
STRANDS, BURN_IN = 64, 256  # of the evaluation with carried state
WARM_UP = 50  # steps in which the learning rate rises
CLIP = 1.0

PLAIN: dict[str, Any] = {
    "lstm": "torch", "H": 512, "T": 64, "N": 32, "lr": 2e-3, "decay": False, "frequencies": False,
    "lookback": 1, "resets": 0.0, "steps": 300,
}  # fmt: skip
#   what changes against the variant before; "steps" are those that fit into the time
CHANGES: dict[str, dict[str, Any]] = {
    "plain": {},
    "rate": {"lr": 0.03, "decay": True},
    "frequencies": {"frequencies": True},
    "short": {"T": 32, "H": 384, "steps": 1180},
    "by hand": {"lstm": "bfloat16", "steps": 1480},
    "lookback": {"lookback": 3, "steps": 1280},
    "resets": {"resets": 0.1},
}


def variants() -> dict[str, dict[str, Any]]:
    """The settings of each variant, with all changes of those before it."""
    names = list(CHANGES)
    settings = itertools.accumulate(CHANGES.values(), lambda a, b: a | b, initial=PLAIN)
    return dict(zip(names, list(settings)[1:], strict=True))


def text() -> tuple[Tensor, Tensor, int]:
    """Numbers of the first 90 % of the characters and of the rest, and how many there are (K)."""
    book = corpora.load("tinyshakespeare")
    vocabulary = Vocabulary.of(book)
    numbers = vocabulary.encode(book)
    cut = len(book) * 9 // 10
    return numbers[:cut], numbers[cut:], len(vocabulary)


class Reader(nn.Module):
    """An LSTM that reads the last ``lookback`` characters at each step, and a linear readout.

    Each of these characters has columns of W_x of its own, so a step's input is a vector with
    ``lookback`` ones. Number K stands for "there was none": before the start of what is read.
    ``frequencies`` (K,): how often each character comes; their logarithms are where the readout's
    bias begins. Without them it begins at zero.
    ``lstm``: "torch" for torch's own, else the data type of the products of ``fused.lstm``, and
    then of the readout's product too.
    """

    def __init__(
        self,
        K: int,
        H: int,
        *,
        lookback: int = 1,
        lstm: str = "bfloat16",
        frequencies: Tensor | None = None,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self.K = validate.positive_int("K", K)
        self.lookback = validate.positive_int("lookback", lookback)
        self.lstm = validate.one_of("lstm", lstm, list(LSTMS))
        self.rnn = nn.LSTM(lookback * (K + 1), validate.positive_int("H", H))  # time first
        self.readout = nn.Linear(H, K)
        for weight in self.parameters():
            init.uniform_(weight, H**-0.5, generator)
        _, _, b, b_2 = self.rnn.all_weights[0]
        for bias in (b, b_2, self.readout.bias):
            bias.data.zero_()
        init.forget_bias_(b.data, 1.0)
        if frequencies is not None:
            init.log_frequencies_(self.readout.bias, frequencies)
        self.start = nn.Parameter(torch.zeros(2, H))  # h and c before the first character

    def begin(self, N: int) -> State:
        """The learned state before the first character, N times: h and c (N, H)."""
        h, c = self.start
        return h.expand(N, -1), c.expand(N, -1)

    def forward(self, characters: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Numbers (lookback - 1 + T, N) -> logits (T, N, K) of what follows the last T of them."""
        x = self.inputs(characters)  # (T, N, lookback (K + 1))
        h, c = self.begin(x.shape[1]) if state is None else state
        if self.lstm == "torch":
            h, (_, c_T) = self.rnn(x, (h[None].contiguous(), c[None].contiguous()))
            c = c_T[0]
        else:
            W_x, W_h, b, b_2 = self.rnn.all_weights[0]
            h, c = fused.lstm(x, h, c, W_x, W_h, b + b_2, LSTMS[self.lstm])  # (T, N, H), (N, H)
        W_ph, b_p = self.readout.weight, self.readout.bias
        p = nn.functional.linear(h, W_ph.to(h.dtype)).float() + b_p  # (T, N, K)
        return p, (h[-1].float(), c)

    def inputs(self, characters: Tensor) -> Tensor:
        """Numbers (lookback - 1 + T, N) -> (T, N, lookback (K + 1)), a one for each character."""
        T, back = len(characters) - self.lookback + 1, range(self.lookback)
        ago = [characters[self.lookback - 1 - j :][:T] for j in back]  # (T, N) each, j steps ago
        columns = torch.stack([ago[j] + j * (self.K + 1) for j in back], dim=2)
        x = torch.zeros(T, characters.shape[1], self.rnn.input_size, dtype=LSTMS[self.lstm])
        return x.scatter_(2, columns, 1.0)


def windows(
    numbers: Tensor, T: int, N: int, before: int, generator: torch.Generator
) -> Iterator[tuple[bool, Tensor]]:
    """Endless windows (before + T + 1, N) of N strands of the text, read on one after the other.

    Each begins with the ``before`` characters that came before it. At the end of the strands
    reading begins anew, at a random place among the first T. The bool says that it has just
    begun: what came before must be forgotten.
    """
    S = len(numbers) // N
    strands = numbers[: N * S].view(N, S).T  # (S, N)
    offset = 0
    while True:
        for k, start in enumerate(range(offset, S - T - before, T)):
            yield k == 0, strands[start : start + before + T + 1]
        offset = int(torch.randint(T, (), generator=generator))


def forget(model: Reader, strands: Tensor, window: Tensor, state: State) -> tuple[Tensor, State]:
    """Window and state with the chosen ``strands`` (N,) put back to the model's start."""
    window = window.clone()
    window[: model.lookback - 1, strands] = model.K
    (h_0, c_0), (h, c), chosen = model.begin(len(strands)), state, strands[:, None]
    return window, (torch.where(chosen, h_0, h), torch.where(chosen, c_0, c))


@torch.no_grad()
def carried(
    model: Reader, numbers: Tensor, strands: int = STRANDS, burn_in: int = BURN_IN
) -> float:
    """Nats a character with the state carried, on the whole text from its first character.

    The text is cut into strands that are read side by side. The first begins at the model's
    start; each other one first reads the ``burn_in`` characters before it, which do not count.
    """
    count = len(numbers) - 1  # characters that are predicted
    S = -(-count // strands)
    before = burn_in + model.lookback - 1
    after = strands * S - count
    inputs = nn.functional.pad(numbers, (before, after), value=model.K)
    targets = nn.functional.pad(numbers[1:], (0, after), value=-100)  # -100: no loss
    x = torch.stack([inputs[n * S : n * S + before + S] for n in range(strands)], dim=1)
    y = targets.view(strands, S).T
    (h_0, c_0), (_, (h, c)) = model.begin(1), model(x[:before])
    state = torch.cat([h_0, h[1:]]), torch.cat([c_0, c[1:]])
    total = 0.0
    for t in range(0, S, WINDOW):
        p, state = model(x[burn_in + t :][: before - burn_in + min(WINDOW, S - t)], state)
        total += cross_entropy(p.flatten(0, 1), y[t : t + WINDOW].flatten(), reduction="sum").item()
    return total / count


@torch.no_grad()
def windowed(model: Reader, numbers: Tensor) -> float:
    """Nats a character on all windows of 64 that do not overlap, each from the model's start."""
    W = (len(numbers) - 1) // WINDOW
    x, y = (numbers[k : k + W * WINDOW].view(W, WINDOW).T for k in (0, 1))  # (64, W)
    x = nn.functional.pad(x, (0, 0, model.lookback - 1, 0), value=model.K)
    total = 0.0
    for part, target in zip(x.split(256, dim=1), y.split(256, dim=1), strict=True):
        p, _ = model(part)
        total += cross_entropy(p.flatten(0, 1), target.flatten(), reduction="sum").item()
    return total / (W * WINDOW)


def learning_rate(step: int, steps: int, lr: float, decay: bool) -> float:
    """The learning rate of a step: up over ``WARM_UP`` steps, then down to zero in a line."""
    return lr * min(1.0, (step + 1) / WARM_UP) * (1 - step / steps if decay else 1.0)


def run(
    *, variant: str, lstm: str, H: int, T: int, N: int, lr: float, decay: bool,
    frequencies: bool, lookback: int, resets: float, steps: int, threads: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """One run; every random number comes from ``seed``. ``variant`` is only its name."""
    began = time.perf_counter()
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(seed)
    train, validation, K = text()
    model = Reader(
        K, H, lookback=lookback, lstm=lstm, generator=generator,
        frequencies=shares(train, K) if frequencies else None,
    )  # fmt: skip
    optimizer = torch.optim.Adam(
        model.parameters(), lr=learning_rate(0, steps, lr, decay), betas=(0.9, 0.99), fused=True
    )
    state = model.begin(N)

    def loss_fn(_: nn.Module, batch: tuple[bool, Tensor]) -> tuple[Tensor, training.Metrics]:
        """Mean loss of a window, read from where the one before it ended."""
        nonlocal state
        begins, window = batch
        anew = (torch.rand(N, generator=generator) < resets) | begins  # (N,)
        h, c = state
        window, state = forget(model, anew, window, (h.detach(), c.detach()))
        p, state = model(window[:-1], state)  # (T, N, K)
        return cross_entropy(p.flatten(0, 1), window[lookback:].flatten()), {}

    def next_rate(history: training.History) -> bool:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(history.steps, steps, lr, decay)
        return False

    source: Any = windows(train, T, N, lookback - 1, generator)  # no checkpoint: next() is enough
    history = training.train(
        model, source, loss_fn, optimizer, steps, clip_norm=CLIP, stop_when=next_rate
    )
    model.lstm = "torch"  # evaluated in float32, by torch's own
    trained = time.perf_counter()
    result = {"carried": carried(model, validation), "windows": windowed(model, validation)}
    ended = time.perf_counter()
    torch.set_num_threads(threads_before)
    return result | {
        "parameters": sum(w.numel() for w in model.parameters()),
        "wall_seconds": round(ended - began, 2),
        "evaluation_seconds": round(ended - trained, 2),
        "loss": means(history.loss, max(1, steps // 20), digits=4),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--variants", nargs="+", choices=CHANGES, default=list(CHANGES))
    parser.add_argument(
        "--threads", type=int, default=1, help="of a run; more need a quiet machine"
    )
    parser.add_argument("--steps", type=int, help="fewer steps than the variant's own, for a trial")


def main(chosen: argparse.Namespace) -> None:
    """Run the study over all variants and seeds, one run after the other."""
    if chosen.workers not in (None, 1):
        raise SystemExit("shakespeare: its runs are timed, so --workers must be 1")
    for option in ("steps", "threads"):
        if getattr(chosen, option) is not None:
            validate.positive_int(option, getattr(chosen, option))
    every = variants()
    settings = [
        {"variant": name, "seed": seed, "threads": chosen.threads}
        | every[name]
        | ({"steps": chosen.steps} if chosen.steps else {})
        for seed, name in itertools.product(range(chosen.seeds), chosen.variants)
    ]
    name = not_lost(chosen.name, settings)
    run_study(name, run, settings, workers=1, threads=chosen.threads)
