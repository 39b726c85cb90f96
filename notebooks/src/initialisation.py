# %% [markdown]
# # Where training starts: run it
#
# This notebook goes with the page [Where training starts](../book/initialisation.md).
# You will start the same network from different weights, see which starts can learn, and predict it before training.
# It runs in one to two minutes on one processor core.

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

from rnnlib import check, figures, init, layers, models, tasks, training
from rnnlib.experiments.gradient_flow import gradient_norms
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
# Only the weights before the first step differ, and in the last start the nonlinearity: all zero, all 0.01 (but the bias, zero), torch's default (uniform), Xavier, orthogonal, and the identity with ReLU in place of $\tanh$.
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
ax.axhline(0.1, color="#555555", linestyle="-", linewidth=0.8, zorder=1)
ax.set(xlabel="training step", ylabel="accuracy, mean of 10 batches", ylim=(0, 1.05))
ax.legend(title="start", loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()


# %% tags=["paste:starts_numbers"]
def first_time(name, level=0.95):
    """Steps until 10 batches running average the level, for each seed that gets there."""
    means = [np.convolve(curves[name, s], np.ones(10) / 10, mode="valid") for s in SEEDS]
    return [int(np.argmax(m >= level)) + 10 for m in means if (m >= level).any()]


rows = []
for name in STARTS:
    times = first_time(name)
    span = f"{min(times)} to {max(times)}" if len(times) > 1 else "".join(map(str, times))
    rows.append([name, f"{len(times)} of {len(SEEDS)}", span])
figures.table(["start", f"at 0.95 over ten batches within {STEPS} steps", "after steps"], rows)

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
    + ". A network that counts would always answer with a digit of odd count. "
    f"These do so in {np.mean([v[1] for n in good for v in good[n]]):.2f} of the cases. That is chance: the first of the 19 digits has an odd count "
    f"if it comes an even number of times among the other 18, which has probability {(1 + 0.8**18) / 2:.2f}. They remember; they do not count."
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


# %% mystnb={"image": {"alt": "The 128 singular values of the Jacobian over 30 steps, sorted, on a logarithmic scale, for four starts. Uniform begins at about one in a million and falls. Xavier begins at about two and Kaiming above one hundred, and both fall steeply over many orders of magnitude. Orthogonal is level, all between about 0.1 and 1."}} tags=["paste:directions"]
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
    xlabel="number in the row, from the largest",
    ylabel=r"singular value of $\partial h_{30}/\partial h_0$",
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
forget = torch.sigmoid(lstm(None, 0).rnn.cells[0].b.detach().chunk(4)[1])  # (H,), of i, f, g, o the second
by_gates = (forget**300).mean().sqrt().item()  # root mean square of f^150
ax.set_yscale("log")
ax.set(xlabel="steps back from the loss", ylabel=r"mean length of $\partial L/\partial c_t$")
ax.legend(title="LSTM", loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% tags=["paste:forget_numbers"]
Markdown(
    "The gradient 150 steps back, relative to that at the last step: "
    + ", ".join(f"{name} {value:.2g}" for name, value in left.items())
    + f"; its forget gates alone, as the root mean square of $f^{{150}}$ over the units, {by_gates:.2g}."
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

# %% mystnb={"image": {"alt": "Accuracy against training step for an LSTM with forget bias 2 on palindromes of 21 digits, as a mean over ten batches, with a dotted line at chance: it climbs from the first steps on, to one within about 150."}} tags=["live"]
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
# A rotation is an orthogonal matrix, and keeps every length for ever: the wheel of [the first chapter](../book/sequences.md).
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
