"""What the interactive figures must show, by rnnlib: JSON for tests/browser/interactive.mjs.

    python tests/browser/interactive_numbers.py [--cases 40]

For each figure the HTML of a notebook's output, the sliders' ranges, and many settings with the
numbers that rnnlib computes for them.
"""

import argparse
import json
import math
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnnlib import bptt, graphs, init, interactive, optim, scan, surfaces
from rnnlib.cells import LSTMCell
from rnnlib.layers import RNN
from rnnlib.models import Classifier
from rnnlib.phased import time_gate

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))
import page_words

ROOT = Path(__file__).resolve().parents[2]

STEP = {  # of a slider where it is not 0.01
    "tau": 0.5, "s": 0.5, "leak": 0.001, "bias": 0.1, "spike": 0.05, "beta2": 0.001,
    "step": 1, "steps": 1, "row": 1, "w_hh": 0.1, "x_1": 0.1, "padding": 0.005, "perplexity": 0.1,
}  # fmt: skip
PATHS = "rnn-optimizer-paths"
MAP = "rnn-word-map"
UNITS = "rnn-lstm-units"
HOPS = "rnn-graph-hops"
GRAPH = "rnn-bptt-graph"
TREE = "rnn-scan-tree"
WHEEL = "rnn-wheel"
WAYS = ["sentences", "excluded", "padded", "counted"]  # of counting perplexity
OPTIONS: dict[str, dict[str, list[str]]] = {  # of choices
    "rnn-gradient-disc": {"matrix": ["uniform", "orthogonal"]},
    "rnn-adam-spike": {"calm": ["long", "none"]},
    UNITS: {"shown": ["tanh", "c", "i", "f", "o", "g"]},
    HOPS: {"source": list("ABCDEF"), "what": ["shares", "walks"]},
}
BUTTONS: dict[str, dict[str, dict[str, float | str]]] = {  # what they set; the rest stays
    "rnn-lstm-step": {
        "keep": {"f": 1, "i": 0},
        "write": {"f": 0, "i": 1},
        "add": {"f": 1, "i": 1},
        "hide": {"o": 0},
        "show": {"o": 1},
    },
    "rnn-gradient-disc": {
        "torch’s start": {"matrix": "uniform", "gain": 1, "bias": 0},
        "at the edge": {"matrix": "uniform", "gain": 1.69},
        "orthogonal": {"matrix": "orthogonal", "gain": 1},
        "forget bias 4": {"bias": 4},
    },
    "rnn-adam-spike": {
        "no spike": {"spike": 0},
        "30 times": {"spike": 1.5},
        "1000 times": {"spike": 3},
        "shorter memory": {"beta2": 0.99},
    },
    HOPS: {"C to E": {"source": "C", "layers": 4}, "no self-connections": {"lam": 0}},
    TREE: {"before the first row": {"row": 0}},
    GRAPH: {"all forward": {"step": 8}, "all the way back": {"step": 18}},
    "rnn-perplexity": {
        "no padding": {"padding": 0},
        "7.9 for 104.4": {"padding": 0.555, "perplexity": 104.4, "cost": 0},
        "and 22.1": {
            "padding": 0.555, "perplexity": 104.4, "spread": 1.2, "lengths": 1, "cost": 0,
        },
        "lengths alike": {"lengths": 0},
    },
}  # fmt: skip
STEPPED = {GRAPH: "step", WHEEL: "t", TREE: "row"}  # sliders that "next" and "back" move
LINES = {  # values that are drawn as lines, in this order
    "rnn-gradient-disc": ["lstm", "predicted", "rnn"],
    "rnn-adam-spike": ["m", "root", "adam", "rmsprop"],
    UNITS: ["i", "f", "o", "g", "beside", "c"],
    "rnn-perplexity": [f"by_{way}" for way in WAYS],
}
# Figures with data: the kind (tools/page_words.py), and the attribute that names them.
DATA = {MAP: ("words", "words"), UNITS: ("units", "data"), WHEEL: ("wheels", "wheel")}


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def gate(tau: float, s: float, r_on: float, leak: float) -> dict[str, Any]:
    """k(t) every quarter of a millisecond, and the cell that takes over sin(2 pi t / 50)."""
    t = torch.arange(401, dtype=torch.float64) / 4
    k = time_gate(t, tensor(tau), tensor(s), tensor(r_on), leak)[:, 0].tolist()
    c, last = [], 0.0
    for time, openness in zip(t.tolist(), k, strict=True):
        candidate = math.sin(2 * math.pi * time / 50)
        last = openness * candidate + (1 - openness) * last
        c.append(last)
    return {"k": k, "c": c}


def step(i: float, f: float, g: float, o: float, c_old: float) -> dict[str, Any]:
    """LSTMCell with weights of zero and biases that give these gates; derivatives by autograd."""
    cell = LSTMCell(1, 1).double()
    with torch.no_grad():
        cell.W_x.zero_()
        cell.W_h.zero_()
        gates = tensor(i, f, g, o)
        cell.b.copy_(torch.where(tensor(0, 0, 1, 0) == 1, gates.atanh(), gates.logit()))
    x = h = torch.zeros(1, 1, dtype=torch.float64)
    old = tensor(c_old)[None].requires_grad_()
    h_new, c = cell(x, (h, old))
    (dh,) = torch.autograd.grad(h_new, c, retain_graph=True)
    (dc,) = torch.autograd.grad(c, old)
    steps, last = [c_old], old
    for _ in range(10):
        _, last = cell(x, (h, last))
        steps.append(last.item())
    return {"c": c.item(), "h": h_new.item(), "dc": dc.item(), "dh": dh.item(), "steps": steps}


def disc(matrix: str, gain: float, bias: float) -> dict[str, Any]:
    """What a gain makes of a matrix that rnnlib.init draws, and of a vector sent back by it."""
    W = torch.empty(32, 32, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    if matrix == "uniform":
        init.uniform_(W, 32**-0.5, generator)
    else:
        init.orthogonal_(W, generator)
    W *= gain
    above = [z for z in torch.linalg.eigvals(W).tolist() if z.imag >= 0]  # those below mirror them
    eigenvalues = [
        [z.real, imaginary]
        for z in sorted(above, key=lambda z: (math.atan2(z.imag, z.real), abs(z)))
        for imaginary in ((z.imag, -z.imag) if z.imag else (0.0,))
    ]
    rho, f = max(map(abs, above)), torch.sigmoid(tensor(bias)).item()
    v, lengths = torch.full((32,), 32**-0.5, dtype=torch.float64), [0.0]
    for _ in range(60):
        v = W.T @ v
        lengths.append(math.log10(v.norm()))
    return {
        "f": f, "rho": rho, "eigenvalues": eigenvalues, "rnn": lengths,
        "predicted": [k * math.log10(rho) for k in range(61)],
        "lstm": [k * math.log10(f) for k in range(61)],
    }  # fmt: skip


def steps_of(
    optimizer: torch.optim.Optimizer, w: torch.Tensor, gradients: list[float]
) -> list[float]:
    """How far each gradient moves w, in learning rates, which is 1 here."""
    moved = []
    for g in gradients:
        w.grad = torch.full_like(w, g)
        with torch.no_grad():
            w.zero_()
        optimizer.step()
        moved.append(-w.item())
    return moved


def spike(spike: float, beta1: float, beta2: float, calm: str, steps: int = 200) -> dict[str, Any]:
    """What rnnlib's Adam and RMSprop do with gradients of 1 and one of S at step 20."""
    S = float(f"{10**spike:.2g}")
    gradients = [S if t == 20 else 1.0 for t in range(1, steps + 1)]
    w, w2 = (torch.zeros(1, dtype=torch.float64, requires_grad=True) for _ in range(2))
    adam = optim.Adam([w], lr=1.0, betas=(float(beta1), float(beta2)))
    rmsprop = optim.RMSprop([w2], lr=1.0)
    if calm == "long":  # what they keep after a million gradients of 1
        kept = {"step": torch.tensor(1e6), "exp_avg": tensor(1.0), "exp_avg_sq": tensor(1.0)}
        adam.state[w].update(kept)
        rmsprop.state[w2].update(step=torch.tensor(1e6), square_avg=tensor(1.0))
    m, root, moved = [], [], []
    for t, g in enumerate(gradients, start=1_000_001 if calm == "long" else 1):
        moved += steps_of(adam, w, [g])
        m.append(adam.state[w]["exp_avg"].item() / (1 - beta1**t))
        root.append(math.sqrt(adam.state[w]["exp_avg_sq"].item() / (1 - beta2**t)))
    moved2 = steps_of(rmsprop, w2, gradients)
    shown = {"m": m, "root": root, "adam": moved, "rmsprop": moved2}
    found: dict[str, Any] = {"S": S} | {name: values[:200] for name, values in shown.items()}
    if steps > 200:  # long enough to be forgotten
        found["short"] = sum(size < 0.9 for size in moved[19:])
        found["shortRmsprop"] = sum(size < 0.9 for size in moved2[19:])
    return found


NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)  # of a normal distribution


def ways(
    padding: np.ndarray, perplexity: float, spread: float, lengths: float, cost: float
) -> dict[str, np.ndarray]:
    """Logarithms (P,) of the perplexities: sentences of 101 lengths and of 60 nats a character."""
    x = math.log(perplexity) + spread * NODES  # (60,)
    half = lengths * np.minimum(padding, 1 - padding)
    share = (1 - padding)[:, None] + np.linspace(-1, 1, 101) * half[:, None]  # (P, 101)
    many = WEIGHTS / WEIGHTS.sum()
    nats = share[:, :, None] * x + (1 - share)[:, :, None] * cost  # (P, 101, 60), in a step's mean
    one = np.ones_like(padding)
    return {
        "sentences": one * math.log(many @ np.exp(x)),
        "excluded": (share[:, :, None] * x @ many).sum(1) / share.sum(1),
        "padded": np.log((np.exp(nats) @ many).mean(1)),
        "counted": (nats @ many).mean(1),
    }


def four(**settings: float) -> dict[str, Any]:
    """All ways at the chosen share of padding, and log10 of them from 0 to 90 per cent."""
    padding = settings.pop("padding")
    now = {way: nats.item() for way, nats in ways(np.array([padding]), **settings).items()}
    along = ways(np.arange(91) / 100, **settings)
    lines = {f"by_{way}": (nats / math.log(10)).tolist() for way, nats in along.items()}
    return now | lines | {"now": [[100 * padding, now[way] / math.log(10)] for way in WAYS]}


def settings(tag: str, count: int, draw: random.Random) -> list[dict[str, Any]]:
    """Both ends of every slider, then places in between, all on the sliders' steps."""
    ranges = interactive.RANGES[tag]
    ends = [{name: range_[end] for name, range_ in ranges.items()} for end in (0, 1)]
    for name in ranges:
        ends += [ends[0] | {name: ranges[name][1]}, ends[1] | {name: ranges[name][0]}]

    def place(name: str) -> float:
        (low, high), size = ranges[name], STEP.get(name, 0.01)
        return round(low + size * draw.randint(0, round((high - low) / size)), 3)

    cases: list[dict[str, Any]] = ends + [
        {name: place(name) for name in ranges} for _ in range(count)
    ]
    for name, options in OPTIONS.get(tag, {}).items():
        cases = [case | {name: draw.choice(options)} for case in cases]
    return cases


def share_of(t: int, cache: bptt.RNNCache, dh: np.ndarray) -> dict[str, float]:
    """What step t alone leaves for each weight: the sweep over this step and no other."""
    now = slice(t, t + 1)
    before = cache.h0 if t == 0 else cache.h[:, t - 1]
    alone = cache._replace(x=cache.x[:, now], h0=before, h=cache.h[:, now])
    grads = bptt.rnn_backward(dh[:, now], alone)
    return {name: grads[name].item() for name in ("W_hh", "W_hx", "b_h")}


def sweep(step: float, w_hh: float, x_1: float) -> dict[str, Any]:
    """All numbers of three steps of one unit, and those that are known after so many of 18."""
    x = np.array([float(x_1), 0.5, -0.5]).reshape(1, 3, 1)
    weights = {
        "W_hx": np.array([[0.8]]), "W_hh": np.array([[float(w_hh)]]), "b_h": np.array([0.1]),
        "W_ph": np.array([[1.5], [0.0]]), "b_p": np.zeros(2),
    }  # fmt: skip
    zero, y = np.zeros((1, 1)), np.zeros(1, dtype=int)
    h, cache = bptt.rnn_forward(x, zero, weights)
    p = bptt.readout_forward(h[:, -1], weights["W_ph"], weights["b_p"])
    _, dp = bptt.cross_entropy(p, y)
    loss, grads = bptt.rnn_loss(x, y, zero, weights)
    shares = [share_of(t, cache, grads["h"]) for t in range(3)]
    for name in shares[0]:
        assert math.isclose(sum(part[name] for part in shares), grads[name].item(), abs_tol=1e-14)
    found = {
        "a": (0.8 * x + w_hh * np.append(0, h[0, :2]).reshape(1, 3, 1) + 0.1).ravel().tolist(),
        "h": h.ravel().tolist(), "p": p[0, 0].item(), "y_hat": bptt.softmax(p)[0, 0].item(),
        "loss": loss, "dp": dp[0, 0].item(), "dW_ph": grads["W_ph"][0, 0].item(),
        "dh": grads["h"].ravel().tolist(), "da": (grads["x"] / 0.8).ravel().tolist(),
    }  # fmt: skip
    every = [(f"{name}_{t}", found[name][t - 1]) for t in (1, 2, 3) for name in "ah"]
    every += [("p", found["p"]), ("L", loss), ("δp", found["dp"])]
    drawn = dict(every[: int(step)])
    results = [value for _, value in every[int(step) - 1 : int(step)]]
    if step == 8:
        results.insert(0, found["y_hat"])
    if step == 9:
        results.append(found["dW_ph"])
    for n in range(10, int(step) + 1):
        t, kind = 3 - (n - 10) // 3, (n - 10) % 3
        if kind < 2:
            results = [found[("dh", "da")[kind]][t - 1]]
            drawn[f"δ{'ha'[kind]}_{t}"] = results[0]
            continue
        results = list(shares[t - 1].values())
        for name, value in shares[t - 1].items():
            drawn[f"{name} {t}"] = value
            drawn[f"{name} sum"] = sum(part[name] for part in shares[t - 1 :])
    return found | {"sweep": {"drawn": drawn, "results": results}}


def tree(steps: float, row: float) -> dict[str, Any]:
    """The map of each step's own stretch after each row, by the loop from 0 and from 1."""
    a, b = tensor(2, 1, -1, 3, 1, 2, -2, 1), tensor(1, 2, 0, 1, -3, 1, 2, 1)
    T = int(steps)
    k = T.bit_length() - 1  # rows upwards; downwards one for each d with 3d <= T
    downwards = [2**n for n in reversed(range(k)) if 3 * 2**n <= T]
    found: dict[str, Any] = {"a": [], "b": [], "known": []}
    for r in range(min(int(row), k + len(downwards)) + 1):
        widths = [min(t & -t, 2 ** min(r, k)) for t in range(1, T + 1)]  # powers of 2 in t
        for d in downwards[: max(0, r - k)]:
            for t in range(3 * d, T + 1, 2 * d):
                widths[t - 1] = t
        maps = []
        for t, width in enumerate(widths, 1):
            stretch = [v[t - width : t].view(1, -1, 1) for v in (a, b)]
            zero, one = (scan.sequential(*stretch, tensor(h).view(1, 1))[0, -1, 0] for h in (0, 1))
            maps.append(((one - zero).item(), zero.item(), int(width == t)))
        for values, column in zip(found.values(), zip(*maps, strict=True), strict=True):
            values.append(list(column))
    return found | {"done": len(found["a"]) - 1}


def made_up_wheel() -> dict[str, Any]:
    """The data of a network that is none: its matrix turns one plane by 40 degrees."""
    draw = torch.Generator().manual_seed(0)
    H, turn = 12, math.radians(40)
    model = Classifier(RNN(10, H, generator=draw), 10, generator=draw).double()
    Q, _ = torch.linalg.qr(torch.randn(H, H, generator=draw, dtype=torch.float64))
    W = 0.5 * torch.eye(H, dtype=torch.float64)
    W[:2, :2] = 3 * tensor(math.cos(turn), -math.sin(turn), math.sin(turn), math.cos(turn)).view(
        2, 2
    )
    at = 2 * math.pi * torch.arange(10, dtype=torch.float64) / 10
    at[9] = at[8] + 0.03  # two names that want the same place
    with torch.no_grad():
        model.rnn.cells[0].W_h.copy_(Q @ W @ Q.T)
        model.rnn.cells[0].W_x.copy_(0.1 * Q[:, :2] @ torch.stack([at.cos(), at.sin()]))
        model.rnn.cells[0].b.zero_()
    digits = torch.randint(10, (400, 41), generator=draw)
    x = torch.nn.functional.one_hot(digits, 10).double()
    return interactive.wheel_data(model, x, digits[:, 0], 18)


def wheel_cases(data: dict[str, Any]) -> dict[str, Any]:
    """What stands where at each step, by the data; and the farthest that one stands."""
    T = len(data["turned"])
    xy = data["unit"] * np.array(data["xy"], dtype=float).reshape(T, -1, 2)
    digits = [str(d) for d in range(xy.shape[1])]
    cases = []
    for t in range(T):
        expected = {
            "x": xy[t, :, 0].tolist(), "y": xy[t, :, 1].tolist(),
            "size": np.hypot(*xy[t].T).mean().item(), "turned": data["turned"][t],
            "turn": data["turned"][t] - data["turned"][max(0, t - 1)],
            **{name: data[name][t] for name in ("share", "named", "right")},
        }  # fmt: skip
        cases.append([{"t": t, "digit": digits[7 * t % len(digits)]}, expected])
    random.Random(0).shuffle(cases)
    return {
        "ranges": {"t": (0, T - 1)},
        "cases": cases,
        "options": {"digit": digits},
        "buttons": {"where training asked": {"t": data["asked"]}},
        "most": np.hypot(*xy.reshape(-1, 2).T).max().item(),
        "facts": {name: data[name] for name in ("angle", "right")},
    }


def wheels() -> dict[str, Any]:
    """A wheel of a network that is none, and those that notebooks show."""
    made = made_up_wheel()
    sets = {"made": made, **page_words.data_of("wheels")}
    figure = interactive.wheel(made, "made")
    return {
        "html": figure._repr_html_(), "attributes": ' wheel="made"', "settings": figure.settings,
        "data": {name: wheel_cases(data) for name, data in sets.items()}, "script": figure.data,
    }  # fmt: skip


def paths(surface: str, w1: float, w2: float, steps: float, **rest: Any) -> dict[str, Any]:
    """Every method's path, its last loss, and up to which step the path is to be believed.

    Some paths never settle: a change in the last digit grows until it is seen. Such a path is
    compared only as long as one that starts 1e-14 beside it stays within 1e-10.
    """
    found: dict[str, Any] = {"rates": {}, "paths": {}, "losses": {}, "until": {}}
    loss = surfaces.SURFACES[surface].loss
    for name, (method, options) in surfaces.METHODS.items():
        key = name.lower()
        lr = float(f"{10 ** rest[f'lr_{key}']:.2g}")
        path, beside = (
            surfaces.descend(loss, method, start, int(steps), lr=lr, **options)
            for start in ((w1, w2), (w1 * (1 + 1e-14), w2 * (1 - 1e-14)))
        )
        size = path.abs().amax(1)
        apart = (path - beside).abs().amax(1) > 1e-10 * size
        found["rates"][key] = lr
        found["paths"][key] = path.tolist()
        found["losses"][key] = loss(path[-1]).item()
        found["until"][key] = int(apart.int().argmax()) if apart.any() else int(steps)
    return found


def places(count: int, draw: random.Random) -> list[dict[str, Any]]:
    """Every surface from its own start and from others, with rates below and above its own."""
    shown = {f"show_{name.lower()}": True for name in surfaces.METHODS}
    cases: list[dict[str, Any]] = []
    for surface, view in surfaces.SURFACES.items():
        for shift, steps in ((0.0, 300), (-1.0, 100), (-0.5, 100), (0.3, 60), (1.0, 40)):
            start = view.start if shift in (0, -1) else (draw.randint(-200, 200) / 100, 0.37)
            if shift == 1:
                start = (-2.0, 2.0)
            rates = {
                f"lr_{name.lower()}": round(min(2, math.log10(rate) + shift), 1)
                for name, rate in surfaces.RATES[surface].items()
            }
            place = {"surface": surface, "steps": steps, "w1": start[0], "w2": start[1]}
            cases.append(place | rates | shown)
    ends = interactive.RANGES[PATHS]
    for _ in range(count // 4):
        case: dict[str, Any] = {"surface": draw.choice(list(surfaces.SURFACES))}
        case |= {
            name: draw.randint(round(10 * a), round(10 * b)) / 10 for name, (a, b) in ends.items()
        }
        cases.append(case | {"steps": draw.randint(0, 60)} | shown)
    draw.shuffle(cases)
    return cases


def made_up() -> tuple[list[str], dict[str, torch.Tensor], torch.Tensor]:
    """500 words that are none, in 25 heaps of an embedding of 16, and two maps of them."""
    draw = torch.Generator().manual_seed(0)
    syllables = [a + b for a in "bdfgklmnprstw" for b in ("a", "e", "i", "o", "u")]
    letters = random.Random(0)
    odd = ["<unk>", ",", '"', "&amp;", "'s", "É", "ba"]
    drawn = ("".join(letters.sample(syllables, 2 + n % 3)) for n in range(600))
    words = list(dict.fromkeys([*odd, *drawn]))[:500]
    heap = torch.randint(25, (500,), generator=draw)

    def places(E: int, spread: float) -> torch.Tensor:
        centre = torch.randn(25, E, dtype=torch.float64, generator=draw)
        return centre[heap] + spread * torch.randn(500, E, dtype=torch.float64, generator=draw)

    embedding = places(16, 0.6)
    _, _, axes = torch.linalg.svd(embedding - embedding.mean(0), full_matrices=False)
    return words, {"learned 2-D": places(2, 0.2), "projection": embedding @ axes[:2].T}, embedding


Pairs = list[tuple[str, float]]  # words, and how far or how alike they are


def word_cases(
    words: list[str], maps: dict[str, torch.Tensor], full: dict[str, list[Pairs]]
) -> dict[str, Any]:
    """What words chosen at random have nearby on each map, and how much of ``full`` that is.

    ``full``: by the number of words, for each word some nearest ones and their cosines. Places are
    rounded on the page, so more than five words are named and who is fifth may differ. Pairs and no
    dicts: JavaScript puts keys that are numbers first, and *2011* is a word.
    """
    draw, cases, units = random.Random(0), [], {}
    for name, xy in maps.items():
        units[name] = (xy.amax(0) - xy.amin(0)).max().item() / 10_000
        for count, cosines in full.items():
            distances = torch.cdist(xy[: int(count)], xy[: int(count)])
            order = distances.fill_diagonal_(torch.inf).sort(stable=True)
            near = [[words[m] for m in row] for row in order.indices[:, :10].tolist()]
            kept = [
                len({*a[:5]} & {word for word, _ in b[:5]})
                for a, b in zip(near, cosines, strict=True)
            ]
            for n in (0, int(count) - 1, *draw.sample(range(int(count)), 8)):
                expected = {
                    "near": list(zip(near[n], order.values[n, :10].tolist(), strict=True)),
                    "full": cosines[n],
                    "kept": sum(kept) / len(kept),
                }
                cases.append([{"map": name, "count": count, "word": words[n]}, expected])
    draw.shuffle(cases)
    places = {name: xy.tolist() for name, xy in maps.items()}
    return {"words": words, "maps": places, "units": units, "cases": cases}


def word_maps() -> dict[str, Any]:
    """A map of words that are none, and those that studies recorded."""
    words, maps, embedding = made_up()
    data = interactive.word_data(words, maps, embedding)
    full: dict[str, list[Pairs]] = {}
    for count in ("100", "500"):
        C = embedding[: int(count)]
        cosines = torch.cosine_similarity(C[:, None], C[None], dim=2).fill_diagonal_(-1)
        rows = [row.topk(10) for row in cosines]
        full[count] = [
            list(zip([words[m] for m in row.indices], row.values.tolist(), strict=True))
            for row in rows
        ]
    sets = {"made": word_cases(words, maps, full)}
    for name, found in page_words.data_of("words").items():
        words = found["words"]
        maps = {
            key: part["unit"] * torch.tensor(part["xy"], dtype=torch.float64).view(-1, 2)
            for key, part in found["maps"].items()
        }
        full = {}
        for count, near in found["neighbours"].items():
            pairs = zip(near["index"], near["cosine"], strict=True)
            named = [(words[m], percent / 100) for m, percent in pairs]
            full[count] = [named[5 * n : 5 * n + 5] for n in range(int(count))]
        sets[name] = word_cases(words, maps, full)
    figure = interactive.word_map(data, "made")
    return {
        "html": figure._repr_html_(), "attributes": ' words="made"', "settings": figure.settings,
        "ranges": {}, "cases": sets["made"]["cases"], "sets": sets, "script": figure.data,
    }  # fmt: skip


def unit_cases(data: dict[str, Any], count: int, draw: random.Random) -> dict[str, Any]:
    """What the figure must show of an LSTM's units, in orders drawn at random."""
    H = data["units"]
    parts = {name: np.reshape(data[name], (H, -1)) for name in "ifogc"}  # hundredths
    values = {name: part / 100 for name, part in parts.items()}
    values["tanh"] = np.tanh(values["c"])
    ranges = dict.fromkeys(("row", "other"), (1, H))
    cases = []
    for n in range(count):
        shown = OPTIONS[UNITS]["shown"][n % 6]
        order = draw.sample(range(1, H + 1), H)
        row, other = (1, H) if n < 6 else (draw.randint(1, H), draw.randint(1, H))
        limit = np.abs(values["c"]).max().item() if shown == "c" else 1
        case = {"shown": shown, "order": order, "row": row, "other": other}
        unit, second = order[row - 1], order[other - 1]
        expected = {name: values[name][unit - 1].tolist() for name in "ifogc"} | {
            "unit": unit, "second": second, "beside": values["c"][second - 1].tolist(),
            "rows": values[shown][np.array(order) - 1].tolist(),
            "low": 0 if shown in "ifo" else -limit, "limit": limit,
        }  # fmt: skip
        cases.append([case, expected])
    sizes = {"largest cell first": np.abs(parts["c"]), "forget gate first": parts["f"]}
    orders = {
        text: {"order": (1 + np.argsort(-size.sum(1), kind="stable")).tolist()}
        for text, size in sizes.items()
    }
    orders["by number"] = {"order": list(range(1, H + 1))}
    return {"ranges": ranges, "cases": cases, "buttons": orders}


def units(count: int, draw: random.Random) -> dict[str, Any]:
    """20 units of an untrained LSTM over 24 letters, and those that studies recorded."""
    generator = torch.Generator().manual_seed(0)
    cell = LSTMCell(4, 20, generator=generator).double()
    init.uniform_(cell.W_h.data, 0.8, generator)
    x = torch.randn(24, 1, 4, dtype=torch.float64, generator=generator)
    state, gates, cells = cell.zero_state(1), [], []
    with torch.no_grad():
        for x_t in x:
            i, f, g, o = (x_t @ cell.W_x.T + state[0] @ cell.W_h.T + cell.b).chunk(4, dim=1)
            gates.append(torch.cat([i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()], dim=1)[0])
            state = cell(x_t, state)
            cells.append(state[1][0])
    labels = ["<", "&", *"bcdefghijklmnopqrstuvw"]
    made = interactive.unit_data(torch.stack(gates), torch.stack(cells), labels)
    sets = {"made": made, **page_words.data_of("units")}
    figure = interactive.lstm_units(made, "made", row=3, other=8)
    return {
        "html": figure._repr_html_(), "attributes": ' data="made" row="3" other="8"',
        "settings": figure.settings,
        "data": {name: unit_cases(data, count, draw) for name, data in sets.items()},
        "script": figure.data,
    }  # fmt: skip


def hops(source: str, what: str, layers: int, lam: float) -> dict[str, Any]:
    """The source's column of the power of the matrix, and the layers until each node is reached."""
    edges, names = graphs.edges_of(graphs.SIX)
    A = graphs.adjacency(edges, len(names), dtype=torch.float64)
    step = A.to_dense() + lam * torch.eye(6, dtype=torch.float64)
    if what == "shares":
        step = graphs.normalised(A, lam)
    column = torch.linalg.matrix_power(step, layers)[:, names.index(source)]
    return {"amounts": column.tolist(), "hops": graphs.hops(A, names.index(source))}


def hop_cases(count: int, draw: random.Random) -> list[list[Any]]:
    """Every node and both kinds of numbers, at both ends of the sliders and between."""
    cases = []
    for n in range(2 * count):
        case: dict[str, Any] = {"source": "ABCDEF"[n % 6], "what": ("shares", "walks")[n // 6 % 2]}
        case |= {"layers": draw.randint(0, 6), "lam": draw.choice([0, 1, 3, 0.1, 0.5, 2.9])}
        cases.append([case, hops(**case)])
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=40)
    count = parser.parse_args().cases
    draw = random.Random(0)
    figures = {}
    for tag, figure, numbers in [
        ("rnn-time-gate", interactive.time_gate(), gate),
        ("rnn-lstm-step", interactive.lstm_step(), step),
        ("rnn-gradient-disc", interactive.gradient_disc(), disc),
        ("rnn-adam-spike", interactive.adam_spike(), spike),
        (GRAPH, interactive.bptt_graph(), sweep),
        ("rnn-perplexity", interactive.perplexity(), four),
        (TREE, interactive.scan_tree(), tree),
    ]:
        figures[tag] = {
            "html": figure._repr_html_(),
            "ranges": interactive.RANGES[tag],
            "settings": figure.settings,
            "cases": [[case, numbers(**case)] for case in settings(tag, count, draw)],
        }
    for case, expected in figures["rnn-adam-spike"]["cases"][1:30:13]:  # others: 200 steps
        expected |= spike(**case, steps=10_019)
    in_order = [{"step": n, "w_hh": 0.9, "x_1": 1.0} for n in range(19)]
    figures[GRAPH]["cases"][:0] = [[case, sweep(**case)] for case in in_order]
    figures[GRAPH]["attributes"] = ' step="18"'  # the still drawing shows all
    shown = {f"show_{name.lower()}": True for name in surfaces.METHODS}
    figure = interactive.optimizer_paths()
    figures[PATHS] = {
        "html": figure._repr_html_(),
        "ranges": interactive.RANGES[PATHS],
        "settings": figure.settings,
        "shown": shown,
        "starts": {
            surface: interactive.optimizer_paths(surface).settings for surface in surfaces.SURFACES
        },
        "cases": [[case, paths(**case)] for case in places(count, draw)],
    }
    figures[HOPS] = {
        "html": interactive.graph_hops()._repr_html_(),
        "ranges": interactive.RANGES[HOPS],
        "settings": interactive.graph_hops().settings,
        "cases": hop_cases(count, draw),
    }
    figures |= {MAP: word_maps(), UNITS: units(24, draw), WHEEL: wheels()}
    tables = {"options": OPTIONS, "buttons": BUTTONS, "stepped": STEPPED, "lines": LINES}
    for tag, figure in figures.items():
        figure.update({name: table.get(tag) for name, table in tables.items()})
    scripts = {}
    for tag, (kind, attribute) in DATA.items():
        figures[tag].update(attribute=attribute, stills=page_words.scripts(kind))
        scripts[f"rnn-{kind}-made"] = figures[tag].pop("script")
    scripts |= {name: interactive.script(name) for name in ("rnn-figure", *figures)}
    print(json.dumps({"figures": figures, "scripts": scripts}))


if __name__ == "__main__":
    main()
