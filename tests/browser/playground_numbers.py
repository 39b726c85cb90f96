"""What the playground's engine must compute, by rnnlib in float64: JSON for playground.mjs.

    python tests/browser/playground_numbers.py

Each case is a small network with its weights and batches, what comes out of it, its loss and
gradients, and its weights after many steps. Arrays lie as the engine has them, time first.
"""

import json
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from rnnlib import init, layers, tasks
from rnnlib.cells import each, hidden
from rnnlib.optim import METHODS
from rnnlib.text import Contiguous, Vocabulary
from rnnlib.training import clip_gradient

CELLS = {"RNN": layers.RNN, "GRU": layers.GRU, "LSTM": layers.LSTM}
LENGTHS = {"palindrome": 6, "adding": 7, "copying": 1, "parity": 6, "text": 5}
H, N = 5, 3
BATCHES = 4  # that come round and round
TEXT = "Über den Wassern ruht's; in Wäldern? Kein Vogel 🐦 ruft. Kaum ein Hauch, kaum mehr."
TOLERANCE = 0.04  # of a sum that counts as right
OTHER = {  # than the defaults
    "SGD": {"lr": 0.3},
    "momentum": {"lr": 0.1, "momentum": 0.8},
    "Nesterov": {"lr": 0.1, "momentum": 0.8},
    "Adagrad": {"lr": 0.1, "eps": 1e-3},
    "Adadelta": {"lr": 0.7, "rho": 0.8, "eps": 1e-4},
    "RMSprop": {"lr": 0.02, "alpha": 0.9, "eps": 1e-3},
    "Adam": {"lr": 0.02, "beta1": 0.7, "beta2": 0.95, "eps": 1e-3},
}


class Case(NamedTuple):
    """A network, what it is trained on, and how."""

    cell: str
    task: str
    every: bool = False  # the loss is of every step, not of the last
    one_hot: bool = True
    method: str = "Adam"
    settings: dict[str, float] = {"lr": 0.01}  # noqa: RUF012
    clip: float | None = None
    truncation: int | None = None
    steps: int = 100


def cases() -> Iterator[Case]:
    """Each cell x task x place of the loss; truncation, clipping and each method on some."""
    for cell in CELLS:
        for every in (False, True):
            for task in LENGTHS:
                yield Case(cell, task, every)
            yield Case(cell, "palindrome", every, one_hot=False)
            for k in (1, 2, 4):
                yield Case(cell, "palindrome", every, truncation=k, steps=20)
        yield Case(cell, "text", True, truncation=2, steps=20)
        yield Case(cell, "parity", True, clip=0.05)
        yield Case(cell, "adding", clip=0.2, method="SGD", settings={"lr": 0.5})
    for method, other in OTHER.items():
        for settings in ({}, other):
            yield Case("GRU", "parity", True, method=method, settings=settings)


class Reader(nn.Module):
    """A layer in float64 and its readout: x (N, T, D) -> outputs (N, T, K) and the last state."""

    def __init__(self, cell: str, D: int, K: int, generator: torch.Generator):
        super().__init__()
        self.rnn = CELLS[cell](D, H, generator=generator, dtype=torch.float64)
        self.readout = nn.Linear(H, K, dtype=torch.float64)
        for weight in self.parameters():
            init.uniform_(weight, 0.9, generator)

    def forward(self, x: Tensor, state: Any, truncation: int | None) -> tuple[Tensor, Tensor, Any]:
        """Window by window, counted from the end, the state detached in between."""
        T = x.shape[1]
        k = truncation or T
        outputs = []
        for window in x.split([size for size in (T % k, *[k] * (T // k)) if size], dim=1):
            h, state = self.rnn(window, state)
            outputs.append(h)
            state = each(state, Tensor.detach)
        h = torch.cat(outputs, dim=1)
        return h, self.readout(h), state

    def named(self) -> dict[str, Tensor]:
        """The weights by the engine's names."""
        cell = dict(self.rnn.cells[0].named_parameters())
        return cell | {"W_ph": self.readout.weight, "b_p": self.readout.bias}


def draw(case: Case) -> tuple[list[tuple[Tensor, Tensor, bool]], int]:
    """Batches x (N, T, D), y (N, T) and whether the state before them is zero; and K."""
    T, generator = LENGTHS[case.task], torch.Generator().manual_seed(len(case.task))
    if case.task == "text":
        vocabulary = Vocabulary.of(TEXT)
        source, K, batches = Contiguous(vocabulary.encode(TEXT), T, N), len(vocabulary), []
        for _ in range(BATCHES + 3):  # more than a round
            window = next(source)
            x = nn.functional.one_hot(window[:, :-1], K).double()
            batches.append((x, window[:, 1:], source.begins))
        return batches, K
    batches = []
    for _ in range(BATCHES):
        if case.task == "palindrome":
            x, last = tasks.palindromes(T, N, generator, one_hot=case.one_hot)
            y, K = last[:, None].expand(N, T - 1), 10
        elif case.task == "adding":
            x, last = tasks.adding(T, N, generator)
            y, K = x.double().prod(dim=2).cumsum(dim=1), 1
            assert torch.allclose(y[:, -1], last.double(), atol=1e-6)
        elif case.task == "copying":
            (x, y), K = tasks.copying(T, N, generator), 9
        else:
            (x, y), K = tasks.parity(T, N, generator, one_hot=case.one_hot), 2
        batches.append((x.double(), y, True))
    return batches, K


def judged(case: Case, p: Tensor, y: Tensor) -> tuple[Tensor, float]:
    """Mean loss, and the share of right answers."""
    if not case.every:
        p, y = p[:, -1:], y[:, -1:]
    if case.task == "adding":
        error = p[:, :, 0] - y
        return error.square().mean(), (error.abs() < TOLERANCE).double().mean().item()
    right = (p.argmax(dim=2) == y).double().mean().item()
    return nn.functional.cross_entropy(p.flatten(0, 1), y.flatten()), right


def flow(case: Case, model: Reader, x: Tensor, y: Tensor) -> dict[str, list[float]]:
    """As ``experiments.gradient_flow`` has it, for any place of the loss."""
    states = layers.unroll(model.rnn.cells[0], x)
    traced = {"h": [hidden(s) for s in states]}
    if isinstance(states[0], tuple):
        traced["c"] = [s[1] for s in states]
    p = model.readout(torch.stack(traced["h"], dim=1))
    flat = [v for values in traced.values() for v in values]
    loss = N * judged(case, p, y)[0]  # the sum of each sequence's own
    grads = iter(torch.autograd.grad(loss, flat, allow_unused=True))
    return {
        name: [0.0 if g is None else g.norm(dim=1).mean().item() for g in (next(grads) for _ in v)]
        for name, v in traced.items()
    }


def felt(model: Reader, x: Tensor, k: int) -> list[float]:
    """The length of the gradient of the last output k of the first sequence, by each input."""
    x = x[:1].clone().requires_grad_()
    (g,) = torch.autograd.grad(model(x, None, None)[1][0, -1, k], x)
    return g[0].norm(dim=1).tolist()


def flat(values: Tensor) -> list[float]:
    """(N, T, ..) -> its numbers, time first."""
    return values.detach().transpose(0, 1).flatten().tolist()


def weights(tensors: dict[str, Tensor]) -> dict[str, list[float]]:
    return {name: w.detach().flatten().tolist() for name, w in tensors.items()}


def expected(number: int, case: Case) -> dict[str, Any]:
    """What the engine is given, and what it must find."""
    batches, K = draw(case)
    D = batches[0][0].shape[2]
    model = Reader(case.cell, D, K, torch.Generator().manual_seed(number))
    start = weights(model.named())
    settings = dict(case.settings)
    if case.method == "Adam" and "beta1" in settings:
        settings["betas"] = (settings.pop("beta1"), settings.pop("beta2"))
    optimizer, usual = METHODS[case.method]
    descent = optimizer(model.parameters(), **usual | settings)
    x, y, _ = batches[0]
    state, losses, norms, first = None, [], [], {}
    for step in range(case.steps):
        x_now, y_now, begins = batches[step % len(batches)]
        h, p, after = model(x_now, None if begins or not step else state, case.truncation)
        state = after if case.task == "text" else None
        loss, accuracy = judged(case, p, y_now)
        descent.zero_grad()
        loss.backward()
        if not step:
            read = p if case.every else p[:, -1:]
            first = {"h": flat(h), "p": flat(read), "loss": loss.item(), "accuracy": accuracy}
            first["gradients"] = weights({name: w.grad for name, w in model.named().items()})
            first["flow"] = flow(case, model, x, y)
            first["felt"] = felt(model, x, K - 1)
        norms.append(clip_gradient(model.parameters(), case.clip).item())
        losses.append(loss.item())
        descent.step()
    one_hot = case.one_hot and case.task != "adding"
    return case._asdict() | {
        "T": LENGTHS[case.task], "x_steps": x.shape[1], "D": D, "K": K, "H": H, "N": N,
        "weights": start,
        "batches": [
            {"x": flat(x.argmax(dim=2) if one_hot else x), "y": flat(y), "begins": begins}
            for x, y, begins in batches
        ],
        "first": first, "losses": losses, "norms": norms, "after": weights(model.named()),
    }  # fmt: skip


def matrices() -> Iterator[tuple[str, np.ndarray]]:
    """Of every kind that is hard for a QR algorithm."""
    draw = np.random.default_rng(0)
    for n in (1, 2, 3, 4, 5, 8, 17, 64, 128):
        yield f"normal {n}", draw.normal(size=(n, n)) / math.sqrt(n)
    for n in (2, 3, 32):
        yield f"orthogonal {n}", np.linalg.qr(draw.normal(size=(n, n)))[0]
        yield f"a circle {n}", np.roll(np.eye(n), 1, axis=0)
    yield "symmetric", (lambda A: A + A.T)(draw.normal(size=(20, 20)))
    yield "skew", (lambda A: A - A.T)(draw.normal(size=(21, 21)))
    yield "zero", np.zeros((6, 6))
    yield "identity", np.eye(7)
    yield "triangular", np.triu(draw.normal(size=(12, 12)))
    yield "rank one", np.outer(draw.normal(size=9), draw.normal(size=9))
    yield "blocks", np.kron(np.eye(4), [[0.6, -0.8], [0.8, 0.6]])
    yield "tiny", 1e-30 * draw.normal(size=(10, 10))
    yield "large", 1e30 * draw.normal(size=(10, 10))
    yield "graded", np.diag(10.0 ** -np.arange(8)) @ draw.normal(size=(8, 8))


def eigenvalues(A: np.ndarray) -> list[list[float]]:
    return [[value.real, value.imag] for value in np.linalg.eigvals(A).astype(complex)]


def words(seed: int, count: int) -> list[int]:
    """The first outputs of xoshiro128**, by its authors' description, seeded by splitmix32."""
    full = 2**32 - 1
    s, state = [], seed
    for _ in range(4):
        state = (state + 0x9E3779B9) & full
        z = state
        z = (z ^ (z >> 16)) * 0x85EBCA6B & full
        z = (z ^ (z >> 13)) * 0xC2B2AE35 & full
        s.append(z ^ (z >> 16))

    def turn(x: int, k: int) -> int:
        return (x << k | x >> (32 - k)) & full

    found = []
    for _ in range(count):
        found.append(turn(s[1] * 5 & full, 7) * 9 & full)
        t = s[1] << 9 & full
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = turn(s[3], 11)
    return found


def main() -> None:
    torch.set_num_threads(1)
    lengths = (1, 5, 10)
    numbers = {
        "cases": [expected(n, case) for n, case in enumerate(cases())],
        "text": TEXT,
        "matrices": [
            {"name": name, "n": len(A), "W": A.flatten().tolist(), "eigenvalues": eigenvalues(A)}
            for name, A in matrices()
        ],
        "words": {seed: words(seed, 30) for seed in (0, 1, 2**31, 2**32 - 1)},
        "baselines": {
            "adding": tasks.adding_baseline(),
            "copying": {T: tasks.copying_baseline(T) for T in lengths},
        },
    }
    print(json.dumps(numbers))


if __name__ == "__main__":
    main()
