# %% [markdown]
# # Where training starts: run it
#
# This notebook goes with the page [Where training starts](../book/initialisation.md).
# You will start the same network from different weights, see which starts can learn at all and which learn to remember, and predict it before training.
# It runs in two to three minutes on one processor core.

# %% cellView="form" mystnb={"code_prompt_hide": "Set up: installs rnnlib where it is missing", "code_prompt_show": "Set up: installs rnnlib where it is missing"} tags=["hide-input"]
# @title Set up: installs rnnlib where it is missing
# This notebook uses rnnlib, the small library of this book.
# In Colab it is missing at first: then this cell installs it, which takes about half a minute.
# Where rnnlib is there, the cell does nothing, so you can run it as often as you like.
# Your torch, numpy and matplotlib stay as they are, because rnnlib asks for lower bounds only.
import importlib
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("rnnlib") is None:
    address = "https://github.com/your_name/recurrent-networks-from-scratch"
    print(f"Installing rnnlib from {address}")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", f"rnnlib @ git+{address}"]
    done = subprocess.run(pip, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"rnnlib could not be installed. pip says:\n{done.stderr}")
    importlib.invalidate_caches()

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

from rnnlib import check, experiments, figures, init, layers, models, tasks, training
from rnnlib.experiments.gradient_flow import gradient_norms
from rnnlib.experiments.memory import Reader, loss_fn
from rnnlib.experiments.palindrome import build

FAST = os.environ.get("RNNLIB_FAST") == "1"  # small sizes, for tests
figures.use_style()


def seeded(seed):
    return torch.Generator().manual_seed(seed)


# %% [markdown]
# ## One network, six starts
#
# A plain RNN with 128 units, palindromes of 20 digits, Adam with learning rate $10^{-3}$, gradients clipped at 1.
# The seeds fix the batches, so that within a seed all six see the same ones.
# Only the weights before the first step differ: all zero, all 0.01 (but the bias, zero), torch's default (uniform), Xavier, orthogonal, and the identity with ReLU in place of $\tanh$.
# The last three are about the recurrent matrix $W_{hh}$; there the bias starts at zero, and the other weights are torch's default.


# %%
def start(name, seed, H=128):
    generator = seeded(seed)
    nonlinearity = "relu" if name == "identity, ReLU" else "tanh"
    rnn = layers.RNN(10, H, generator=generator, nonlinearity=nonlinearity)
    model = models.Classifier(rnn, 10, generator=generator)
    W, b = rnn.cells[0].W_h.data, rnn.cells[0].b.data
    if name in ("all 0", "all 0.01"):
        for weight in model.parameters():
            weight.data.fill_(float(name.split()[1]))
    if name != "uniform":
        b.zero_()
    if name == "Xavier":
        init.xavier_(W, generator)
    if name == "orthogonal":
        init.orthogonal_(W, generator)
    if name == "identity, ReLU":
        init.identity_(W)
    return model


def fit(model, T, steps, seed, batch=128):
    return training.train(
        model,
        tasks.PalindromeBatches(T, batch, seed=1000 + seed, one_hot=True),
        training.classification_loss,
        torch.optim.Adam(model.parameters(), lr=1e-3),
        steps,
        clip_norm=1.0,
        progress=False,
    )


STARTS = ["all 0", "all 0.01", "uniform", "Xavier", "orthogonal", "identity, ReLU"]
SEEDS, STEPS = range(1 if FAST else 3), 20 if FAST else 400
trained = {(name, s): start(name, s) for name in STARTS for s in SEEDS}
curves = {
    (name, s): [m["accuracy"] for m in fit(model, 20, STEPS, s).metrics]
    for (name, s), model in trained.items()
}

# %% mystnb={"image": {"alt": "Accuracy on palindromes of 20 digits over 400 training steps for six starts, three seeds each. All weights zero and all weights 0.01 stay at chance. Torch's uniform start stays at chance for over 200 steps, and then rises in some seeds. Xavier, orthogonal and identity with ReLU rise at once and are right nearly always after 40 to 100 steps."}} tags=["paste:starts"]
fig, ax = plt.subplots()
width = 10
for name in STARTS:
    smooth = [np.array(curves[name, s]).reshape(-1, width).mean(axis=1) for s in SEEDS]
    figures.mean_and_range(ax, width * (np.arange(STEPS // width) + 0.5), smooth, name)
ax.axhline(0.1, color="black", linestyle=":", linewidth=1)
ax.set(xlabel="training step", ylabel="accuracy, mean of 10 batches", ylim=(0, 1.05))
ax.legend(title="start", loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()


# %% tags=["paste:starts_numbers"]
def first_time(name, level=0.95):
    """Steps until 10 batches running average the level, for each seed that gets there."""
    means = [np.convolve(curves[name, s], np.ones(10) / 10, mode="valid") for s in SEEDS]
    return [int(np.argmax(m >= level)) + 10 for m in means if (m >= level).any()]


parts = []
for name in STARTS:
    times = first_time(name)
    when = f", after {min(times)} to {max(times)} steps" if times else ""
    parts.append(f"{name}: {len(times)} of {len(SEEDS)}{when}")
Markdown(
    f"Runs that reach an accuracy of 0.95 over ten batches within {STEPS} steps: "
    + "; ".join(parts)
    + "."
)

# %% [markdown]
# [The chapter on sequences](../book/sequences.md) warned that a palindrome of even length can also be answered by counting which digit came an odd number of times.
# Do these networks remember, or do they count?
# We feed random digits in place of palindromes, so that the two answers differ, and ask which one the network gives.

# %% tags=["paste:counting"]
def first_or_odd(model, T=20, N=2000):
    """Share of random sequences answered with the first digit, and with a digit of odd count."""
    digits = torch.randint(0, 10, (N, T - 1), generator=seeded(77))
    one_hot = torch.nn.functional.one_hot(digits, 10)
    with torch.no_grad():
        answer = model(one_hot.float()).argmax(dim=1)
    odd = one_hot.sum(dim=1) % 2 == 1  # (N, 10): in a palindrome, one digit alone
    return (answer == digits[:, 0]).double().mean().item(), odd[range(N), answer].double().mean().item()


good = {n: [first_or_odd(trained[n, s]) for s in SEEDS] for n in ("Xavier", "orthogonal", "identity, ReLU")}
Markdown(
    "On random digits the trained networks answer with the first digit in this share, from worst to best seed: "
    + "; ".join(f"{n} {min(v)[0]:.2f} to {max(v)[0]:.2f}" for n, v in good.items())
    + f". A digit with an odd count is the answer in {np.mean([v[1] for n in good for v in good[n]]):.2f}, "
    "about what a guess without regard to counts gives. They remember; they do not count."
)

# %% [markdown]
# ## Equal units stay equal
#
# Two starts never leave chance.
# After all those steps we look at the hidden units of the network that began with 0.01 everywhere: how far is any of its 128 units from the first?


# %% tags=["nbval-check-output"]
def spread(weight):
    """The largest difference between two rows, that is, between two hidden units."""
    return (weight - weight[:1]).abs().max().item()


cell = trained["all 0.01", 0].rnn.cells[0]
into, out = cell.W_x.detach(), trained["all 0.01", 0].readout.weight.detach().T
assert not torch.equal(into, torch.full_like(into, 0.01))  # it did train
print("moved by training:", not torch.equal(into, torch.full_like(into, 0.01)))
print(f"largest difference between units below 1e-6: {max(spread(into), spread(out)) < 1e-6}")
print(f"rank of W_hh: {torch.linalg.matrix_rank(cell.W_h.detach()).item()}")

# %% [markdown]
# 128 equal units are one unit, counted 128 times.
# One single unit, whose recurrent weight and readout count once for each of them, should then have the same loss at every step.
# We check it for 32 units and plain gradient descent, in double precision; the comments in the cell say how the learning rates have to match.


# %% tags=["nbval-check-output"]
def constant_network(H, value, of=1):
    """H equal units; each stands for ``of`` units, so what is read from it counts ``of`` times."""
    model = models.Classifier(layers.RNN(10, H), 10).double()
    for weight in model.parameters():
        weight.data.fill_(value)
    model.rnn.cells[0].W_h.data.mul_(of)
    model.readout.weight.data.mul_(of)
    return model


def descend(model, rates, steps=20):
    losses, source = [], tasks.PalindromeBatches(6, 64, seed=0, one_hot=True)
    for _ in range(steps):
        x, y = next(source)
        loss = torch.nn.functional.cross_entropy(model(x.double()), y)
        losses.append(loss.item())
        grads = torch.autograd.grad(loss, list(model.parameters()))
        for weight, grad, rate in zip(model.parameters(), grads, rates, strict=True):
            weight.data -= rate * grad
    return losses


H, rate = 32, 0.1
names = [name for name, _ in constant_network(1, 0).named_parameters()]
# An input weight and bias of the one unit: its gradient is the sum of H equal ones.
# A weight that is read H times over: the one number is H times each of theirs.
ratio = {"W_x": 1 / H, "b": 1 / H, "W_h": 1, "weight": H, "bias": 1}
ratios = [ratio[name.split(".")[-1]] for name in names]
many = descend(constant_network(H, 0.05), [rate] * len(names))
one = descend(constant_network(1, 0.05, of=H), [rate * r for r in ratios])
print(
    f"largest relative difference of the two loss curves below 1e-12: {check.relative_error(many, one) < 1e-12}"
)
assert many[-1] < many[0]

# %% [markdown]
# Thirty-two equal units and one unit have the same loss at every step.
#
# With all weights at zero even that one unit is dead.
# Which weights get a gradient at the first step?
# Below, parts of the network are set to zero and the rest is drawn at random.


# %% tags=["paste:zeros"]
def first_gradient(layer, zero):
    model = models.Classifier(layer(10, 16, generator=seeded(0)), 10, generator=seeded(1))
    for name, weight in model.named_parameters():
        if zero == "all" or (zero == "readout") == name.startswith("readout"):
            weight.data.zero_()
    x, y = tasks.palindromes(8, 64, seeded(2), one_hot=True)
    torch.nn.functional.cross_entropy(model(x), y).backward()
    cell = model.rnn.cells[0]
    tensors = [cell.W_x, cell.W_h, cell.b, model.readout.weight, model.readout.bias]
    return ["0" if (w.grad == 0).all() else "yes" for w in tensors]


rows = []
for zero in ("all", "cell", "readout"):
    for layer in (layers.RNN, layers.LSTM, layers.GRU):
        what = {"all": "everything", "cell": "the cell", "readout": "the readout"}[zero]
        rows.append([what, layer.__name__, *first_gradient(layer, zero)])
figures.table(["set to zero", "cell", "$W_x$", "$W_h$", "$b$", "$W_{ph}$", "$b_p$"], rows)

# %% [markdown]
# "yes" means that some entry of the gradient is not zero.
# With everything at zero only the readout's bias learns, which can do no more than learn how frequent each digit is.
# A zero readout alone is harmless: after one step it is no longer zero.
# A zero cell with a random readout is not stuck either, because the readout's columns differ, and so the units get different gradients.
#
# ## One step: the variance
#
# Claim: with $h$ of mean square one in each entry, $W h$ has variance $H \cdot \operatorname{Var}(W_{ij})$.

# %% tags=["paste:variance"]
FILLS = {
    "uniform": lambda W, g: init.uniform_(W, W.shape[1] ** -0.5, g),
    "Xavier": init.xavier_,
    "Kaiming": init.kaiming_,
    "orthogonal": init.orthogonal_,
}
PREDICTED = {"uniform": 1 / 3, "Xavier": 1.0, "Kaiming": 2.0, "orthogonal": 1.0}
H, rows = 128, []
for name, fill in FILLS.items():
    squares, radii, s_max, s_min = [], [], [], []
    for seed in range(20):
        W = fill(torch.empty(H, H), seeded(seed))
        h = torch.randn(1000, H, generator=seeded(100 + seed))
        squares.append((h @ W.T).square().mean().item())
        radii.append(torch.linalg.eigvals(W).abs().max().item())
        singular = torch.linalg.svdvals(W)
        s_max.append(singular[0].item())
        s_min.append(singular[-1].item())
    assert abs(np.mean(squares) / PREDICTED[name] - 1) < 0.05
    rows.append(
        [name, f"{PREDICTED[name]:.3f}", f"{np.mean(squares):.3f}", f"{np.sqrt(PREDICTED[name]):.2f}",
         f"{np.mean(radii):.2f}", f"{np.mean(s_max):.2f}", f"{np.mean(s_min):.3f}"]
    )
figures.table(
    [
        "start",
        "variance of $Wh$: predicted",
        "measured",
        "its root",
        "$\\rho$",
        "$s_{\\max}$",
        "$s_{\\min}$",
    ],
    rows,
)

# %% [markdown]
# ## Many steps: which directions arrive
#
# Xavier and the orthogonal start agree about one step.
# Over many steps the same matrix is applied again and again, and they part.
# The singular values of $\partial h_{30}/\partial h_0$, in the untrained network, while it reads a palindrome, say how much of each direction of the state arrives thirty steps later.


# %% mystnb={"image": {"alt": "The 128 singular values of the Jacobian over 30 steps, sorted, on a logarithmic scale, for four starts. Uniform begins at about one in a million and falls. Xavier begins near one and Kaiming above one hundred, and both fall steeply over many orders of magnitude. Orthogonal is level, all between about 0.1 and 1."}} tags=["paste:directions"]
def jacobian(name, seed, steps=30, H=128):
    """dh_steps / dh_0 (H, H) of an untrained RNN that reads a palindrome."""
    generator = seeded(seed)
    rnn = layers.RNN(10, H, generator=generator).double()
    cell = rnn.cells[0]
    if name != "uniform":
        cell.b.data.zero_()
    FILLS[name](cell.W_h.data, generator)
    x, _ = tasks.palindromes(steps + 1, 1, generator, one_hot=True)
    product = torch.eye(H, dtype=torch.float64)
    with torch.no_grad():
        for h in layers.unroll(cell, x.double()):
            product = (1 - h.T**2) * (cell.W_h @ product)  # diag(1 - h^2) W_hh, times the rest
    return product


spectra = {
    name: [torch.linalg.svdvals(jacobian(name, s)).numpy() for s in range(5)] for name in FILLS
}
fig, ax = plt.subplots()
for name, runs in spectra.items():
    figures.mean_and_range(ax, np.arange(1, 129), np.maximum(runs, 1e-16), name)
ax.set_yscale("log")
ax.set(
    xlabel="singular value, from the largest",
    ylabel=r"of $\partial h_{30}/\partial h_0$",
    ylim=(1e-15, 1e3),
)
ax.legend(title="start", loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% tags=["paste:directions_numbers"]
alive = {name: np.mean([(s > 0.01).sum() for s in runs]) for name, runs in spectra.items()}
Markdown(
    "Directions of 128 that keep more than a hundredth of their length over thirty steps, mean of five seeds: "
    + ", ".join(f"{name} {count:.0f}" for name, count in alive.items())
    + "."
)

# %% [markdown]
# ## The forget bias is a time
#
# A cell state that nothing is written to shrinks by $f = \sigma(b_f)$ at every step.
# The table turns a bias into a time: the steps until half is left, and the time constant $1/(1-f) = 1 + e^{b_f}$.

# %% tags=["paste:times"]
rows = []
for b_f in (0.0, 1.0, 2.0, 4.0, 6.0):
    f = 1 / (1 + np.exp(-b_f))
    assert check.relative_error(1 / (1 - f), 1 + np.exp(b_f)) < 1e-12
    rows.append(
        [
            f"{b_f:.0f}",
            f"{f:.3f}",
            f"{np.log(0.5) / np.log(f):.1f}",
            f"{1 + np.exp(b_f):.1f}",
            f"{f**100:.0e}",
        ]
    )
figures.table(
    ["$b_f$", "$f$", "half is left after (steps)", "$1/(1-f)$ (steps)", "left after 100 steps"],
    rows,
)

# %% [markdown]
# Chrono draws $b_f = \ln u$ with $u$ uniform between 1 and $T_{\max} - 1$, so that the time constants $1 + u$ are spread evenly up to $T_{\max}$.
# Now the gradient in whole LSTMs, reading palindromes of 200 digits before any training: the mean length of $\partial L/\partial c_t$.

# %% mystnb={"image": {"alt": "Mean length of the gradient by the cell state against steps back from the loss, on a logarithmic scale over 150 steps, for four starts. Bias 0 falls along a steep straight line by about twenty orders of magnitude. Bias 1 falls by about two, chrono by less than one, and bias 4 begins lower and rises."}} tags=["paste:forget"]
T, H = 200, 128
BIASES = {"bias 0": 0.0, "bias 1": 1.0, "bias 4": 4.0, "chrono": None}


def lstm(bias, seed, T=T, H=H):
    model = build("lstm", 10, H, "orthogonal", T, seeded(seed), "zero")
    b = model.rnn.cells[0].b.data
    init.chrono_(b, T, seeded(seed)) if bias is None else init.forget_bias_(b, bias)
    return model


back = np.arange(151)
fig, ax = plt.subplots()
left = {}
for name, bias in BIASES.items():
    runs = []
    for seed in range(1 if FAST else 3):
        x, y = tasks.palindromes(T, 32, seeded(seed), one_hot=True)
        runs.append(gradient_norms(lstm(bias, seed), x, y)["c"][::-1][:151])
    left[name] = np.mean([r[150] / r[0] for r in runs])
    figures.mean_and_range(ax, back, runs, name)
ax.set_yscale("log")
ax.set(xlabel="steps back from the loss", ylabel=r"mean length of $\partial L/\partial c_t$")
ax.legend(title="LSTM", loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% tags=["paste:forget_numbers"]
Markdown(
    "What is left of the gradient after 150 steps back: "
    + ", ".join(f"{name} {value:.0e}" for name, value in left.items())
    + "."
)

# %% [markdown]
# ## Live: train again, with your start
#
# *For Jupyter, VS Code or Colab; the knobs are ipywidgets.*
#
# An LSTM of 32 units with orthogonal recurrent weights, trained on palindromes with Adam.
# Choose the forget bias, the learning rate and the length.
# How large a bias does each length want?
# Is there one that is too large?

# %% tags=["live"] mystnb={"image": {"alt": "Accuracy against training step for an LSTM with forget bias 2 on palindromes of 21 digits, as a mean over ten batches, with a dotted line at chance: it climbs from the first steps on, to one within about 150."}}
from rnnlib import live


def train_again(bias=2.0, rate=0.01, length=21, steps=20 if FAST else 300):
    """Accuracy against training step, a mean over ten batches; the dotted line is chance."""
    model = lstm(bias, 0, T=length, H=32)
    source = tasks.PalindromeBatches(length, 64, seed=1000, one_hot=True)
    adam, accuracy = torch.optim.Adam(model.parameters(), lr=rate), []
    for k in range(0, steps, 10):
        history = training.train(model, source, training.classification_loss, adam, 10, clip_norm=1.0)
        accuracy.append(np.mean([m["accuracy"] for m in history.metrics]))
        if (yield (k + 10) / steps):
            break
    f = 1 / (1 + np.exp(-bias))
    half = np.log(0.5) / np.log(f)
    print(f"before training, half of c is left after {half:.1f} steps; {length - 1} digits come in")
    print(f"after {10 * len(accuracy)} steps the accuracy of the last ten batches is {accuracy[-1]:.3f}")
    fig, ax = plt.subplots(figsize=(6, 2.6))
    ax.plot(10 * np.arange(len(accuracy)) + 5, accuracy, marker="o", ms=3)
    ax.axhline(0.1, color="black", linestyle=":", linewidth=1)
    ax.set(xlabel="training step", ylabel="accuracy", ylim=(0, 1.05))
    return fig


panel = live.interact_manual(
    train_again, "Train", bias=(-2.0, 8.0, 0.5), rate=[0.0003, 0.001, 0.003, 0.01, 0.03],
    length=(5, 61, 2), steps=(20, 600, 20),
)

# %% [markdown]
# ## How far can a cell remember?
#
# From here on the figures show recorded studies.
# Each record holds the command that repeats it.

# %%
record = experiments.load("palindrome_memory")
print(record["command"])
hours = record["run_seconds"] / 3600
Markdown(
    f"{len(record['runs'])} runs, {hours:.1f} processor hours, recorded with torch {record['versions']['torch']}. "
    "Palindromes with one-hot digits, 128 units, batches of 128, Adam with learning rate 0.001, gradients clipped at 1. "
    "A run is solved after 20 perfect batches running."
)

# %% tags=["paste:success"]
NAMES = {"uniform": "uniform", "xavier": "Xavier", "kaiming": "Kaiming", "orthogonal": "orthogonal"}
CELLS = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}


def group(runs, *keys):
    """Runs by the values of some settings, in order of appearance."""
    groups = {}
    for r in runs:
        groups.setdefault(tuple(r["settings"][k] for k in keys), []).append(r)
    return groups


def success(runs):
    """Solved of all; median steps and seconds of the solved."""
    good = [r for r in runs if r["result"]["solved"]]
    if not good:
        return f"0/{len(runs)}"
    steps = np.median([r["result"]["steps"] for r in good])
    seconds = np.median([r["seconds"] for r in good])
    return f"{len(good)}/{len(runs)}: {steps:.0f} ({seconds:.0f}\u00a0s)"


def success_table(cell):
    runs = [r for r in record["runs"] if r["settings"]["cell"] == cell]
    lengths = sorted({r["settings"]["T"] for r in runs})
    rows = []
    for (weights, bias), some in group(runs, "weights", "bias").items():
        by_length = group(some, "T")
        cells = [success(by_length[T,]) if (T,) in by_length else "" for T in lengths]
        rows.append([NAMES[weights], bias, *cells])
    return figures.table(["$W_h$", "bias", *(f"T = {T}" for T in lengths)], rows)


success_table("rnn")

# %% tags=["paste:success_lstm"]
success_table("lstm")

# %% [markdown]
# Read the two tables row by row: solved runs of all, then the median steps of those, and their processor time.
# An empty field was not run.
#
# ## Chrono solved nothing: too slow, or unable?
#
# The surprise is in the last rows: chrono, made for long memories, solved no run in 1,000 steps, and the GRU hardly any.
# First, what were those runs doing when they ended?


# %% tags=["paste:chrono_ends"]
def ends(cell, bias, T, runs):
    """Accuracies on fresh numbers, lowest and highest, of the runs of a cell with a bias."""
    found = [r["result"]["test_accuracy"] for r in runs
             if (r["settings"]["cell"], r["settings"]["bias"], r["settings"]["T"]) == (cell, bias, T)]
    return f"{min(found):.2f} to {max(found):.2f}"


chrono_lstm = [r for r in record["runs"] if r["settings"]["bias"] == "chrono" and r["settings"]["cell"] == "lstm"]
last = [r["result"]["train_accuracy_per_100_steps"][-2:] for r in chrono_lstm]
Markdown(
    f"The {len(chrono_lstm)} LSTMs with chrono end with an accuracy of {ends('lstm', 'chrono', 50, record['runs'])} on fresh numbers of 50 digits. "
    f"In {sum(b > a for a, b in last)} of the {len(last)} it is higher over the last hundred training steps than over the hundred before. "
    f"The LSTMs with bias 1 end with {ends('lstm', 'one', 50, record['runs'])}."
)

# %% [markdown]
# They were on their way.
# A unit with a time constant of $1 + u$ writes with $i = 1/(1 + u)$.
# Adam moves a weight by about one learning rate a step, whatever the size of its gradient, but behind a gate of 1/25 the same move changes the cell by 1/25 as much.
# If that is what holds chrono up, a larger learning rate should help it.
# So the same again with 0.004, four times as much, for up to 2,000 steps, and the LSTM with bias 1 and the GRU with chrono beside it.

# %% tags=["paste:chrono_rate"]
studies = ("palindrome_chrono", "palindrome_bias_one", "palindrome_gru")
faster = [r for name in studies for r in experiments.load(name)["runs"]]
lengths = sorted({r["settings"]["T"] for r in faster})
rows = []
for (cell, bias), some in group(faster, "cell", "bias").items():
    by_length = group(some, "T")
    rows.append([CELLS[cell], bias, *(success(by_length[T,]) if (T,) in by_length else "" for T in lengths)])
figures.table(["cell", "bias", *(f"T = {T}" for T in lengths)], rows)

# %%
print(*(experiments.load(name)["command"] for name in studies), sep="\n")

# %% [markdown]
# The page reads the tables.
#
# ## Grow the length
#
# Start with 20 digits; after five perfect batches running, make the length half as much again, and go on with the same weights.

# %% mystnb={"image": {"alt": "Length of the palindromes in training against training step, on a logarithmic vertical scale, one line a run: five for each network that goes to 400 or 150, three for the one that goes to 1,000. The LSTMs with chrono stay at 20 digits for about 400 to 550 steps and then climb almost straight up. The RNNs climb in even stairs from step 100 on and stay at 150 for hundreds of steps. The LSTMs with bias 1 climb early or late, and one stays at 400 to the end."}} tags=["paste:grow"]
growing = [r for name in ("palindrome_curriculum", "palindrome_thousand") for r in experiments.load(name)["runs"]]
LABELS = {"uniform": "", "zero": "", "one": ", bias 1", "chrono": ", chrono"}
fig, ax = plt.subplots()
for k, ((cell, bias, T), runs) in enumerate(group(growing, "cell", "bias", "T").items()):
    for r in runs:
        stages = r["result"]["lengths"]
        moved_on = np.cumsum([stage["steps"] for stage in stages])
        ax.step(
            [0, *moved_on], [stages[0]["T"], *(stage["T"] for stage in stages)], where="pre",
            color=figures.COLOURS[k], linestyle=figures.DASHES[k], linewidth=1.2,
            label=f"{CELLS[cell]}{LABELS[bias]}, to {T}" if r is runs[0] else None,
        )
ax.set_yscale("log")
ax.set_yticks([20, 50, 100, 200, 400, 1000], ["20", "50", "100", "200", "400", "1000"])
ax.minorticks_off()
ax.set(xlabel="training step", ylabel="length T in training (digits)")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% tags=["paste:grow_table"]
rows = []
for (cell, bias, T), runs in group(growing, "cell", "bias", "T").items():
    results = [r["result"] for r in runs]
    passed = [[s["T"] for s in q["lengths"]][: None if q["solved"] else -1] for q in results]
    between = [s["steps"] for q in results for s in q["lengths"][1:-1]]
    accuracy = [q["test_accuracy"] for q in results]
    rows.append(
        [CELLS[cell] + LABELS[bias], T, success(runs), min(p[-1] for p in passed), f"{np.median(between):.0f} ({max(between)})",
         f"{min(accuracy):.3f} to {max(accuracy):.3f}"]
    )
figures.table(
    ["cell", "last T", "solved: median steps (seconds)", "T passed by all",
     "steps at a length between: median (most)", "accuracy at the last T"],
    rows,
)

# %% [markdown]
# ## Adding and copying
#
# Two older tests of memory.
# *Adding*: of $T$ random numbers two are marked, and their sum is asked for at the end.
# *Copying*: ten symbols, $T$ blanks, then the ten symbols again.
# Both have an answer that needs no memory, and its loss is the line to get below.

# %% tags=["nbval-check-output"]
x, y = tasks.adding(200, 20_000, seeded(0))
always_one = ((1 - y) ** 2).mean().item()
print(
    f"adding: always 1 gives {tasks.adding_baseline():.4f}, counted over 20,000 sequences: within 0.002: {abs(always_one - 1 / 6) < 0.002}"
)
x, y = tasks.copying(200, 200, seeded(0))
guess = torch.where(y > 0, np.log(8), 0.0).mean().item()
print(
    f"copying, T = 200: {tasks.copying_baseline(200):.4f}, counted: equal: {abs(guess - tasks.copying_baseline(200)) < 1e-6}"
)

# %% mystnb={"image": {"alt": "Four panels, adding and copying at 200 and 400: loss divided by the trivial answer's against training step, on a logarithmic scale. In both adding panels the GRUs leave one after about 700 to 1,200 steps and fall to a hundredth, the LSTMs with chrono do so more slowly, one in each panel ending at a few hundredths, and all others stay near one. In both copying panels all networks fall to one and stay there."}} tags=["paste:memory"]
memory = [experiments.load(name) for name in ("memory", "memory_copy", "memory_400")]
adding, copying, at_400 = (one["runs"] for one in memory)
copying = copying + [r for r in at_400 if r["settings"]["task"] == "copy"]
PER = 100
panels = group(adding + copying, "task", "T")
VARIANTS = ["rnn orthogonal", "lstm bias 0", "lstm bias 1", "lstm chrono", "gru"]
fig, axes = plt.subplots(2, 2, figsize=(8, 5.4), sharey=True, squeeze=False)
for ax, ((task, T), runs) in zip(axes.flat, sorted(panels.items()), strict=False):
    for k, ((variant,), some) in enumerate(group(runs, "variant").items()):
        for r in some:
            loss = np.array(r["result"]["loss_per_100_steps"]) / r["result"]["baseline"]
            ax.plot(
                PER * np.arange(1, len(loss) + 1), loss, color=figures.COLOURS[k],
                linestyle=figures.DASHES[k], linewidth=1.2, label=variant if r is some[0] else None,
            )
    ax.axhline(1, color="black", linestyle=":", linewidth=1)
    ax.set_yscale("log")
    ax.set(title=f"{task}, T = {T}", xlabel="training step", ylabel="loss / trivial answer's")
handles, names = axes[0, 0].get_legend_handles_labels()
fig.legend(handles, names, loc="outside upper center", ncols=3)
plt.show()

# %% tags=["paste:memory_table"]
rows = []
for (task, T), runs in sorted(panels.items()):
    for (variant,), some in group(runs, "variant").items():
        losses = [r["result"]["test_loss"] for r in some]
        rows.append(
            [task, T, variant, success(some), ", ".join(f"{v:.4f}" for v in sorted(losses)),
             f"{some[0]['result']['baseline']:.4f}"]
        )
figures.table(
    [
        "task",
        "T",
        "cell",
        "solved: median steps (seconds)",
        "loss on fresh sequences, by seed",
        "trivial answer",
    ],
    rows,
)

# %% [markdown]
# The GRU is a surprise.
# All its biases are zero, so it starts with $z = \frac12$ and keeps less than the LSTM with bias 1, which learns nothing here.
# What happens while its loss still stands on the trivial answer?
# We train both again for T = 200, one seed each, and look every 100 steps at the gate that keeps, $z$ or $f$: its mean over sequences and steps, unit by unit.


# %% mystnb={"image": {"alt": "Two panels over 900 training steps of the adding problem at 200. Left, the loss divided by the trivial answer's: both networks fall to one within 200 steps and stay there, but the GRU's is at 0.95 at the end. Right, the mean of the gate that keeps, median unit and five highest: the GRU's rises from one half to about 0.86 and 0.97, the LSTM's five highest rise once to 0.91 and then sink slowly, and its median sinks from the start."}} tags=["paste:keeping"]
def keeping(model, x):
    """The mean of the gate that keeps, for each unit: rows H to 2H in torch's LSTM and GRU."""
    rnn = model.rnn
    H = rnn.hidden_size
    with torch.no_grad():
        h, _ = rnn(x)  # (N, T, H)
        h_before = torch.nn.functional.pad(h, (0, 0, 1, -1))  # zero, h_1, ..., h_{T-1}
        a = x @ rnn.weight_ih_l0[H : 2 * H].T + h_before @ rnn.weight_hh_l0[H : 2 * H].T
        a += rnn.bias_ih_l0[H : 2 * H] + rnn.bias_hh_l0[H : 2 * H]
        return torch.sigmoid(a).mean(dim=(0, 1)).sort().values.numpy()


T_gates, every, rounds = (20, 5, 2) if FAST else (200, 100, 9)
x, _ = tasks.adding(T_gates, 64, seeded(5))
fig, axes = plt.subplots(1, 2, figsize=(8, 3.4))
gates, losses = {}, {}
for k, variant in enumerate(("lstm bias 1", "gru")):
    model = Reader("adding", variant, T_gates, 64, seeded(0))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    source = tasks.Batches(tasks.adding, 1000, T=T_gates, N=32)
    seen, losses[variant] = [keeping(model, x)], []
    for _ in range(rounds):
        history = training.train(model, source, loss_fn, optimizer, every, clip_norm=1.0, progress=False)
        losses[variant].append(np.mean(history.loss) / tasks.adding_baseline())
        seen.append(keeping(model, x))
    gates[variant] = np.array(seen)  # (rounds + 1, H)
    steps = every * np.arange(rounds + 1)
    style = {"color": figures.COLOURS[k], "linestyle": figures.DASHES[k]}
    axes[0].plot(steps[1:], losses[variant], label=variant, **style)
    axes[1].plot(steps, gates[variant][:, -5:].mean(axis=1), marker="o", ms=4, **style)
    axes[1].plot(steps, np.median(gates[variant], axis=1), **style)
axes[0].axhline(1, color="black", linestyle=":", linewidth=1)
axes[0].set(xlabel="training step", ylabel="loss / trivial answer's", ylim=(0, 2))
axes[1].set(xlabel="training step", ylabel="gate that keeps, mean", ylim=(0.4, 1))
axes[0].legend()
plt.show()

# %% tags=["paste:keeping_numbers"]
Markdown(
    "The gate that keeps, from the start to the end of these steps: "
    + "; ".join(
        f"{variant} {np.median(g[0]):.2f} to {np.median(g[-1]):.2f} in the median unit, "
        f"{g[0, -5:].mean():.2f} to {g[-1, -5:].mean():.2f} in the five highest"
        for variant, g in gates.items()
    )
    + "."
)

# %% [markdown]
# No cell copies within 1,500 steps.
# Three of the cells were given 8,000 steps at T = 200, one seed each.

# %% mystnb={"image": {"alt": "Loss divided by the trivial answer's against training step to 8,000 for three networks. All fall to one within about 1,500 steps. The LSTM with bias 1 stays there. The LSTM with chrono stays until 5,500 steps, jumps up to 1.1 and then goes a little below. The GRU sinks slowly to 0.8."}} tags=["paste:memory_long"]
longer = experiments.load("memory_copy_long")
fig, ax = plt.subplots()
for (variant,), (r,) in group(longer["runs"], "variant").items():
    k = VARIANTS.index(variant)
    loss = np.array(r["result"]["loss_per_100_steps"]) / r["result"]["baseline"]
    ax.plot(
        PER * np.arange(1, len(loss) + 1), loss, color=figures.COLOURS[k],
        linestyle=figures.DASHES[k], label=variant,
    )
ax.axhline(1, color="black", linestyle=":", linewidth=1)
ax.set(title="copy, T = 200", xlabel="training step", ylabel="loss / trivial answer's", ylim=(0.7, 2))
ax.legend()
plt.show()

# %%
print(*(one["command"] for one in [*memory, longer]), sep="\n")

# %% [markdown]
# ## Mistakes people make
#
# **One orthogonal matrix for four gates.**
# `W_h` of an LSTM is $(4H, H)$.
# Filled as one matrix, its columns are orthonormal, but no gate's block is orthogonal.
# The check looks at the singular values of one block.

# %% tags=["nbval-check-output"]
for blocks in (1, 4):
    W = init.orthogonal_(torch.empty(4 * 64, 64, dtype=torch.float64), seeded(0), blocks=blocks)
    s = torch.linalg.svdvals(W[:64])
    print(
        f"filled as {blocks}: singular values of the first gate's block {s[-1]:.2f} to {s[0]:.2f}"
    )

# %% [markdown]
# **The forget bias, twice.**
# torch's LSTM has two biases for each gate, and adds them.
# Setting both to 1 makes a forget bias of 2.
# The check asks the cell itself: with zero inputs and weights, how much of $c$ is left after one step?


# %% tags=["nbval-check-output"]
def kept(set_biases):
    """c_1 / c_0 of torch's LSTM with zero weights."""
    twin = torch.nn.LSTM(3, 4, batch_first=True)
    for weight in twin.parameters():
        weight.data.zero_()
    set_biases(twin)
    c0 = torch.ones(1, 1, 4)
    _, (_, c1) = twin(torch.zeros(1, 1, 3), (torch.zeros(1, 1, 4), c0))
    return (c1 / c0).mean().item()


def both(twin):
    twin.bias_ih_l0.data[4:8] = 1
    twin.bias_hh_l0.data[4:8] = 1


def one_of_them(twin):
    twin.bias_ih_l0.data[4:8] = 1


def wrong_quarter(twin):
    twin.bias_ih_l0.data[:4] = 1  # that is the input gate


print(f"wanted:        {1 / (1 + np.exp(-1)):.3f}")
for f in (one_of_them, both, wrong_quarter):
    print(f"{f.__name__ + ':':14} {kept(f):.3f}")

# %% [markdown]
# **Chrono's forget bias without its input bias.**
# A unit that keeps nearly everything and writes with $i = \frac12$ adds up what it reads.
# We feed $c_t = f c_{t-1} + i g_t$ with random candidates of size one and look at the size of $c$.

# %%
rows = []
for T_max in (20, 200, 2000):
    u = torch.rand(2000, generator=seeded(0), dtype=torch.float64) * (T_max - 2) + 1
    f = u / (1 + u)  # sigma(ln u)
    g = torch.where(torch.rand(T_max, 2000, generator=seeded(1)) < 0.5, -1.0, 1.0).double()
    sizes = []
    for i in (1 - f, torch.full_like(f, 0.5)):
        c = torch.zeros_like(f)
        for g_t in g:
            c = f * c + i * g_t
        sizes.append(c.square().mean().sqrt().item())
    rows.append([T_max, f"{sizes[0]:.2f}", f"{sizes[1]:.2f}"])
figures.table(["$T_{\\max}$", "size of $c$, $b_i = -b_f$", "$b_i = 0$"], rows)

# %% [markdown]
# With $b_i = -b_f$ the state is a moving average and stays below one; with $b_i = 0$ it grows until $\tanh(c)$ is flat.
#
# ## Exercises
#
# Each exercise has a cell with a check, which needs the imports at the top and nothing else.
# Until you answer, it says so.
# What *easy*, *medium* and *hard* mean stands on the [first page](../book/index.md), under *Exercises*.
#
# ### Exercise 1: a bias for a half-life
#
# *Medium · 15 minutes · with a check*
#
# A unit's gates see nothing but their biases, and nothing is written.
# Return the forget bias with which half of its cell state is left after `steps` steps, where `steps` is an array.
# Make it right for $10^{12}$ steps too, where $f$ differs from one by less than $10^{-12}$ and the difference of two such numbers has few digits left.
#
# <details>
# <summary>Hint 1</summary>
#
# First find $f$ from the half-life, and only then the bias whose sigmoid it is.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Write $f/(1-f)$ with $1/f$, and $1/f$ as a power of $e$.
# NumPy has a function for $e^a - 1$ that keeps all digits near $a = 0$.
#
# </details>


# %% tags=["exercise-1"]
def bias_for_half_life(steps):
    return None  # your answer


steps = np.array([1.7, 6.0, 43.0, 5200.0, 1e12])
low, high = np.full(5, -40.0), np.full(5, 40.0)
for _ in range(60):  # by bisection: the share that is left has the logarithm -steps ln(1 + exp(-b))
    b = (low + high) / 2
    too_little = steps * np.log1p(np.exp(-b)) > np.log(2)
    low, high = np.where(too_little, b, low), np.where(too_little, high, b)
check.answer("biases", bias_for_half_life(steps), low)

# %% [markdown]
# <details>
# <summary>Solution 1</summary>
#
# ```python
# def bias_for_half_life(steps):
#     return -np.log(np.expm1(np.log(2) / steps))
# ```
#
# $f^\text{steps} = \frac12$, so $f = 2^{-1/\text{steps}}$, and $\sigma(b) = f$ for $b = \ln\frac{f}{1-f} = -\ln(2^{1/\text{steps}} - 1)$.
#
# </details>
#
# ### Exercise 2: a variance of your own
#
# *Medium · 15 minutes · with a check*
#
# Units with a *leaky* ReLU, $h = \max(a, \alpha a)$ with $0 \le \alpha < 1$, stand in layers.
# Their pre-activations are symmetric around zero.
# Return the variance of a weight, of mean zero, with which the mean square of the pre-activations is the same in every layer, for `fan_in` inputs.
#
# <details>
# <summary>Hint 1</summary>
#
# Let the mean square of $a$ be $q$.
# What do the negative half and the positive half of the units each give to the mean square of $h$?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# The mean square of $h$ is $\frac q2 + \frac{\alpha^2 q}{2}$.
# The next pre-activation is a sum of `fan_in` terms $w h$.
#
# </details>


# %% tags=["exercise-2"]
def leaky_variance(fan_in, alpha):
    return None  # your answer


stack = [(50, 0.0), (31, 0.2), (117, 0.45), (260, 0.8)]
gains = [torch.nn.init.calculate_gain("leaky_relu", alpha) for _, alpha in stack]
expected = [gain**2 / fan_in for gain, (fan_in, _) in zip(gains, stack, strict=True)]
check.answer("variances", [leaky_variance(*layer) for layer in stack], expected)

# %% [markdown]
# <details>
# <summary>Solution 2</summary>
#
# ```python
# def leaky_variance(fan_in, alpha):
#     return 2 / ((1 + alpha**2) * fan_in)
# ```
#
# For $\alpha = 0$ this is Kaiming's variance, and for $\alpha = 1$, a linear layer, it is $1/\text{fan\_in}$.
#
# </details>
#
# ### Exercise 3: a wheel that comes back
#
# *Medium · 10 minutes · with a check*
#
# Return two things for the angle of $p/q$ of a full turn, where $p$ and $q$ are whole numbers:
#
# - the $2 \times 2$ matrix $W$ that turns a column vector by this angle *against the clock*: from $(1, 0)$ towards $(0, 1)$;
# - the least number of steps $h \leftarrow W h$ after which every $h$ is back where it was.
#
# <details>
# <summary>Hint 1</summary>
#
# The columns of $W$ are what becomes of $(1, 0)$ and of $(0, 1)$.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# After $k$ steps the state has made $kp/q$ turns.
# What is the smallest $k$ for which that is a whole number, if $p$ and $q$ have a common divisor?
#
# </details>


# %% tags=["exercise-3"]
def wheel(p, q):
    return None, None  # your answer: the matrix, the number of steps


for p, q in [(5, 24), (10, 24), (21, 30)]:
    matrix, steps = wheel(p, q)
    angle = 2 * np.pi * p / q
    turned = torch.linalg.matrix_exp(angle * torch.tensor([[0.0, -1], [1, 0]]).double())
    back = next(k for k in range(1, q + 1) if k * p % q == 0)
    check.answer(f"matrix for {p}/{q}", matrix, turned)
    check.answer(f"steps for {p}/{q}", steps, back)

# %% [markdown]
# <details>
# <summary>Solution 3</summary>
#
# ```python
# def wheel(p, q):
#     c, s = np.cos(2 * np.pi * p / q), np.sin(2 * np.pi * p / q)
#     return np.array([[c, -s], [s, c]]), q // np.gcd(p, q)
# ```
#
# </details>
