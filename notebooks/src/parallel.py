# %% [markdown]
# # Recurrences without the wait: run it
#
# This notebook goes with the page [Recurrences without the wait](../book/parallel.md).
# You will compute a recurrence over thousands of steps by a tree, hold it and its gradient against the loop, and see what a network loses whose gates do not see its state.
# It runs in about half a minute on one processor core.

# %% cellView="form" mystnb={"code_prompt_hide": "Set up: installs rnnlib where it is missing", "code_prompt_show": "Set up: installs rnnlib where it is missing"} tags=["hide-input"]
# @title Set up: installs rnnlib where it is missing
# This notebook uses rnnlib, the small library of this book.
# In Colab it is missing at first: then this cell installs it, which takes about half a minute.
# Where rnnlib is there, the cell does nothing, so you can run it as often as you like.
# Your torch, numpy and matplotlib stay as they are, because rnnlib asks for lower bounds only.
# Colab forgets what you change here, unless you keep a copy: File > Save a copy in Drive,
# or File > Download > Download .ipynb.
import importlib
import importlib.util
import pathlib
import subprocess
import sys


def has_rnnlib() -> bool:
    """A folder that is only called rnnlib, beside this notebook, does not count."""
    spec = importlib.util.find_spec("rnnlib")
    places = (spec and spec.submodule_search_locations) or []
    return any(pathlib.Path(place, "layers").is_dir() for place in places)


if not has_rnnlib():
    address = "https://github.com/your_name/recurrent-networks-from-scratch"
    version = "main"  # in a release of the book: its tag
    print(f"Installing rnnlib from {address}, version {version}")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", f"rnnlib @ git+{address}@{version}"]
    done = subprocess.run(pip, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"rnnlib could not be installed. pip says:\n{done.stderr}")
    importlib.invalidate_caches()
    sys.modules.pop("rnnlib", None)
    if not has_rnnlib():
        found = importlib.util.find_spec("rnnlib")
        raise RuntimeError(f"Another rnnlib stands before the book's: {found}. Rename it.")
    print("To keep what you write here: File > Save a copy in Drive, or File > Download.")

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import torch

from rnnlib import check, experiments, figures, layers, models, scan, tasks
from rnnlib.cells.minimal import log_g
from rnnlib.tasks.permutations import SWAPS

FAST = os.environ.get("RNNLIB_FAST") == "1"  # small sizes, for tests
figures.use_style()
F64 = torch.float64


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=seeded(seed))


def group(runs, *keys):
    """Runs by the values of some settings, in order of appearance."""
    groups = {}
    for r in runs:
        groups.setdefault(tuple(r["settings"][k] for k in keys), []).append(r)
    return groups


# %% [markdown]
# ## The problem: a step waits for the one before
#
# The study `parallel` took the time of one layer over the length of its input: 8 sequences, 64 inputs and units, single precision, one thread.
# Here is its record; a point is the median of five, in processor time.

# %%
timed = experiments.load("parallel_times")
print(timed["command"])
milliseconds = {  # [training step or inference][way][T]: a list of times
    train: {
        way: {r["settings"]["T"]: r["result"]["milliseconds"][way] for r in timed["runs"] if r["settings"]["train"] == train}
        for way in timed["runs"][0]["result"]["milliseconds"]
    }
    for train in (True, False)
}
SHOWN = ("minGRU, loop", "minGRU, gates at once", "minGRU, log scan", "minGRU, scan", "torch's GRU")

# %% mystnb={"image": {"alt": "Two panels, milliseconds against the length T from 16 to 16,384, both logarithmic. The loop's line is straight and far above the scan's, which begins flat and then rises beside it; the log scan's lies above the scan's. torch's GRU lies near the loop in the training step and between the two in inference."}} tags=["paste:times"]
fig, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True)
for ax, train in zip(axes, (True, False), strict=True):
    for k, way in enumerate(SHOWN):
        taken = milliseconds[train][way]
        ax.plot(
            taken.keys(), [np.median(t) for t in taken.values()], marker="o", ms=4,
            color=figures.COLOURS[k], linestyle=figures.DASHES[k], label=way,
        )
    ax.set(xscale="log", yscale="log", xlabel="steps T", title="training step" if train else "inference")
    ax.set_xticks(list(taken), [f"{T:,}" for T in taken], rotation=30)
    ax.minorticks_off()
axes[0].set_ylabel("milliseconds")
handles, names = axes[0].get_legend_handles_labels()
fig.legend(handles, names, loc="outside upper center", ncols=3)
plt.show()

# %% tags=["paste:times_table"]
rows = []
for train in (True, False):
    for way in milliseconds[train]:
        if way == "minGRU, scan":
            continue
        base = milliseconds[train]["minLSTM, scan" if way in ("minLSTM, loop", "minLSTM, log scan") else "minGRU, scan"]
        ratios = {T: np.array(t) / np.array(base[T]) for T, t in milliseconds[train][way].items()}
        rows.append(["training step" if train else "inference", way, *(f"{np.median(q):.2g}" if np.median(q) < 10 else f"{np.median(q):.0f}" for q in ratios.values())])
figures.table(["", "time, in scans (torch's GRU: the minGRU's)", *(f"T = {T:,}" for T in base)], rows)

# %% [markdown]
# The loop pays for each of its steps, however little there is to do in one; with the gates computed at once it pays less.
# How the scan does all steps at once is the subject of this chapter.
# (torch's GRU and the minLSTM's scan are measured in scans of the minGRU.)
#
# ## Claim: one step after another is a step of the same kind
#
# A step is the map $h \mapsto a h + b$, so two numbers say all of it.

# %% tags=["nbval-check-output"]
def after(second, first):
    """The pair of the map that does ``first`` and then ``second``."""
    (a_2, b_2), (a_1, b_1) = second, first
    return a_2 * a_1, a_2 * b_1 + b_2


u, v, w = ((2, 5), (3, 7), (-4, 1))
h = 10
one_by_one = w[0] * (v[0] * (u[0] * h + u[1]) + v[1]) + w[1]
a, b = after(w, after(v, u))
print("three maps one by one:", one_by_one, "- as one map:", a * h + b)
print("grouped the other way:", after(after(w, v), u) == after(w, after(v, u)))
print("in another order:     ", after(u, v) == after(v, u))

# %% [markdown]
# Grouping does not matter, order does.
#
# ## Eight steps as a tree
#
# One unit, eight steps, and $h_0 = 0$.
# First upwards: pairs of steps, then pairs of pairs.
# Then downwards: what is missing between is one application away from what is there.


# %%
def levels(a, b):
    """Each level of the tree: a name, the pairs after it, and which steps' states are known."""
    a, b, T = list(a), list(b), len(a)
    yield "steps", a[:], b[:], {1}
    done, d = {1}, 1
    while 2 * d <= T:
        for t in range(2 * d, T + 1, 2 * d):  # step t takes in the d steps before its own d
            a[t - 1], b[t - 1] = after((a[t - 1], b[t - 1]), (a[t - d - 1], b[t - d - 1]))
        d *= 2
        done |= {d}
        yield f"up, {d} steps in one", a[:], b[:], set(done)
    while d > 1:
        d //= 2
        for t in range(3 * d, T + 1, 2 * d):
            b[t - 1] = a[t - 1] * b[t - d - 1] + b[t - 1]
            done |= {t}
        if T >= 3 * d:
            yield f"down, {d} before", a[:], b[:], set(done)


a, b = [2, 1, -1, 3, 1, 2, -2, 1], [1, 2, 0, 1, -3, 1, 2, 1]
rows = []
for name, a_now, b_now, done in levels(a, b):
    rows.append([name, *(f"**{y}**" if t in done else f"({x}, {y})" for t, (x, y) in enumerate(zip(a_now, b_now, strict=True), 1))])
figures.table(["", *(f"$t = {t}$" for t in range(1, 9))], rows)

# %% tags=["nbval-check-output"]
whole = [torch.tensor(n, dtype=F64)[None, :, None] for n in (a, b)]
print("the loop:", [int(n) for n in scan.sequential(*whole).flatten()])
print("the tree:", b_now, "- the library's:", [int(n) for n in scan.parallel(*whole).flatten()])
assert b_now == scan.sequential(*whole).flatten().tolist()

# %% [markdown]
# A bold number is a state $h_t$ that is known; a pair says what a stretch of steps does to whatever comes before it.
# The same row by row, for any number of steps up to eight:

# %%
from rnnlib import interactive

interactive.scan_tree(row=0)

# %% [markdown]
# ## Claim: the scan is the loop, gradients too
#
# States and gradients of `scan.parallel` and `scan.parallel_log` against the loop under autograd, in double precision.
# The loss weighs every state at random.


# %% tags=["paste:equal"]
def with_gradients(function, values):
    """The states, and the gradients of a loss that weighs every state at random."""
    leaves = [v.clone().requires_grad_() for v in values]
    h = function(*leaves)
    return [h.detach(), *torch.autograd.grad((normal(*h.shape, seed=9) * h).sum(), leaves)]


def worst(found, expected):
    """For each tensor its largest difference, relative to its largest entry, as in the chapter on BPTT."""
    return [check.relative_error(f.numpy(), e.numpy()) for f, e in zip(found, expected, strict=True)]


def by_logs(a, b, h_0):
    return scan.parallel_log(a.log(), b.log(), h_0.log()).exp()


LENGTHS = (1, 7, 64, 1000)
found = {}
for T in LENGTHS:
    signed = [torch.tanh(normal(3, T, 4)), normal(3, T, 4, seed=1), normal(3, 4, seed=2)]
    positive = [v.sigmoid() for v in signed]
    found["`parallel`", T] = worst(with_gradients(scan.parallel, signed), with_gradients(scan.sequential, signed))
    found["`parallel_log`", T] = worst(with_gradients(by_logs, positive), with_gradients(scan.sequential, positive))
figures.table(
    ["scan", "$T$", "$h$", "$\\partial L/\\partial a$", "$\\partial L/\\partial b$", "$\\partial L/\\partial h_0$"],
    [[name, T, *(f"{e:.0e}" for e in errors)] for (name, T), errors in found.items()],
)

# %% [markdown]
# And the layers, with a first state of both signs: all steps at once against one after the other, with the gradients of input, first state and weights.


# %% tags=["paste:equal_layers"]
def layer_results(net, x, h_0):
    x, h_0 = x.clone().requires_grad_(), h_0.clone().requires_grad_()
    h, _ = net(x, h_0)
    wanted = [x, h_0, *net.parameters()]
    return [h.detach(), *torch.autograd.grad((normal(*h.shape, seed=9) * h).sum(), wanted)]


rows = []
for kind in (layers.MinGRU, layers.MinLSTM):
    for method in ("scan", "log scan"):
        for L in (1, 3):
            net = kind(5, 8, L, generator=seeded(0), dtype=F64)
            x, h_0 = normal(3, 200, 5), normal(L, 3, 8, seed=1)
            expected = layer_results(net.compute_with("loop"), x, h_0)
            errors = worst(layer_results(net.compute_with(method), x, h_0), expected)
            found[kind.__name__, method, L] = errors
            rows.append([kind.__name__, method, L, f"{errors[0]:.0e}", f"{max(errors[1:]):.0e}"])
figures.table(["layer", "method", "layers", "states", "worst gradient"], rows)

# %% tags=["nbval-check-output"]
print("all equal to the loop within 1e-10:", max(map(max, found.values())) < 1e-10)
assert max(map(max, found.values())) < 1e-10

# %% [markdown]
# ## Claim: the gradient is the scan, backwards in time
#
# The page derives $\delta h_t = \partial^{+} L/\partial h_t + a_{t+1} \odot \delta h_{t+1}$ and what follows from it.
# In NumPy, as a loop, against central differences of the loss:

# %%
def scan_forward(a, b, h_0):
    """h_t = a_t h_{t-1} + b_t: a, b (N, T, H), h_0 (N, H) -> h (N, T, H)."""
    h = np.empty_like(b)
    before = h_0
    for t in range(a.shape[1]):
        before = h[:, t] = a[:, t] * before + b[:, t]
    return h


def scan_backward(dh, a, h, h_0):
    """What the loss says of each state, dh (N, T, H) -> its gradients by a, b and h_0."""
    delta = np.zeros_like(dh)
    carried = np.zeros_like(h_0)  # a_{T+1} delta_{T+1}
    for t in reversed(range(dh.shape[1])):
        delta[:, t] = dh[:, t] + carried
        carried = a[:, t] * delta[:, t]
    before = np.concatenate([h_0[:, None], h[:, :-1]], axis=1)
    return {"a": delta * before, "b": delta, "h_0": carried}


# %% tags=["paste:backward"]
rng = np.random.default_rng(0)
N, T, H = 3, 6, 4
given = {"a": rng.normal(size=(N, T, H)), "b": rng.normal(size=(N, T, H)), "h_0": rng.normal(size=(N, H))}
weigh = rng.normal(size=(N, T, H))
by_hand = scan_backward(weigh, given["a"], scan_forward(**given), given["h_0"])
tensors = [torch.tensor(v) for v in given.values()]
leaves = [v.requires_grad_() for v in tensors]
by_tree = torch.autograd.grad((torch.tensor(weigh) * scan.parallel(*leaves)).sum(), leaves)
rows, errors = [], []
for name, from_tree in zip(given, by_tree, strict=True):
    quotient = check.central_difference(lambda: (weigh * scan_forward(**given)).sum(), given[name])
    pair = check.relative_error(by_hand[name], quotient), check.relative_error(from_tree.numpy(), by_hand[name])
    errors.append(pair)
    rows.append([f"$\\partial L/\\partial {name}$", *(f"{e:.0e}" for e in pair)])
figures.table(["gradient", "by hand, against differences", "the library's, against by hand"], rows)

# %% tags=["nbval-check-output"]
worst_pair = np.max(errors, axis=0)
print("by hand, against differences, below 1e-7:   ", worst_pair[0] < 1e-7)
print("the library's, against by hand, below 1e-12:", worst_pair[1] < 1e-12)
assert worst_pair[0] < 1e-7 and worst_pair[1] < 1e-12

# %% [markdown]
# ## Why others take logarithms
#
# The recurrence has a closed form, $h_t = A_t \left(h_0 + \sum_{s \le t} b_s / A_s\right)$ with $A_t = a_1 \cdots a_t$.
# It is two cumulative operations, and it divides by products of gates.
# Four ways in single precision, against the loop in double precision, on gates $\sigma(\cdot)$ of normal numbers:


# %% mystnb={"image": {"alt": "Largest relative error of a state against the length T from 4 to 8,192, both logarithmic, four lines. The tree and the tree of logarithms stay between one and four times ten to the minus seven. The closed form in logarithms rises in a straight line to nearly ten to the minus three. The closed form by division ends after 64 steps, where it is no longer finite."}} tags=["paste:closed"]
def closed(a, b):
    A = a.cumprod(1)
    return A * (b / A).cumsum(1)


def closed_log(a, b):
    A = a.log().cumsum(1)
    return (A + (b.log() - A).logcumsumexp(1)).exp()


ways = {
    "tree": scan.parallel,
    "tree of logarithms": lambda a, b: scan.parallel_log(a.log(), b.log()).exp(),
    "closed form, in logarithms": closed_log,
    "closed form, by division": closed,
}
lengths = [2**k for k in range(2, 8 if FAST else 14)]
a, b = normal(8, lengths[-1], 8).sigmoid(), normal(8, lengths[-1], 8, seed=1).sigmoid()
exact = scan.sequential(a, b)
curves = {}
for name, way in ways.items():
    error = ((way(a.float(), b.float()).double() - exact) / exact).abs()  # (8, T, 8)
    error[~error.isfinite()] = torch.nan
    curves[name] = [error[:, :T].amax().item() for T in lengths]
fig, ax = plt.subplots(figsize=(6.4, 3.4))
for k, (name, values) in enumerate(curves.items()):
    ax.plot(lengths, values, marker="o", ms=4, color=figures.COLOURS[k], linestyle=figures.DASHES[k], label=name)
ax.set(xscale="log", yscale="log", xlabel="steps T", ylabel="largest relative error of a state")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% tags=["nbval-check-output"]
print("by division, all states finite after 64 steps, and after 128:", *(bool(np.isfinite(curves["closed form, by division"][lengths.index(T)])) for T in (64, 128)))
print("the tree's error stays below 2e-6:", max(curves["tree"]) < 2e-6)

# %% [markdown]
# The tree divides by nothing.
# A product of gates that is too small for its type becomes zero there, and zero is then right to the last digit that anybody sees.
# Logarithms are for what is itself out of range.
#
# ## A first state, in logarithms
#
# A minGRU in log space wants $\ln h_0$.
# A public implementation once took $\ln g(h_0)$ there, because candidates pass through $g$.
# Its loop took $h_0$ as it is.

# %% tags=["nbval-check-output"]
net = layers.MinGRU(4, 6, generator=seeded(0), dtype=F64)
cell, x, h_0 = net.cells[0], normal(2, 5, 4), normal(2, 6, seed=1).exp()  # positive, so that it has a logarithm
loop, _ = net.compute_with("loop")(x, h_0[None])
log_a, log_b = cell.log_coefficients(x)
with torch.no_grad():
    cases = {
        "ln h_0": scan.parallel_log(log_a, log_b, h_0.log()).exp(),
        "ln g(h_0)": scan.parallel_log(log_a, log_b, log_g(h_0)).exp(),
        "none, and h_0 added by hand": cell.log_scan(x, h_0),
    }
    for name, h in cases.items():
        print(f"{name:28} equal to the loop: {(h - loop).abs().max().item() < 1e-12}")
    first, state = net.compute_with("scan")(x[:, :2], h_0[None])
    rest, _ = net(x[:, 2:], state)
    print("in two pieces, the state carried, equal to the loop:", (torch.cat([first, rest], dim=1) - loop).abs().max().item() < 1e-12)
    negative = -h_0
    loop, _ = net.compute_with("loop")(x, negative[None])
    print("the last, with h_0 below zero:", (cell.log_scan(x, negative) - loop).abs().max().item() < 1e-12)
    print("ln h_0, with h_0 below zero:  ", torch.isfinite(scan.parallel_log(log_a, log_b, negative.log())).all().item())

# %% [markdown]
# Without a first state all of them agree, so a test that never passes one sees nothing.
#
# ## What is lost: an answer that alternates
#
# A network of minimal cells reads nothing but ones.
# Twenty of each kind, untrained, three layers deep: how far do the outputs still move from step to step?

# %% tags=["nbval-check-output"]
moves = {}
for kind in (layers.MinGRU, layers.MinLSTM):
    for seed in range(20):
        net = kind(1, 16, 3, generator=seeded(seed), dtype=F64)
        with torch.no_grad():
            h, _ = net(torch.ones(1, 500, 1, dtype=F64))
        moves.setdefault(kind.__name__, []).append((h[0, 1:] - h[0, :-1]).abs().amax(dim=1))
for name, some in moves.items():
    later = torch.stack(some).amax(dim=0)  # (499,), the largest of all networks
    print(f"{name:8} moves by more than 0.01 at the first step: {later[0].item() > 0.01}; by less than 1e-9 at the last: {later[-1].item() < 1e-9}")

# %% [markdown]
# They settle, as the page proves of all networks of this kind.
# The parity of the ones goes on alternating.
#
# Now the record: networks trained on 32 random bits, asked for the parity after every bit, and on 16 random swaps of two of five places, asked after every swap where all five things are.
# They are tested on sequences eight times as long.

# %% mystnb={"image": {"alt": "Two panels, share of right answers against the step, on a logarithmic axis, with a dotted line at the trained length. For parity GRU and LSTM stay at one, the minimal cells fall to one half within a few steps, those of two layers a little later, and the signed minGRU stays at one to beyond the trained length. For permutations GRU and LSTM are the highest and fall beyond the trained length; the minimal cells fall to near zero within a few steps."}} tags=["paste:tracking"]
records = {task: experiments.load(f"parallel_{task}") for task in ("parity", "permutations")}
STYLE = {
    ("minGRU", 1): (0, 0), ("minGRU", 2): (0, 1), ("minLSTM", 1): (1, 0), ("minLSTM", 2): (1, 1),
    ("signed minGRU", 1): (2, 0), ("signed minGRU", 2): (2, 1), ("GRU", 1): (3, 2), ("LSTM", 1): (4, 3),
}


def named(cell, depth):
    return cell if depth == 1 else f"{cell}, {depth} layers"


fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True)
for ax, (task, record) in zip(axes, records.items(), strict=True):
    for key, runs in group(record["runs"], "cell", "layers").items():
        by_step = np.array([r["result"]["accuracy_by_step"] for r in runs])  # (seeds, 8T)
        smooth = by_step.mean(axis=0).reshape(-1, 4).mean(axis=1)
        colour, dash = STYLE[key]
        ax.plot(4 * np.arange(len(smooth)) + 2.5, smooth, color=figures.COLOURS[colour], linestyle=figures.DASHES[dash], linewidth=1.3, label=named(*key))
    trained = record["runs"][0]["settings"]["T"]
    ax.axvline(trained, color="black", linestyle=":", linewidth=1)
    ax.set(title=task, xlabel="step", ylim=(0, 1.03), xscale="log")
    ax.set_xticks([4, trained, 8 * trained], ["4", str(trained), str(8 * trained)])
    ax.minorticks_off()
axes[0].set_ylabel("right answers, mean of seeds")
handles, names = axes[0].get_legend_handles_labels()
fig.legend(handles, names, loc="outside upper center", ncols=4)
plt.show()


# %% tags=["paste:tracking_table"]
def share_solved(runs):
    good = [r["result"]["steps"] for r in runs if r["result"]["solved"]]
    return f"{len(good)}/{len(runs)}" + (f": {np.median(good):.0f}" if good else "")


rows = []
for task, record in records.items():
    for key, runs in group(record["runs"], "cell", "layers").items():
        T = runs[0]["settings"]["T"]
        last = [[r["result"]["accuracy_by_step"][t - 1] for r in runs] for t in (T, 2 * T, 8 * T)]
        rows.append([task, named(*key), share_solved(runs), *(figures.spread(v, 2) for v in last)])
figures.table(["task", "network", "solved: median steps", "right at step $T$", "at $2T$", "at $8T$"], rows)

# %%
print(*(record["command"] for record in records.values()), sep="\n")

# %% [markdown]
# ## One sign gives parity back
#
# The scan itself asks for no positive factors.
# With $a = -1$ for a one and $a = 1$ for a zero, and $b = 1$ for a one, a single unit is the parity: here on 10,000 bits, by the tree, nothing trained.

# %% tags=["nbval-check-output"]
x, y = tasks.parity(10_000, 4, seeded(0))
h = scan.parallel(1 - 2 * x, x)
print("parity of 10,000 bits, exact at every step:", torch.equal(h[:, :, 0].long(), y))

# %% [markdown]
# ## Matrices give order back
#
# For five things that change places, a factor for each unit alone is not enough, whatever its sign.
# A matrix is: $h_t = M_t h_{t-1}$ with a $5 \times 5$ matrix $M_t$ for each swap.
# The tree does not mind, for products of matrices are associative too.


# %% tags=["nbval-check-output"]
def prefix(M):
    """M (N, T, 5, 5) -> at each t the product M_t ... M_1, by a tree."""
    if M.shape[1] == 1:
        return M
    even = M.shape[1] // 2 * 2
    pairs = prefix(M[:, 1:even:2] @ M[:, 0:even:2])  # the products up to 2, 4, 6, ...
    done = M.clone()
    done[:, 1:even:2] = pairs
    done[:, 2::2] = M[:, 2::2] @ pairs[:, : (M.shape[1] - 1) // 2]
    return done


x, y = tasks.permutations(1000, 4, seeded(0))
swaps = torch.eye(5).repeat(10, 1, 1)  # a matrix for each of the ten swaps: columns go to rows
for k, (i, j) in enumerate(SWAPS):
    swaps[k, [i, j]] = swaps[k, [j, i]]
products = prefix(swaps[x.argmax(dim=2)])  # (N, T, 5, 5)
print("all five places after each of 1,000 swaps, by a tree of matrices:", torch.equal(products.argmax(dim=2), y))

# %% [markdown]
# ## What one layer cannot do: write once
#
# The page derives how much a unit knows about which of two digits came first.
# For a minGRU of one layer with the digits $d$, $e$ and then $w$, against $e$, $d$ and then $w$, the second state minus the first is $\prod_{s \in w} a_s \cdot z_d\, z_e\, (n_d - n_e)$.

# %% tags=["nbval-check-output"]
net = layers.MinGRU(10, 32, generator=seeded(0), dtype=F64)
cell = net.cells[0]
digits = torch.tensor([[3, 8, *range(10)], [8, 3, *range(10)]])
with torch.no_grad():
    x = torch.nn.functional.one_hot(digits, 10).to(F64)
    h, _ = net(x)
    a, b = cell.coefficients(torch.eye(10, dtype=F64))  # of each digit, (10, H)
    z, n = 1 - a, b / (1 - a)
    predicted = a.prod(dim=0) * z[3] * z[8] * (n[3] - n[8])
    print("the formula is the network's difference:", torch.allclose(h[1, -1] - h[0, -1], predicted, rtol=1e-9, atol=0))

# %% [markdown]
# Two layers can do it.
# The weights below are written down, not trained: the lower layer copies the digit and runs a clock, $1 - 2^{-t}$, and the gates of the upper layer are open at the first tick only.


# %% tags=["nbval-check-output"]
def first_digit():
    """Two minGRU layers of 11 units that answer one-hot palindromes of any length."""
    model = models.Classifier(layers.MinGRU(10, 11, 2), 10)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        lower, upper = model.rnn.cells
        lower.b[:10] = 40  # z = 1: take the candidate as it is
        lower.W_x[11:21] = 10 * torch.eye(10)  # the candidate g: 10.5 for the digit, 0.5 for the others
        lower.b[21] = 0.5  # the clock: z = 1/2, g = 1
        upper.W_x[:10, 10], upper.b[:10] = -200, 125  # open where the clock is below 0.625
        upper.W_x[11:21, :10] = torch.eye(10)
        model.readout.weight[:, :10] = torch.eye(10)
    return model


model = first_digit()
for T in (11, 1001, 10_001):
    x, y = tasks.palindromes(T, 20, seeded(0), one_hot=True)
    with torch.no_grad():
        print(f"palindromes of {T:6,} digits, right: {(model(x).argmax(dim=1) == y).float().mean().item():.2f}")

# %% [markdown]
# Does training find this?
# The record: palindromes of 51 digits, an odd number, so that counting is right in less than half of the cases, and the adding problem over 200 steps.

# %% tags=["paste:memory_table"]
memory = {task: experiments.load(f"parallel_{task}") for task in ("palindromes", "adding")}
rows = []
for task, record in memory.items():
    for (cell, depth, bias), runs in group(record["runs"], "cell", "layers", "bias").items():
        seconds = [r["seconds"] for r in runs]
        result = [r["result"]["accuracy"] if task == "palindromes" else r["result"]["test_loss"] / tasks.adding_baseline() for r in runs]
        rows.append([task, named(cell, depth), bias, share_solved(runs), figures.spread(result, 2), figures.spread(seconds, 0)])
figures.table(["task", "network", "bias", "solved: median steps", "accuracy, or loss / trivial", "seconds"], rows)

# %%
print(*(record["command"] for record in memory.values()), sep="\n")

# %% [markdown]
# ## Live: can you tell odd from even?
#
# *For Jupyter, VS Code or Colab; the knobs are ipywidgets.*
#
# One unit reads bits: $h \mapsto a h + b$ for a one, and $h \mapsto a_0 h + b_0$ for a zero.
# Each line is one sequence of random bits; its colour at the end says whether the ones are odd in number.
# Find factors that keep the two colours apart at any length.
# Can you, if all factors are above zero?

# %% mystnb={"image": {"alt": "States of one unit over 30 random bits, twenty lines that end in a dot where the ones are even and twenty that end in a square where they are odd; dots and squares lie mixed between about 1.6 and 2.4."}} tags=["live"]
from rnnlib import live


def parity_unit(a=0.8, b=0.5, a_0=0.95, b_0=0.0, T=30):
    """The states of one unit over random bits, and how well a threshold on the last one tells odd from even."""
    x, y = tasks.parity(T, 200, seeded(0))
    h = scan.parallel(a * x + a_0 * (1 - x), b * x + b_0 * (1 - x))[:, :, 0]  # (200, T)
    order = h[:, -1].argsort()
    odd, last = y[order, -1], h[order, -1]
    cuts = torch.cat([torch.tensor([True]), last[1:] > last[:-1] + 1e-6, torch.tensor([True])])
    right = torch.cat([torch.tensor([0]), odd.cumsum(0)])  # odd ones below the cut
    score = torch.maximum(right + (1 - odd).sum() - (torch.arange(201) - right), odd.sum() - right + torch.arange(201) - right)
    print(f"best threshold on the last state: {score[cuts].max().item() / 200:.3f} of the answers right")
    fig, ax = plt.subplots(figsize=(6, 2.8))
    for k, name in enumerate(("even", "odd")):
        some = h[y[:, -1] == k][:20]
        ax.plot(np.arange(1, T + 1), some.T, color=figures.COLOURS[k], linewidth=0.6, linestyle=figures.DASHES[k])
        ax.plot(np.full(len(some), T), some[:, -1], "os"[k], color=figures.COLOURS[k], ms=5, label=name)
    ax.set(xlabel="step t", ylabel="state of the unit")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


panel = live.interact(
    parity_unit, a=(-1.0, 1.0, 0.05), b=(-1.0, 1.0, 0.05), a_0=(-1.0, 1.0, 0.05), b_0=(-1.0, 1.0, 0.05), T=(2, 100, 1),
)

# %% [markdown]
# ## Mistakes people make
#
# Each one is run here on short and on long sequences, and on gates and additions that are all equal, against the loop.


# %% tags=["paste:mistakes"]
def tree(compose):
    """Prefixes of pairs by the recursive tree, with any rule of composition."""

    def run(a, b):
        if a.shape[1] == 1:
            return a, b
        even = a.shape[1] // 2 * 2
        inner = run(*compose(a[:, 1:even:2], b[:, 1:even:2], a[:, 0:even:2], b[:, 0:even:2]))
        out = a.clone(), b.clone()
        count = (a.shape[1] - 1) // 2
        rest = compose(a[:, 2::2], b[:, 2::2], inner[0][:, :count], inner[1][:, :count])
        for o, i, r in zip(out, inner, rest, strict=True):
            o[:, 1:even:2], o[:, 2::2] = i, r
        return out

    return lambda a, b: run(a, b)[1]


right = tree(lambda a_2, b_2, a_1, b_1: (a_2 * a_1, a_2 * b_1 + b_2))
tried = {
    "the tree, as it should be": right,
    "first and second exchanged": tree(lambda a_2, b_2, a_1, b_1: (a_2 * a_1, a_1 * b_2 + b_1)),
    "division by the product of all gates": closed,
}


def error(way, a, b):
    """Largest error of a state, or what is not a number."""
    e = (way(a, b) - scan.sequential(a.double(), b.double())).abs().max().item()
    return f"{e:.0e}" if np.isfinite(e) else "not finite"


rows = []
for name, way in tried.items():
    gates = {T: normal(4, T, 4).sigmoid().float() for T in (8, 1000)}
    ones = {T: normal(4, T, 4, seed=1).float() for T in gates}
    rows.append([name, error(way, torch.full_like(gates[8], 0.5), torch.ones_like(ones[8])), *(error(way, gates[T], ones[T]) for T in gates)])
figures.table(["", "all steps alike, $T = 8$", "random, $T = 8$", "random, $T = 1000$"], rows)

# %% [markdown]
# A test on constant gates and additions lets the exchanged order pass; a short one lets the division pass.
#
# On the way back it is the index of the gate that goes wrong: $\delta h_t$ needs $a_{t+1}$, the factor by which $h_t$ enters the *next* state.

# %% tags=["nbval-check-output"]
def wrong_index(dh, a):
    delta, carried = np.zeros_like(dh), np.zeros_like(dh[:, 0])
    for t in reversed(range(dh.shape[1])):
        delta[:, t] = carried = dh[:, t] + a[:, t] * carried
    return delta


quotient = check.central_difference(lambda: (weigh * scan_forward(**given)).sum(), given["b"])
print("with the next step's gate, passes the check:", check.relative_error(by_hand["b"], quotient) < 1e-7)
print("with its own gate, passes the check:        ", check.relative_error(wrong_index(weigh, given["a"]), quotient) < 1e-7)
constant = given | {"a": np.full_like(given["a"], 0.5)}
quotient = check.central_difference(lambda: (weigh * scan_forward(**constant)).sum(), constant["b"])
print("with its own gate, where all gates are equal:", check.relative_error(wrong_index(weigh, constant["a"]), quotient) < 1e-7)

# %% [markdown]
# ## Exercises
#
# Each exercise has a cell with a check, which needs the imports at the top and nothing else.
# Until you answer, it says so.
# What *easy*, *medium* and *hard* mean stands on the [first page](../book/index.md), under *Exercises*.
#
# ### Exercise 1: a whole sequence as one map
#
# *Easy · 10 minutes · with a check*
#
# `a` and `b` are `(N, T, H)` arrays.
# Return `A` and `B`, `(N, H)` each, in one array `np.stack([A, B])`, so that the state after the last step is `A * h_0 + B` for any `h_0`.
#
# <details>
# <summary>Hint 1</summary>
#
# Begin with the map that changes nothing, and put one step after the other behind it.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# The map that changes nothing is the pair (1, 0).
# In which order do $a_t$ and $B$ meet?
#
# </details>


# %% tags=["exercise-1"]
def whole_map(a, b):
    return None  # your answer


rng = np.random.default_rng(1)
a, b = rng.normal(size=(2, 4, 6, 3))
from_two = [scan.parallel(torch.tensor(a), torch.tensor(b), torch.full((4, 3), k, dtype=F64))[:, -1].numpy() for k in (0.0, 1.0)]
check.answer("A and B", whole_map(a, b), np.stack([from_two[1] - from_two[0], from_two[0]]))

# %% [markdown]
# <details>
# <summary>Solution 1</summary>
#
# ```python
# def whole_map(a, b):
#     A, B = np.ones_like(a[:, 0]), np.zeros_like(b[:, 0])
#     for t in range(a.shape[1]):
#         A, B = a[:, t] * A, a[:, t] * B + b[:, t]
#     return np.stack([A, B])
# ```
#
# </details>
#
# ### Exercise 2: backwards through a minGRU
#
# *Medium · 20 minutes · with a check*
#
# One layer, one unit a column: `z (N, T, H)` are the gates after the sigmoid, `n (N, T, H)` the candidates after $g$, `h (N, T, H)` the states, which begin at zero.
# `dh (N, T, H)` is $\partial^{+} L/\partial h_t$ for every step.
# Return the gradient by what goes into the sigmoid of the gates, `(N, T, H)`.
#
# <details>
# <summary>Hint 1</summary>
#
# First the scan backwards, with $a_t = 1 - z_t$.
# Then: in which two places of $h_t = (1 - z_t)\, h_{t-1} + z_t\, n_t$ does $z_t$ stand?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# $\partial L/\partial z_t = \delta h_t\, (n_t - h_{t-1})$, and the slope of the sigmoid is $z (1 - z)$.
#
# </details>


# %% tags=["exercise-2"]
def gate_gradient(z, n, h, dh):
    return None  # your answer


rng = np.random.default_rng(2)
into_z, into_n, dh = rng.normal(size=(3, 3, 7, 4))
leaf = torch.tensor(into_z, requires_grad=True)
gates, candidates = torch.sigmoid(leaf), torch.tensor(into_n)
states = scan.sequential(1 - gates, gates * candidates)
(expected,) = torch.autograd.grad((torch.tensor(dh) * states).sum(), leaf)
yours = gate_gradient(gates.detach().numpy(), into_n, states.detach().numpy(), dh)
check.answer("gradient of the gates", yours, expected.numpy())

# %% [markdown]
# <details>
# <summary>Solution 2</summary>
#
# ```python
# def gate_gradient(z, n, h, dh):
#     delta, carried = np.zeros_like(dh), np.zeros_like(dh[:, 0])
#     for t in reversed(range(dh.shape[1])):
#         delta[:, t] = dh[:, t] + carried
#         carried = (1 - z[:, t]) * delta[:, t]
#     before = np.concatenate([np.zeros_like(h[:, :1]), h[:, :-1]], axis=1)
#     return delta * (n - before) * z * (1 - z)
# ```
#
# </details>
#
# ### Exercise 3: two closed gates
#
# *Hard · 15 minutes · with a check*
#
# A minLSTM keeps the share $f/(f + i)$, where $f = \sigma(\phi)$ and $i = \sigma(\iota)$.
# Return the logarithm of that share from `phi` and `iota`, `(N, T, H)` each, for numbers as low as -1000, where $f$ and $i$ are both zero to the computer.
#
# <details>
# <summary>Hint 1</summary>
#
# Divide by $f$, and the share is $\sigma$ of a difference of logarithms.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# $\ln \sigma(x) = -\ln(1 + e^{-x})$, and `np.logaddexp(0, -x)` computes this without overflow.
# You need it three times.
#
# </details>


# %% tags=["exercise-3"]
def log_share(phi, iota):
    return None  # your answer


rng = np.random.default_rng(3)
phi, iota = rng.normal(size=(2, 4, 5, 3)) - np.array([0, 3, 300, 1000])[:, None, None]
# for such low numbers ln sigma(x) is x to the last digit, but for the few near zero
sure = [np.where(v < -40, v, np.log(1 / (1 + np.exp(-np.maximum(v, -40.0))))) for v in (phi, iota)]
check.answer("ln f'", log_share(phi, iota), sure[0] - np.logaddexp(*sure))

# %% [markdown]
# <details>
# <summary>Solution 3</summary>
#
# ```python
# def log_share(phi, iota):
#     def log_sigmoid(x):
#         return -np.logaddexp(0, -x)
#
#     return log_sigmoid(log_sigmoid(phi) - log_sigmoid(iota))
# ```
#
# </details>
