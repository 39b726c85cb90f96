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

from rnnlib import bptt, interactive, surfaces
from rnnlib.cells import LSTMCell
from rnnlib.layers import RNN
from rnnlib.models import Classifier
from rnnlib.phased import time_gate

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))
import page_wheels
import page_words

STEP = {
    "tau": 0.5,
    "s": 0.5,
    "leak": 0.001,
    "step": 1,
    "w_hh": 0.1,
    "x_1": 0.1,
    "t": 1,
}  # others: 0.01
PATHS = "rnn-optimizer-paths"
MAP = "rnn-word-map"
GRAPH = "rnn-bptt-graph"
WHEEL = "rnn-wheel"


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


def settings(tag: str, count: int, draw: random.Random) -> list[dict[str, float]]:
    """Both ends of every slider, then places in between, all on the sliders' steps."""
    ranges = interactive.RANGES[tag]
    ends = [{name: range_[end] for name, range_ in ranges.items()} for end in (0, 1)]
    for name in ranges:
        ends += [ends[0] | {name: ranges[name][1]}, ends[1] | {name: ranges[name][0]}]

    def place(name: str) -> float:
        (low, high), size = ranges[name], STEP.get(name, 0.01)
        return round(low + size * draw.randint(0, round((high - low) / size)), 3)

    return ends + [{name: place(name) for name in ranges} for _ in range(count)]


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
    return found | {"shown": {"drawn": drawn, "results": results}}


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
    cases = []
    for t in range(T):
        expected = {
            "x": xy[t, :, 0].tolist(), "y": xy[t, :, 1].tolist(),
            "size": np.hypot(*xy[t].T).mean().item(), "turned": data["turned"][t],
            "turn": data["turned"][t] - data["turned"][max(0, t - 1)],
            **{name: data[name][t] for name in ("share", "named", "right")},
        }  # fmt: skip
        cases.append([{"t": t, "digit": str(7 * t % xy.shape[1])}, expected])
    random.Random(0).shuffle(cases)
    facts = {name: data[name] for name in ("asked", "angle", "right")}
    return {"cases": cases, "most": np.hypot(*xy.reshape(-1, 2).T).max().item(), "facts": facts}


def wheels() -> dict[str, Any]:
    """A wheel of a network that is none, and those that notebooks show."""
    stills = page_wheels.shown()
    known = {
        name: json.loads(line[line.index("{", line.index(" = ")) :].rstrip(";\n"))
        for name, line in stills.items()
    }
    data = made_up_wheel()
    figure = interactive.wheel(data, "made")
    return {
        "html": figure._repr_html_(), "attributes": ' wheel="made"', "settings": figure.settings,
        "ranges": interactive.RANGES[WHEEL], "named": "wheel", "stills": stills,
        "byName": {name: wheel_cases(one) for name, one in {"made": data, **known}.items()},
        "script": figure.data,
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
    sets, scripts = {"made": word_cases(words, maps, full)}, {}
    for name, found in page_words.recorded().items():
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
        scripts[name] = interactive.word_script(name, found)
    figure = interactive.word_map(data, "made")
    return {
        "html": figure._repr_html_(), "attributes": ' words="made"', "settings": figure.settings,
        "ranges": {}, "cases": sets["made"]["cases"], "sets": sets, "stills": scripts,
        "script": figure.data,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=40)
    count = parser.parse_args().cases
    draw = random.Random(0)
    figures = {}
    for tag, figure, numbers in [
        ("rnn-time-gate", interactive.time_gate(), gate),
        ("rnn-lstm-step", interactive.lstm_step(), step),
        (GRAPH, interactive.bptt_graph(), sweep),
    ]:
        figures[tag] = {
            "html": figure._repr_html_(),
            "ranges": interactive.RANGES[tag],
            "settings": figure.settings,
            "cases": [[case, numbers(**case)] for case in settings(tag, count, draw)],
        }
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
    # Every step in order, with the sweep complete in the still drawing.
    ways = [{"step": n, "w_hh": 0.9, "x_1": 1.0} for n in range(19)]
    figures[GRAPH]["cases"][:0] = [[case, sweep(**case)] for case in ways]
    figures[GRAPH]["still"] = {"step": 18}
    figures[MAP], figures[WHEEL] = word_maps(), wheels()
    scripts = {"rnn-words-made": figures[MAP].pop("script")}
    scripts["rnn-wheels-made"] = figures[WHEEL].pop("script")
    scripts |= {name: interactive.script(name) for name in ("rnn-figure", *figures)}
    print(json.dumps({"figures": figures, "scripts": scripts}))


if __name__ == "__main__":
    main()
