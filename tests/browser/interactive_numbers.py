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

import torch

from rnnlib import graphs, interactive, surfaces
from rnnlib.cells import LSTMCell
from rnnlib.phased import time_gate

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))
import page_words

STEP = {"tau": 0.5, "s": 0.5, "leak": 0.001}  # the others: 0.01
PATHS = "rnn-optimizer-paths"
MAP = "rnn-word-map"
HOPS = "rnn-graph-hops"


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
    figures[HOPS] = {
        "html": interactive.graph_hops()._repr_html_(),
        "ranges": interactive.RANGES[HOPS],
        "settings": interactive.graph_hops().settings,
        "cases": hop_cases(count, draw),
    }
    figures[MAP] = word_maps()
    scripts = {"rnn-words-made": figures[MAP].pop("script")}
    scripts |= {name: interactive.script(name) for name in ("rnn-figure", *figures)}
    print(json.dumps({"figures": figures, "scripts": scripts}))


if __name__ == "__main__":
    main()
