# %% [markdown]
# # Vanishing and exploding gradients: run it
#
# This notebook goes with the page [Vanishing and exploding gradients](../book/gradients.md).
# You will measure the gradient at every time step, compare it with a prediction, and rescue a run that explodes.
# It runs in about a minute on one processor core.

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
from IPython.display import Markdown

from rnnlib import cells, check, experiments, figures, init, layers, models, tasks, training
from rnnlib.experiments.gradient_flow import VARIANTS, build, gradient_norms

FAST = os.environ.get("RNNLIB_FAST") == "1"  # small sizes, for tests
figures.use_style()
SEEDS = range(1 if FAST else 5)

# %% [markdown]
# ## Measured: the gradient at every step, before training
#
# `gradient_norms` keeps every state, back-propagates the loss at the last step, and returns the mean over the batch of $\lVert \partial L/\partial h_t \rVert$ for each $t$; for the LSTM also $\lVert \partial L/\partial c_t \rVert$.
# The variants differ in the cell and in how it is initialised.

# %% mystnb={"image": {"alt": "Length of the gradient by the hidden state against the number of steps back from the loss, on a logarithmic scale, for six untrained cells. The plain RNN, the LSTM and the GRU fall along straight lines by many orders of magnitude over 50 steps. The LSTM with forget bias 1 falls more slowly and the orthogonal RNN about tenfold; the LSTM with forget bias 4 drops in the first few steps and then rises slowly."}} tags=["paste:at_start"]
T, H = 61, 128
networks = {
    (v, s): build(v, T, H, torch.Generator().manual_seed(s)) for v in VARIANTS for s in SEEDS
}


def batch(seed, T=T, N=256):
    return tasks.palindromes(T, N, torch.Generator().manual_seed(seed), one_hot=True)


at_start = {key: gradient_norms(model, *batch(key[1])) for key, model in networks.items()}

fig, ax = plt.subplots(figsize=(7, 4))
back = np.arange(51)
for v in VARIANTS:
    norms = [at_start[v, s]["h"][::-1][:51] for s in SEEDS]
    figures.mean_and_range(ax, back, norms, v)
ax.set_yscale("log")
ax.set(xlabel="steps back from the loss", ylabel=r"mean length of $\partial L/\partial h_t$")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# On a logarithmic scale five of the six lines become straight after some steps (forget bias 4 bends upward): each step back multiplies the gradient by one factor.
# The first steps of the LSTM are an exception; we come back to them.
#
# ## Claim: the factor is a spectral radius
#
# The page linearises each cell around a zero state and gets one matrix for each.
# Its largest eigenvalue by absolute value, the spectral radius, should be the factor in the long run.
# For the very first step back, where the gradient has no preferred direction, the factor should be the root mean square of what the matrix does to all directions, $\lVert J \rVert_F / \sqrt H$.
# We compute both from the weights as drawn, and measure in the full cell: the long run between 20 and 40 steps back, the first step along $c$ in the LSTM (from $\partial L/\partial c_T$ to $\partial L/\partial c_{T-1}$) and along $h$ elsewhere.
# The table also gives the largest singular value, which bounds the factor and does not predict it.


# %% tags=["paste:rates"]
def linearised(cell):
    """The Jacobian of one step at a zero state; inputs and the candidate's bias left out."""
    H, W, b = cell.hidden_size, cell.W_h.detach(), cell.b.detach()
    if isinstance(cell, cells.LSTMCell):
        i, f, _, o = torch.sigmoid(b).chunk(4)
        return torch.diag(f) + i[:, None] * W[2 * H : 3 * H] * o  # c after one step, by c before
    if isinstance(cell, cells.GRUCell):
        r, z, _ = torch.sigmoid(b).chunk(3)
        return torch.diag(z) + ((1 - z) * r)[:, None] * W[2 * H :]
    return W


def factor(norms, near=20, far=40):
    """The mean factor a step between two distances from the loss."""
    return (norms[-1 - far] / norms[-1 - near]) ** (1 / (far - near))


rates, rows = {}, []
for v in VARIANTS:
    J = [linearised(networks[v, s].rnn.cells[0]) for s in SEEDS]
    radius = np.mean([torch.linalg.eigvals(j).abs().max().item() for j in J])
    largest = np.mean([torch.linalg.svdvals(j)[0].item() for j in J])
    measured = np.mean([factor(at_start[v, s]["h"]) for s in SEEDS])
    rates[v] = radius, measured
    mean_square = np.mean([torch.linalg.matrix_norm(j).item() / H**0.5 for j in J])
    memory = [at_start[v, s].get("c", at_start[v, s]["h"]) for s in SEEDS]
    first = np.mean([norms[-2] / norms[-1] for norms in memory])
    numbers = (mean_square, first, radius, measured, largest)
    rows.append([v, *(f"{n:.3f}" for n in numbers)])
figures.table(
    [
        "cell", "first step: predicted", "measured", "long run: predicted ($\\rho$)", "measured",
        "largest singular value",
    ],
    rows,
)

# %% tags=["nbval-check-output"]
for v, (predicted, measured) in rates.items():
    print(f"{v:20} prediction within 6 %: {abs(predicted / measured - 1) < 0.06}")

# %% [markdown]
# With forget bias 4 the cell state sums up inputs and biases over dozens of steps, so it is not small.
# If that is the reason, then the prediction should hold once nothing is added.
# We make the inputs tiny, and then set all biases but the forget gate's to zero as well.

# %%
v = "lstm forget bias 4"
for scale, biases in [(1.0, True), (0.01, True), (1.0, False), (0.01, False)]:
    measured, predicted = [], []
    for s in SEEDS:
        model = build(v, T, H, torch.Generator().manual_seed(s))
        cell = model.rnn.cells[0]
        if not biases:
            with torch.no_grad():
                cell.b[:H] = 0
                cell.b[2 * H :] = 0
        x, y = batch(s)
        measured.append(factor(gradient_norms(model, scale * x, y)["h"]))
        predicted.append(torch.linalg.eigvals(linearised(cell)).abs().max().item())
    print(
        f"inputs times {scale:<4}, biases {'kept' if biases else 'zero'}: "
        f"measured {np.mean(measured):.3f}, predicted {np.mean(predicted):.3f}"
    )

# %% [markdown]
# With neither inputs nor biases to add up, the cell does what the linear picture says.
# Both have a part, and the biases the larger one: they add up in the same direction at every step, and the digits do not.

# %% [markdown]
# ### Live: a cell of your own
#
# *For Jupyter, VS Code or Colab; the knobs are ipywidgets.*
#
# Choose a cell, multiply its recurrent weights by a gain, and set the bias of the gate that keeps (the RNN has none).
# The line is the gradient as measured; the dots fall or rise as the spectral radius $\rho$ says, and meet it 20 steps back.
# With a gain of 3 the RNN's $\rho$ is far above one: does its gradient grow as $\rho$ says?
# Where else does $\rho$ fail, and why?

# %% mystnb={"image": {"alt": "Length of the gradient against steps back from the loss on a logarithmic scale, for a plain RNN whose recurrent weights are multiplied by 1.5: the measured line falls nearly straight, by about five orders of magnitude over 60 steps, and the dotted prediction runs close by."}} tags=["live"]
from rnnlib import live


def flow(cell="rnn", gain=1.5, bias=2.0):
    """Length of the gradient against steps back: measured as a line, predicted as dots."""
    model = build(cell, 61, 64, torch.Generator().manual_seed(0))
    own = model.rnn.cells[0]
    with torch.no_grad():
        own.W_h *= gain
        if cell != "rnn":
            own.b[64:128] = bias  # f is the second of i, f, g, o and z of r, z, n
    norms = gradient_norms(model, *batch(0, N=16))["c" if cell == "lstm" else "h"][::-1]
    rho = torch.linalg.eigvals(linearised(own)).abs().max().item()
    measured = factor(norms[::-1])
    print(f"spectral radius {rho:.3f}, measured factor a step {measured:.3f} (20 to 40 steps back)")
    back = np.arange(61)[: len(norms)]
    fig, ax = plt.subplots(figsize=(6, 2.8))
    ax.plot(back, norms, label="measured")
    ax.plot(back, norms[20] * rho ** (back - 20.0), ":", label=r"$\rho$ a step")
    ax.set_yscale("log")
    ax.set(xlabel="steps back from the loss", ylabel="length of the gradient")
    ax.legend()
    return fig


panel = live.interact(
    flow, cell=["rnn", "lstm", "gru"], gain=(0.2, 4.0, 0.1), bias=(-2.0, 6.0, 0.5)
)

# %% [markdown]
# ## The LSTM's first step along h
#
# One answer to a course's assignment found the LSTM's $\partial L/\partial h_t$ to fade faster than the RNN's.
# Over the first steps it does.
# This is another first step than in the table: there the LSTM's was along $c$, and left 0.518.
# From $\partial L/\partial h_T$ to $\partial L/\partial h_{T-1}$ the gradient goes through a gate, the candidate and its matrix as well.
# The thin lines are the page's prediction: a factor of 0.14 for this step and 0.64 after it for the LSTM, 0.58 for the RNN.

# %% mystnb={"image": {"alt": "Length of the gradient against steps back for the RNN's h, the LSTM's h and the LSTM's c on a logarithmic scale, with predicted straight lines. From the last step to the one before, the LSTM's h drops to about a seventh, the RNN's to just over a half. After 22 steps the measured lines cross and the RNN's is below."}} tags=["paste:puzzle"]
fig, ax = plt.subplots()
back = np.arange(26)
curves = [("rnn", "h"), ("lstm", "h"), ("lstm", "c")]
for v, name in curves:
    norms = [at_start[v, s][name][::-1][:26] for s in SEEDS]
    figures.mean_and_range(ax, back, norms, f"{v.upper()}, by {name}")
start = np.mean([at_start["rnn", s]["h"][-1] for s in SEEDS])
root3 = 1 / np.sqrt(3)
thin = {"color": "#555555", "linewidth": 0.8, "linestyle": "-"}
ax.plot(back, start * root3**back, **thin)
ax.plot(back[1:], start * root3 / 4 * (0.5 + root3 / 4) ** (back[1:] - 1), label="predicted", **thin)
ax.set_yscale("log")
ax.set(xlabel="steps back from the loss", ylabel="mean length of the gradient")
ax.legend()
plt.show()

# %%
first = {v: np.mean([at_start[v, s]["h"][-2] / at_start[v, s]["h"][-1] for s in SEEDS]) for v in VARIANTS}
mean_h = {v: np.mean([at_start[v, s]["h"][::-1] for s in SEEDS], axis=0) for v in ("rnn", "lstm")}
crossing = int(np.argmax((mean_h["lstm"] > mean_h["rnn"])[1:])) + 1
Markdown(
    f"The first step back leaves {first['lstm']:.3f} of the LSTM's gradient and {first['rnn']:.3f} of the RNN's. "
    f"From {crossing} steps back on, the LSTM's is the larger one. "
    "A plot over ten digits would show the LSTM below the RNN all the way."
)

# %%
mean_c = np.mean([at_start["lstm", s]["c"][::-1] for s in SEEDS], axis=0)
factors = mean_c[1:14] / mean_c[:13]
print("LSTM, factor a step along c:", " ".join(f"{one:.2f}" for one in factors))

# %% [markdown]
# The factor along $c$ begins at the root mean square, 0.52, and after eight steps stays at 0.63, near the spectral radius.
#
# ### Claim: the two roads
#
# The page says, for total derivatives and a loss at the last step, that
#
# $$
# \begin{aligned}
# \delta c_t &= \delta h_t \odot o_t \odot (1 - \tanh^2 c_t) + f_{t+1} \odot \delta c_{t+1}, \\
# \delta h_t &= W_h^\top \delta a_{t+1} \quad (t < T).
# \end{aligned}
# $$
#
# We let autograd compute all of these, and put its numbers into the equations.

# %% tags=["nbval-check-output"]
generator = torch.Generator().manual_seed(0)
cell = layers.LSTM(3, 5, generator=generator).double().cells[0]
x_small = torch.randn(2, 6, 3, generator=generator, dtype=torch.float64)
h, c = cell.zero_state(2)
h, c = h.requires_grad_(), c
a_s, h_s, c_s = [], [], []
for x_t in x_small.unbind(dim=1):
    a = x_t @ cell.W_x.T + h @ cell.W_h.T + cell.b  # (N, 4H)
    i, f, g, o = a.chunk(4, dim=1)
    c = torch.tanh(g) * torch.sigmoid(i) + c * torch.sigmoid(f)
    h = torch.tanh(c) * torch.sigmoid(o)
    a_s, h_s, c_s = [*a_s, a], [*h_s, h], [*c_s, c]
grads = torch.autograd.grad(h_s[-1].square().sum(), a_s + h_s + c_s)
da, dh, dc = grads[:6], grads[6:12], grads[12:]
worst = 0.0
for t in range(5):
    o, f_next = torch.sigmoid(a_s[t].chunk(4, dim=1)[3]), torch.sigmoid(a_s[t + 1].chunk(4, dim=1)[1])
    two_roads = dh[t] * o * (1 - torch.tanh(c_s[t]) ** 2) + f_next * dc[t + 1]
    worst = max(worst, check.relative_error(two_roads, dc[t]))
    worst = max(worst, check.relative_error(da[t + 1] @ cell.W_h, dh[t]))
print("both equations hold to 1e-12:", worst < 1e-12)
assert worst < 1e-12

# %% [markdown]
# ## During training
#
# What becomes of these curves when the networks learn?
# The study trained each variant on palindromes of 30 digits, with RMSprop as the course sets it, and measured the gradient at the start and after 100, 1,000 and 3,000 steps, with five seeds.
# It takes long, so it is recorded in `data/results/gradient_flow.json`.

# %%
record = experiments.load("gradient_flow")
print("command: ", record["command"])
print("finished:", record["finished"], "| seeds", record["seeds"])
print("on:      ", record["hardware"]["cores"], "cores,", "torch", record["versions"]["torch"])

# %% mystnb={"image": {"alt": "Six panels, one for each cell, of the gradient's length relative to its value at the last step against steps back, at the start and after 100, 1000 and 3000 training steps on palindromes of 30 digits. The LSTM and the GRU keep falling. In the two LSTMs with a raised forget bias the curve turns and rises toward the first digit. After training the two RNNs' curves fall for 15 to 20 steps and rise again toward the first digit."}} tags=["paste:trained"]
def snapshots(variant, k):
    """Snapshot k of every seed of a variant."""
    return [r["result"]["snapshots"][k] for r in record["runs"] if r["settings"]["variant"] == variant]


moments = [s["step"] for s in record["runs"][0]["result"]["snapshots"]]
fig, axes = plt.subplots(2, 3, figsize=(8, 5), sharex=True, sharey=True)
for ax, v in zip(axes.flat, VARIANTS, strict=True):
    for k, step in enumerate(moments):
        norms = np.array([s["norms"]["h"][::-1] for s in snapshots(v, k)])
        ax.plot(np.median(norms / norms[:, :1], axis=0), label=f"step {step:,}")
    ax.set_yscale("log")
    ax.set_title(v, fontsize=10)
axes[0, 0].legend(fontsize=8, handlelength=2.4)
fig.supxlabel("steps back from the loss", fontsize=10)
fig.supylabel(r"$\partial L/\partial h_t$, relative to the last step", fontsize=10)
plt.show()

# %%
rows = []
for v in VARIANTS:
    accuracy = [[s["accuracy"] for s in snapshots(v, k)] for k in range(len(moments))]
    first_to_last = [
        np.median([s["norms"]["h"][0] / s["norms"]["h"][-1] for s in snapshots(v, k)])
        for k in (0, len(moments) - 1)
    ]
    rows.append(
        [v]
        + [f"{min(a):.2f} to {max(a):.2f}" for a in accuracy[1:]]
        + [f"{value:.0e}" for value in first_to_last]
    )
figures.table(
    ["cell"]
    + [f"accuracy, step {m:,}" for m in moments[1:]]
    + ["first digit / last, start", f"step {moments[-1]:,}"],
    rows,
)

# %% [markdown]
# The accuracies are the worst and the best of five seeds; the last two columns are medians of $\lVert \partial L/\partial h_1 \rVert / \lVert \partial L/\partial h_{29} \rVert$.
#
# The LSTM and the GRU stay at chance, and their gradient stays lost.
# The LSTMs with a raised forget bias learn in most runs or in all, and then the first digit's gradient is larger than the last one's.
# The panels show the gradient relative to the last step, because that of a solved task is tiny as a whole.
#
# ### The same for the cell state
#
# The record also holds $\lVert \partial L/\partial c_t \rVert$ for the three LSTMs.

# %% mystnb={"image": {"alt": "Three panels, one for each LSTM, of the gradient by the cell state relative to its value at the last step against steps back, at the start and after 100, 1000 and 3000 training steps. With forget bias 0 all curves fall; with forget bias 1 and 4 the curves after training rise toward the first digit. At the start no curve drops steeply at the first step."}} tags=["paste:trained_c"]
fig, axes = plt.subplots(1, 3, figsize=(8, 3.1), sharey=True)
for ax, v in zip(axes, [v for v in VARIANTS if v.startswith("lstm")], strict=True):
    for k, step in enumerate(moments):
        norms = np.array([s["norms"]["c"][::-1] for s in snapshots(v, k)])
        ax.plot(np.median(norms / norms[:, :1], axis=0), label=f"step {step:,}")
    ax.set_yscale("log")
    ax.set_title(v, fontsize=10)
axes[0].legend(fontsize=8, handlelength=2.4)
axes[0].set_ylabel(r"$\partial L/\partial c_t$, relative to the last step")
fig.supxlabel("steps back from the loss", fontsize=10)
plt.show()

# %% [markdown]
# It is the picture of $h$ without the toll: at the start no curve drops steeply at the first step, and the forget gate sets the slope.
# After training the curves of the two LSTMs with a raised forget bias rise steeply toward the first digit.
#
# The two RNNs do not fit a simple story.
# The plain one starts with as little gradient as the LSTM and still gets well above chance.
# The orthogonal one starts level and is ahead after 100 steps, with 0.18 to 0.76 against 0.06 to 0.36; after 3,000 nothing is left of this, 0.23 to 0.70 against 0.22 to 0.70.
# So we look at what the optimizer does to them.
#
# ## A large gradient is not a memory
#
# The ten units that [the chapter on the vanilla RNN](../book/vanilla_rnn.md) writes down answer palindromes of every length.
# Here is how much gradient reaches their first state.

# %%
x, y = batch(0, T=30)
norms = gradient_norms(models.latch(), x, y)["h"]
print(f"the latch at T = 30: gradient at the first digit / last = {norms[0] / norms[-1]:.0e}")

# %% [markdown]
# A perfect memory, and next to no gradient: a unit that is safely on one side cannot be moved by a small change.
#
# ## A good start can be lost, and a bad one mended
#
# RMSprop's first step is ten learning rates in every weight, whatever the gradient; [the chapter on optimizers](../book/optimizers.md) shows why.
# We watch the recurrent matrix under RMSprop and under Adam, both with learning rate $10^{-3}$, three seeds each: left the plain RNN's spectral radius, right the largest (upper lines) and the smallest singular value (lower lines) of the orthogonal RNN's.

# %% mystnb={"image": {"alt": "Two panels over the first 100 training steps. Left, the spectral radius of the plain RNN's recurrent matrix: from 0.6 it rises quickly under RMSprop and slowly under Adam. Right, the largest and the smallest singular value of the orthogonal RNN's: from one they spread at once under RMSprop and slowly under Adam."}}
def watch(variant, optimizer_class, seed, steps, scale=1.0):
    model = build(variant, 30, H, torch.Generator().manual_seed(seed))
    W = model.rnn.cells[0].W_h
    W.data *= scale
    optimizer = optimizer_class(model.parameters(), lr=1e-3)
    source = tasks.PalindromeBatches(30, 128, seed=1000 + seed, one_hot=True)
    values, accuracy = [], []  # spectral radius, largest and smallest singular value
    for step in range(steps + 1):
        if step:
            history = training.train(
                model, source, training.classification_loss, optimizer, 1, clip_norm=10.0
            )
            accuracy.append(history.metrics[0]["accuracy"])
        s = torch.linalg.svdvals(W.detach())
        radius = torch.linalg.eigvals(W.detach()).abs().max()
        values.append((radius.item(), s[0].item(), s[-1].item()))
    norms = gradient_norms(model, *batch(seed, T=30))["h"]
    return np.array(values), float(np.mean(accuracy[-10:])), norms[0] / norms[-1]


steps = 10 if FAST else 100
kinds = {"RMSprop": torch.optim.RMSprop, "Adam": torch.optim.Adam}
some = list(SEEDS)[:3]
watched = {
    (v, name, s): watch(v, kind, s, steps)
    for v in ("rnn", "rnn orthogonal")
    for name, kind in kinds.items()
    for s in some
}
fig, axes = plt.subplots(1, 2, figsize=(8, 3.4))
for (v, name, s), (values, _, _) in watched.items():
    style = {"RMSprop": {"color": figures.COLOURS[1], "linestyle": "--"},
             "Adam": {"color": figures.COLOURS[0], "linestyle": "-"}}[name]
    label = name if s == 0 else None
    if v == "rnn":
        axes[0].plot(values[:, 0], label=label, **style)
    else:
        axes[1].plot(values[:, 1], label=label, **style)
        axes[1].plot(values[:, 2], **style)
axes[0].set(xlabel="training step", ylabel=r"spectral radius of $W_{hh}$, plain RNN")
axes[1].set(xlabel="training step", ylabel=r"singular values, orthogonal RNN")
axes[0].legend()
plt.show()

# %%
rows = []
for v in ("rnn", "rnn orthogonal"):
    for name in kinds:
        values = [watched[v, name, s] for s in some]
        after_one = np.mean([one[0][1] for one in values], axis=0)
        rows.append(
            [
                v,
                name,
                f"{after_one[0]:.2f}",
                f"{after_one[2]:.2f} to {after_one[1]:.2f}",
                ", ".join(f"{one[2]:.0e}" for one in values),
                ", ".join(f"{one[1]:.2f}" for one in values),
            ]
        )
figures.table(
    [
        "start", "optimizer", "$\\rho$ after one step", "singular values after one step",
        f"first digit / last after {steps} steps", "accuracy, last 10 steps",
    ],
    rows,
)

# %% [markdown]
# One row for each start and optimizer; the last two columns give the three seeds.
#
# Adam also spreads the singular values in the end, but slowly, and meanwhile it learns the task from the level start.
# RMSprop's first steps move the matrix to a place that has little to do with the start.
# That costs the orthogonal network most of its advantage, as the last column says, and has the plain one's spectral radius above one within the 100 steps, in some seeds to the end.
# A comparison of cells is always a comparison under an optimizer.
#
# How far can the ratio of the gradients be trusted?
# Once more the orthogonal network with the first seed, its first matrix larger or smaller by one part in ten million:

# %%
for name, kind in kinds.items():
    moved = [watch("rnn orthogonal", kind, some[0], steps, 1 + change) for change in (1e-7, -1e-7)]
    ratios = [one[2] for one in (watched["rnn orthogonal", name, some[0]], *moved)]
    print(f"{name:7}: first digit / last after {steps} steps: " + ", ".join(f"{r:.0e}" for r in ratios))

# %% [markdown]
# RMSprop's steps of ten learning rates make large differences of small ones, so its ratio is no property of the start.
# That is why the record above, which another processor made from the same seeds, has other numbers at step 100.
#
# ## An exploding run, rescued
#
# Plain gradient descent with learning rate 0.5, an orthogonal RNN, palindromes of 20 digits.
# Five seeds without clipping, and the same five with the norm clipped at 1.


# %%
def explode(clip_norm, seed, steps=60 if FAST else 1000):
    generator = torch.Generator().manual_seed(seed)
    rnn = layers.RNN(10, 64, generator=generator)
    init.orthogonal_(rnn.cells[0].W_h.data, generator)
    model = models.Classifier(rnn, 10, generator=generator)
    return training.train(
        model,
        tasks.PalindromeBatches(20, 64, seed=1000 + seed, one_hot=True),
        training.classification_loss,
        torch.optim.SGD(model.parameters(), lr=0.5),
        steps,
        clip_norm=clip_norm,
    )


exploded = {(clip, s): explode(clip, s) for clip in (None, 1.0) for s in SEEDS}

# %% mystnb={"image": {"alt": "Two panels over 1,000 training steps. Left, the loss on a logarithmic scale: without clipping it jumps above the chance level and stays there, with clipping it falls below chance in all five, in some of them to below 0.001. Right, the gradient norm before clipping, with peaks far above the clipping threshold of one."}} tags=["paste:rescued"]
fig, axes = plt.subplots(1, 2, figsize=(8, 3.4))
for (clip, s), history in exploded.items():
    colour, dash = (figures.COLOURS[0], "-") if clip else (figures.COLOURS[1], "--")
    label = ("clipped at 1" if clip else "not clipped") if s == 0 else None
    mean10 = np.convolve(history.loss, np.ones(10) / 10, mode="valid")
    axes[0].plot(mean10, color=colour, linestyle=dash, linewidth=1, label=label)
    norm10 = np.convolve(history.grad_norm, np.ones(10) / 10, mode="valid")
    axes[1].plot(norm10, color=colour, linestyle=dash, linewidth=1)
axes[0].axhline(np.log(10), color="black", linestyle=":", linewidth=1, label="chance")
axes[1].axhline(1, color="black", linestyle="-.", linewidth=1, label="threshold")
for ax, name in zip(axes, ["loss (nats)", "gradient norm"], strict=True):
    ax.set_yscale("log")
    ax.set(xlabel="training step", ylabel=f"{name}, mean of 10")
fig.legend(loc="outside upper center", ncols=4)
plt.show()

# %%
ends = {
    clip: [np.mean([m["accuracy"] for m in exploded[clip, s].metrics[-50:]]) for s in SEEDS]
    for clip in (None, 1.0)
}
peaks = {clip: max(max(exploded[clip, s].grad_norm) for s in SEEDS) for clip in (None, 1.0)}
Markdown(
    f"Accuracy over the last 50 steps, worst to best seed: {min(ends[None]):.2f} to {max(ends[None]):.2f} without clipping, "
    f"{min(ends[1.0]):.2f} to {max(ends[1.0]):.2f} with. "
    f"The largest gradient norm was {peaks[None]:.0f} without and {peaks[1.0]:.0f} with clipping: "
    "large gradients occur in both, but with clipping none makes a step longer than 0.5. "
    "Without it, the losses leave chance within the first steps, at norms of a few; the highest peaks come later."
)

# %% [markdown]
# ## What clipping does to the direction
#
# A gradient with a few large entries, cut to norm 1 and cut by value at 0.1.

# %% tags=["nbval-check-output"]
def angle(a, b):
    cosine = (a @ b / (a.norm() * b.norm())).clamp(-1, 1)
    return torch.rad2deg(torch.arccos(cosine)).item()


g = torch.randn(1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
g[:10] *= 30
w = torch.zeros(1000, dtype=torch.float64, requires_grad=True)
w.grad = g.clone()
training.clip_gradient([w], 1.0)
by_norm, by_value = w.grad, g.clamp(-0.1, 0.1)
print(f"by norm:  length {by_norm.norm():.2f}, turned by {angle(by_norm, g):.0f} degrees")
print(f"by value: length {by_value.norm():.2f}, turned by {angle(by_value, g):.0f} degrees")

# %% [markdown]
# ## Mistakes people make
#
# **Clipping after the step**, and **clipping each tensor by itself**.
# We take one step of gradient descent from the same weights in four ways, at a place where the gradient is longer than 1, and compare with the right step.

# %%
def one_step(how):
    generator = torch.Generator().manual_seed(0)
    rnn = layers.RNN(10, 64, generator=generator)
    init.orthogonal_(rnn.cells[0].W_h.data, generator, gain=2.0)
    model = models.Classifier(rnn, 10, generator=generator)
    before = torch.cat([w.detach().flatten() for w in model.parameters()])
    weights, sgd = list(model.parameters()), torch.optim.SGD(model.parameters(), lr=0.5)
    loss, _ = training.classification_loss(model, batch(0, T=20))
    loss.backward()
    if how == "each tensor":
        for w in weights:
            training.clip_gradient([w], 1.0)
    if how == "right":
        training.clip_gradient(weights, 1.0)
    sgd.step()
    if how == "after the step":
        training.clip_gradient(weights, 1.0)
    return torch.cat([w.detach().flatten() for w in model.parameters()]) - before


right = one_step("right")
rows = []
for how in ("right", "no clipping", "after the step", "each tensor"):
    step = one_step(how)
    rows.append([how, f"{step.norm():.2f}", f"{angle(step, right):.0f}°"])
assert torch.equal(one_step("after the step"), one_step("no clipping"))
figures.table(["clipping", "length of the step", "angle to the right step"], rows)

# %% [markdown]
# Clipped after the step is not clipped at all, to the last digit.
# The length of the right step is the learning rate times the threshold.
#
# **Looking at the gradient of $W_{hh}$.**
# It is a sum over the steps; here is what each contributes in the untrained RNN.

# %%
model = networks["rnn", 0]
cell = model.rnn.cells[0]
x, y = batch(0)
states = layers.unroll(cell, x)
loss = torch.nn.functional.cross_entropy(model.readout(states[-1]), y)
dh = torch.autograd.grad(loss, states, retain_graph=True)
(dW,) = torch.autograd.grad(loss, cell.W_h)
h_before = [torch.zeros_like(states[0]), *states[:-1]]
shares = [
    ((1 - h**2) * d).T @ b for h, d, b in zip(states, dh, h_before, strict=True)
]  # each (H, H)
assert check.relative_error(sum(shares), dW) < 1e-4  # single precision
print(f"norm of the whole gradient:        {dW.norm():.1e}")
for last in (1, 5, 10):
    print(f"norm of the last {last:2} shares' sum:    {sum(shares[-last:]).norm() / dW.norm():.4f} of that")
print(f"norm of the first that is not 0:   {shares[1].norm() / dW.norm():.0e} of that")

# %% [markdown]
# The norm of the sum tells nothing about the early steps.
# (A ratio can exceed one, because shares can cancel.)
#
# ## Exercises
#
# Each exercise has a cell with a check, which needs the imports at the top and nothing else.
# Until you answer, it says so.
# What *easy*, *medium* and *hard* mean stands on the [first page](../book/index.md), under *Exercises*.
#
# ### Exercise 1: measure a factor
#
# *Medium · 10 minutes · with a check*
#
# `norms (T,)` holds the length of the gradient at the steps $t = 1, \dots, T$, in this order.
# Going back from $t$ to $t-1$ multiplies it by a factor, $\text{norm}_{t-1} / \text{norm}_t$.
# Return the geometric mean of these factors for $t = T-1, \dots, 2$.
# The step from $T$ is left out: at the loss the LSTM is special, so the last entry is not used.
#
# <details>
# <summary>Hint 1</summary>
#
# Write the product of all factors as one fraction.
# What cancels?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# How many factors are there?
#
# </details>


# %% tags=["exercise-1"]
def mean_factor(norms):
    return None  # your answer


runs = np.exp(np.random.default_rng(1).normal(size=(4, 12)))  # four of 12 steps
logarithms = -np.diff(np.log(runs[:, :-1]), axis=1)
expected = np.exp(logarithms.mean(axis=1))
check.answer("factors", [mean_factor(run) for run in runs], expected)

# %% [markdown]
# <details>
# <summary>Solution 1</summary>
#
# ```python
# def mean_factor(norms):
#     return (norms[0] / norms[-2]) ** (1 / (len(norms) - 2))
# ```
#
# </details>
#
# ### Exercise 2: a rate that does not overflow
#
# *Medium · 15 minutes · with a check*
#
# A vector `v (H,)` is multiplied by the matrices $J_1, J_2, \dots, J_T$ in turn, `J (T, H, H)`.
# Return the mean logarithm of its growth, $\frac1T \ln \frac{\lVert J_T \cdots J_2 J_1 v \rVert}{\lVert v \rVert}$.
# After 500 steps the product can be as large as $10^{900}$ or as small as $10^{-700}$, and no floating-point number holds that.
#
# <details>
# <summary>Hint 1</summary>
#
# The logarithm of a product is a sum: what does one step add to it?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# You may divide the vector by any number in between, if you keep count of it.
#
# </details>


# %% tags=["exercise-2"]
def growth(J, v):
    return None  # your answer


rng = np.random.default_rng(2)
scales, starts = np.array([0.02, 0.6, 5.0, 50.0]), rng.normal(size=(4, 3))
J, shrink = rng.normal(size=(500, 3, 3)), 1 / 1.6  # so shrunk, the product stays a number
with np.errstate(all="ignore"):  # a wrong answer may overflow
    yours = [growth(scale * J, v) for scale, v in zip(scales, starts, strict=True)]
ends = starts
for J_t in J:
    ends = ends @ (shrink * J_t).T
lengths = np.linalg.norm(ends, axis=1) / np.linalg.norm(starts, axis=1)
expected = np.log(lengths) / 500 + np.log(scales / shrink)
check.answer("growth", yours, expected)

# %% [markdown]
# <details>
# <summary>Solution 2</summary>
#
# ```python
# def growth(J, v):
#     total, v = 0.0, v / np.linalg.norm(v)
#     for J_t in J:
#         v = J_t @ v
#         length = np.linalg.norm(v)
#         total, v = total + np.log(length), v / length
#     return total / len(J)
# ```
#
# For the Jacobians of a network the result is its *Lyapunov exponent*: below zero, gradients vanish, above zero they explode.
#
# </details>
#
# ### Exercise 3: clip by hand
#
# *Easy · 10 minutes · with a check*
#
# Complete the function: it gets a list of NumPy gradients, arrays of any shape, and a number `max_norm`, and returns the list, clipped by norm.
#
# <details>
# <summary>Hint 1</summary>
#
# What is clipped is the length of *all* gradients together, taken as one long vector.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# All arrays are multiplied by one number.
# When is it 1?
#
# </details>


# %% tags=["exercise-3"]
def my_clip(grads, max_norm):
    return None  # your answer


rng = np.random.default_rng(3)
parts = [rng.normal(size=4), rng.normal(size=(2, 3))]
for case, max_norm in {"too long": 1.7, "short enough": 9.1}.items():
    leaves = [torch.tensor(part, requires_grad=True) for part in parts]
    for leaf in leaves:
        leaf.grad = leaf.detach().clone()
    torch.nn.utils.clip_grad_norm_(leaves, max_norm)
    mine = my_clip([part.copy() for part in parts], max_norm) or [None, None]
    for k, leaf in enumerate(leaves):
        check.answer(f"{case}, array {k}", mine[k], leaf.grad, 1e-5)

# %% [markdown]
# <details>
# <summary>Solution 3</summary>
#
# ```python
# def my_clip(grads, max_norm):
#     norm = np.sqrt(sum((g**2).sum() for g in grads))
#     return [g * min(1.0, max_norm / norm) for g in grads]
# ```
#
# The tolerance is wide because torch adds $10^{-6}$ to the norm.
#
# </details>
