# %% [markdown]
# # The LSTM: run it
#
# This notebook goes with the page [The LSTM](../book/lstm.md).
# You will see why a state should be copied and not computed anew, check every gradient of the LSTM in four ways, change its nonlinearities, race it against the plain RNN, and look inside one that remembers.
# It runs in about two minutes on one processor core.

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

from rnnlib import (
    bptt, cells, check, experiments, figures, init, interactive, layers, models, tasks, training,
)
from rnnlib.experiments import palindrome

FAST = os.environ.get("RNNLIB_FAST") == "1"  # small sizes, for tests
figures.use_style()
SEEDS = range(1 if FAST else 3)

# %% [markdown]
# ## The problem: a state that is computed anew
#
# One unit is to keep one of ten numbers between $-0.9$ and $0.9$ for 50 steps, while other inputs come in.
# The inputs are random, of standard deviation 0.2.
# We try four updates, with 200 runs for each of the ten numbers:
# the plain RNN's, $\tanh(w h + \text{input})$, with $w = 1$ and with $w = 3$; a sum, $h + \text{input}$; and a sum behind a gate that is shut.
# Above each panel stands how often the number can be named after 50 steps, by the nearest mean; guessing gives 0.1.

# %% mystnb={"image": {"alt": "Four panels of a unit's value over 50 steps, ten lines each, one for each number written at the start. Computed anew with w = 1, the lines mix within some ten steps. With w = 3 they jump to plus or minus one and stay there. As a sum of all inputs they wander and cross. Behind a shut gate they stay level, each at its own number."}} tags=["paste:copied"]
updates = {
    "anew, w = 1": lambda h, x: np.tanh(h + x),
    "anew, w = 3": lambda h, x: np.tanh(3 * h + x),
    "all added": lambda h, x: h + x,
    "added, gate shut": lambda h, x: h + 0 * x,
}
slopes = {  # of the new state by the old one
    "anew, w = 1": lambda new: 1 - new**2,
    "anew, w = 3": lambda new: 3 * (1 - new**2),
    "all added": lambda new: np.ones_like(new),
    "added, gate shut": lambda new: np.ones_like(new),
}
written = np.repeat(np.linspace(-0.9, 0.9, 10), 200)  # (2000,)
fig, axes = plt.subplots(1, 4, figsize=(9, 3), sharey=True)
rows = []
for ax, (name, update) in zip(axes, updates.items(), strict=True):
    rng = np.random.default_rng(0)
    h, slope = written, np.ones_like(written)
    trace = [h]
    for _ in range(50):
        h = update(h, 0.2 * rng.normal(size=h.shape))
        slope = slope * slopes[name](h)
        trace.append(h)
    means = h.reshape(10, 200)[:, ::2].mean(axis=1)  # from half of the runs
    tested = h.reshape(10, 200)[:, 1::2]
    named = (np.abs(tested[..., None] - means).argmin(axis=2) == np.arange(10)[:, None]).mean()
    for k in range(10):
        ax.plot(np.array(trace)[:, 200 * k], color=plt.cm.viridis(k / 10.5), linestyle="-", lw=1.2)
    ax.set(title=f"{name}: {named:.2f}", ylim=(-2.2, 2.2), xlabel="step")
    ax.title.set_fontsize(10)
    rows.append([name, f"{named:.2f}", f"{np.median(slope):.0e}"])
axes[0].set_ylabel("value of the unit")
plt.show()

# %%
figures.table(["state", "number named after 50 steps", "its slope by the first value (median)"], rows)

# %% [markdown]
# With $w = 1$ the tanh pulls every state towards zero, and after 50 steps nothing tells which line began where.
# With $w = 3$ only the sign is left: one bit, which is what ten such units of the latch in [the chapter on the vanilla RNN](../book/vanilla_rnn.md) live on.
# In both cases the slope is nearly zero, so a loss at the end cannot correct what was written at the start.
# A sum keeps the slope at exactly one, but everything is added to it.
# The shut gate is what protects it, and the LSTM learns when to shut it.
#
# ## Claim: three gates and a candidate are one product
#
# First each gate by its own name, with weights of its own; then the same weights, packed $i, f, g, o$.

# %% tags=["nbval-check-output"]
N, D, H = 4, 3, 5
rng = np.random.default_rng(0)
sigmoid = bptt.sigmoid
x_t, h, c = rng.normal(size=(N, D)), rng.normal(size=(N, H)), rng.normal(size=(N, H))
W_ix, W_fx, W_gx, W_ox = rng.normal(size=(4, H, D))
W_ih, W_fh, W_gh, W_oh = rng.normal(size=(4, H, H))
b_i, b_f, b_g, b_o = rng.normal(size=(4, H))

i = sigmoid(x_t @ W_ix.T + h @ W_ih.T + b_i)  # how much to write
f = sigmoid(x_t @ W_fx.T + h @ W_fh.T + b_f)  # how much to keep
g = np.tanh(x_t @ W_gx.T + h @ W_gh.T + b_g)  # what to write
o = sigmoid(x_t @ W_ox.T + h @ W_oh.T + b_o)  # how much to show
c_t = g * i + c * f
h_t = np.tanh(c_t) * o

W_x = np.concatenate([W_ix, W_fx, W_gx, W_ox])  # (4H, D)
W_h = np.concatenate([W_ih, W_fh, W_gh, W_oh])  # (4H, H)
b = np.concatenate([b_i, b_f, b_g, b_o])  # (4H,)
a_i, a_f, a_g, a_o = np.split(x_t @ W_x.T + h @ W_h.T + b, 4, axis=1)  # (N, H) each

packed = [sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)]
_, cache = bptt.lstm_forward(x_t[:, None], (h, c), {"W_x": W_x, "W_h": W_h, "b": b})
pairs = [*zip([i, f, g, o], packed, strict=True), (c_t, cache.c[:, 0]), (h_t, cache.h[:, 0])]
assert max(check.relative_error(named, other) for named, other in pairs) < 1e-14
print("gates by name = gates packed, and c and h = bptt.lstm_forward's, error below 1e-14")

# %% [markdown]
# ## Claim: the derivatives within one step
#
# The page derives what one step makes of its parts: the derivatives of $h_t$ by $o_t$, $c_t$, $f_t$, $i_t$, $g_t$, $c_{t-1}$, $h_{t-1}$, $x_t$.
# We write each formula down as it stands there, for one sequence in double precision, and compare with autograd's Jacobians.

# %% tags=["paste:jacobians"]
D, H = 3, 5
generator = torch.Generator().manual_seed(0)
cell = layers.LSTM(D, H, generator=generator).double().cells[0]
x, h_old, c_old = (torch.randn(n, generator=generator, dtype=torch.float64) for n in (D, H, H))
W_x, W_h, b = (w.detach() for w in cell.parameters())


def gates_of(x, h_old):
    i, f, g, o = (W_x @ x + W_h @ h_old + b).chunk(4)
    return torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)


def h_from(i, f, g, o, c_old):
    return torch.tanh(g * i + c_old * f) * o


i, f, g, o = gates_of(x, h_old)
tanh_c = torch.tanh(g * i + c_old * f)
s = o * (1 - tanh_c**2)  # the slope of h by c


def through_gates(W):
    """The page's sum of four paths, with the blocks of W_h (4H, H) or W_x (4H, D)."""
    u_i, u_f, u_g = g * i * (1 - i), c_old * f * (1 - f), i * (1 - g**2)
    u_o = tanh_c * o * (1 - o)
    slopes = [s * u_i, s * u_f, s * u_g, u_o]  # (H,) each
    return sum(u[:, None] * block for u, block in zip(slopes, W.chunk(4), strict=True))


formulas = {
    "o_t": torch.diag(tanh_c), "c_t": torch.diag(s), "f_t": torch.diag(s * c_old),
    "i_t": torch.diag(s * g), "g_t": torch.diag(s * i), "c_{t-1}": torch.diag(s * f),
    "h_{t-1}": through_gates(W_h), "x_t": through_gates(W_x),
}
J = torch.autograd.functional.jacobian
J_i, J_f, J_g, J_o, J_c_old = J(h_from, (i, f, g, o, c_old))
J_x, J_h_old = J(lambda x, h_old: h_from(*gates_of(x, h_old), c_old), (x, h_old))
J_c = J(lambda c: torch.tanh(c) * o, g * i + c_old * f)
by_autograd = [J_o, J_c, J_f, J_i, J_g, J_c_old, J_h_old, J_x]
one_step = {
    name: check.relative_error(formula, found)
    for (name, formula), found in zip(formulas.items(), by_autograd, strict=True)
}
figures.table(
    ["one step: $h_t$ by", "shape", "error"],
    [[f"${n}$", str(tuple(formulas[n].shape)), f"{e:.0e}"] for n, e in one_step.items()],
)

# %% tags=["nbval-check-output"]
print("all eight below 1e-12:", max(one_step.values()) < 1e-12)
assert max(one_step.values()) < 1e-12

# %% [markdown]
# ## Claim: hand-derived gradient = autograd = difference quotient = nn.LSTM
#
# `bptt.lstm_loss` is the page's forward and backward pass in NumPy.
# We draw a `torch.nn.LSTM`, carry its weights over with `LSTM.from_torch`, and compute the gradients in four ways: by hand, with autograd through our cell, with torch's own LSTM, and by central differences.
# All in double precision, with states $h_0$ and $c_0$ that are not zero.
# The error is the largest difference of two gradients, divided by their largest entry.

# %% tags=["paste:gradient_check"]
N, T, D, H, K = 4, 6, 3, 5, 7
torch.manual_seed(0)
theirs = torch.nn.LSTM(D, H, batch_first=True).double()
with torch.no_grad():
    theirs.bias_ih_l0[H : 2 * H] += 1  # open forget gates, so that h0 and c0 count
ours = layers.LSTM.from_torch(theirs)
rng = np.random.default_rng(0)
arrays = {"x": rng.normal(size=(N, T, D)), "h0": rng.normal(size=(N, H)), "c0": rng.normal(size=(N, H))}
net = {name: w.detach().numpy().copy() for name, w in ours.cells[0].named_parameters()}
net |= {"W_ph": rng.normal(size=(K, H)) / np.sqrt(H), "b_p": rng.normal(size=K)}
arrays |= net
labels = {"last step": rng.integers(K, size=N), "every step": rng.integers(K, size=(N, T))}


def hand_loss(y):
    """The page's loss and gradients."""
    return bptt.lstm_loss(arrays["x"], y, (arrays["h0"], arrays["c0"]), net)


def by_torch(layer, y):
    """The gradients of x, h0, c0, W_ph and b_p, and of the layer's own weights."""
    layer.zero_grad()
    v = {k: torch.tensor(arrays[k], requires_grad=True) for k in ("x", "h0", "c0", "W_ph", "b_p")}
    h, _ = layer(v["x"], (v["h0"][None], v["c0"][None]))
    p = (h if y.ndim == 2 else h[:, -1]) @ v["W_ph"].T + v["b_p"]
    torch.nn.functional.cross_entropy(p.reshape(-1, K), torch.tensor(y).reshape(-1)).backward()
    own = {k: w.grad for k, w in zip(("W_x", "W_h", "b"), layer.parameters(), strict=False)}
    return {k: a.grad for k, a in v.items()} | own


found = {}
for kind, y in labels.items():
    _, by_hand = hand_loss(y)
    cell_grads = by_torch(ours, y)
    lstm_grads = by_torch(theirs, y)  # its two biases have one gradient: each is added once
    for name, a in arrays.items():
        differences = check.central_difference(lambda: hand_loss(y)[0], a)
        found[kind, name] = [
            check.relative_error(by_hand[name], other[name]) for other in (cell_grads, lstm_grads)
        ] + [check.relative_error(by_hand[name], differences)]
names = {
    "W_x": "W_x", "W_h": "W_h", "b": "b", "W_ph": "W_{ph}", "b_p": "b_p", "x": "x",
    "h0": "h_0", "c0": "c_0",
}
figures.table(
    ["gradient by", "autograd", "`nn.LSTM`", "differences"],
    [
        [f"${tex}$"] + [f"{max(found[kind, n][k] for kind in labels):.0e}" for k in range(3)]
        for n, tex in names.items()
    ],
)

# %% tags=["nbval-check-output"]
for k, (other, limit) in enumerate([("autograd", 1e-12), ("nn.LSTM", 1e-12), ("differences", 1e-7)]):
    worst = max(errors[k] for errors in found.values())
    print(f"against {other}, both losses, below {limit:.0e}: {worst < limit}")
    assert worst < limit

# %% [markdown]
# Each number is the worse of the two losses, at the last step and at every step.
#
# ## One unit, two steps
#
# The same sweep with numbers that can be followed by hand: one unit, one input, $x = (1, 0)$, states that start at zero, and the last state as the loss, $L = h_2$.
# The weights are small whole numbers, which stand in the formulas.
# States and total derivatives are those of `bptt`; every row's formula is evaluated, and what it must give is asserted.

# %% tags=["paste:by_hand"]
x, dh_immediate = np.array([1.0, 0.0]), np.array([0.0, 1.0])  # L = h_2
small = {  # the blocks i, f, g, o of one unit
    "W_x": np.array([[2.0], [0.0], [1.0], [0.0]]),
    "W_h": np.array([[-1.0], [1.0], [1.0], [1.0]]),
    "b": np.array([-1.0, 1.0, 0.0, 0.0]),
}
_, cache = bptt.lstm_forward(x.reshape(1, 2, 1), (np.zeros((1, 1)), np.zeros((1, 1))), small)
grads = bptt.lstm_backward(dh_immediate.reshape(1, 2, 1), cache)
h, c, dh, dc = (one.ravel() for one in (cache.h, cache.c, grads["h"], grads["c"]))  # at t = 1, 2
h_old, c_old = np.append(0, h[:-1]), np.append(0, c[:-1])


def next_step(values):
    """What stands one step later, and 0 behind the end."""
    return np.append(values[1:], 0)


i, f = sigmoid(2 * x - h_old - 1), sigmoid(h_old + 1)
g, o = np.tanh(x + h_old), sigmoid(h_old)
through_h, through_c = o * (1 - np.tanh(c) ** 2) * dh, next_step(f * dc)
da_i, da_f = g * dc * i * (1 - i), c_old * dc * f * (1 - f)
da_g, da_o = i * dc * (1 - g**2), np.tanh(c) * dh * o * (1 - o)

da = np.stack([da_i, da_f, da_g, da_o])  # (4, T)
by_weight = {"W_x": da @ x, "W_h": da @ h_old, "b": da.sum(axis=1)}  # sums over the steps
claims = {
    "c": (c, g * i + c_old * f), "h": (h, np.tanh(c) * o), "delta c": (dc, through_h + through_c),
    "delta h": (dh, dh_immediate + next_step(-da_i + da_f + da_g + da_o)),
} | {name: (grads[name].ravel(), mine) for name, mine in by_weight.items()}
for name, (by_bptt, by_hand) in claims.items():
    assert check.relative_error(by_bptt, by_hand) < 1e-14, name

rows = [
    ["$i_t$", r"$\sigma(2 x_t - h_{t-1} - 1)$", i],
    ["$f_t$", r"$\sigma(h_{t-1} + 1)$", f],
    ["$g_t$", r"$\tanh(x_t + h_{t-1})$", g],
    ["$o_t$", r"$\sigma(h_{t-1})$", o],
    ["$c_t$", r"$g_t\, i_t + c_{t-1}\, f_t$", c],
    ["$h_t$", r"$\tanh(c_t)\, o_t$", h],
    [r"$\delta h_t$", r"$-\delta a^i + \delta a^f + \delta a^g + \delta a^o$, of $t + 1$; 1 at the end", dh],
    ["through $h_t$", r"$o_t\, (1 - \tanh^2 c_t)\, \delta h_t$", through_h],
    ["through $c_{t+1}$", r"$f_{t+1}\, \delta c_{t+1}$", through_c],
    [r"$\delta c_t$", "the sum of these two", dc],
    [r"$\delta a^i_t$", r"$g_t\, \delta c_t\, i_t (1 - i_t)$", da_i],
    [r"$\delta a^f_t$", r"$c_{t-1}\, \delta c_t\, f_t (1 - f_t)$", da_f],
    [r"$\delta a^g_t$", r"$i_t\, \delta c_t\, (1 - g_t^2)$", da_g],
    [r"$\delta a^o_t$", r"$\tanh(c_t)\, \delta h_t\, o_t (1 - o_t)$", da_o],
]
figures.table(
    ["", "formula", "$t = 1$", "$t = 2$"],
    [[name, how, *(f"{value:.3f}" for value in values)] for name, how, values in rows],
)

# %% [markdown]
# Above, the way forward, from left to right; from $\delta h_t$ on, the way back, from right to left.
# At the last step $\delta h_2 = 1$, since $L = h_2$.
# The gradients of the weights are sums over the two steps, $\delta a^k_t$ times what the weight met.

# %% tags=["paste:by_hand_weights"]
figures.table(
    ["", "by $W_{kx}$", "by $W_{kh}$", "by $b_k$"],
    [[f"${k}$", *(f"{by_weight[name][n]:.3f}" for name in by_weight)] for n, k in enumerate("ifgo")],
)

# %% [markdown]
# ## In torch
#
# `torch.nn.LSTM` is this layer, with two biases a gate that are added: a forget bias of 1 is 1 in one of them and 0 in the other.

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
lstm = torch.nn.LSTM(10, 32, batch_first=True)
with torch.no_grad():  # forget bias 1: torch adds its two biases
    lstm.bias_ih_l0[32:64] = 1.0  # the second of i, f, g, o
    lstm.bias_hh_l0[32:64] = 0.0
x = torch.randn(3, 7, 10)
outputs, (h, c) = lstm(x)  # (3, 7, 32), and (1, 3, 32) each
ours = layers.LSTM.from_torch(lstm)

ours_out, (ours_h, ours_c) = ours(x)
for mine, torchs in ((ours_out, outputs), (ours_h, h), (ours_c, c)):
    assert mine.shape == torchs.shape and torch.allclose(mine, torchs, atol=1e-6)
assert torch.equal(ours.cells[0].b[32:64], torch.ones(32))
print("outputs, h and c of nn.LSTM and of ours agree to 1e-6")

# %% [markdown]
# ## Claim: $4(DH + H^2 + H)$ parameters
#
# Four gates, each with a matrix from $D$ inputs, a matrix from $H$ states, and one bias.

# %% tags=["paste:parameters", "nbval-check-output"]
def count(layer):
    return sum(w.numel() for w in layer.parameters())


rows = []
for d, n in [(1, 128), (10, 128), (128, 256)]:
    formula = 4 * (d * n + n * n + n)
    mine, torchs = count(layers.LSTM(d, n)), count(torch.nn.LSTM(d, n))
    assert mine == formula and torchs == formula + 4 * n and formula == 4 * count(layers.RNN(d, n))
    rows.append([d, n] + [f"{value:,}" for value in (formula, mine, torchs, torchs - mine)])
figures.table(["$D$", "$H$", "formula", "ours, counted", "`nn.LSTM`", "more"], rows)

# %% [markdown]
# torch keeps two biases a gate, one beside each matrix.
# Only their sum matters, so its LSTM has $4H$ numbers more and can compute nothing more.
#
# ## What each nonlinearity is for
#
# We change one at a time and train on palindromes of 21 digits: hidden size 32, forget bias 2, Adam with learning rate 0.01, at most 400 steps, three seeds.
# A run is solved after 20 perfect batches in a row; the table gives its steps, or else the accuracy of its last 20 batches.
# Then we let each network read 1,000 random digits and look at the largest $|c|$ after 20 steps, which it knows from training, and after 1,000.


# %% tags=["paste:nonlinearities"]
def identity(a):
    return a


def steep_sigmoid(a):
    return torch.sigmoid(4 * a)  # slope 1 at zero, as tanh has


def lstm_with(gate=torch.sigmoid, candidate=torch.tanh, output=torch.tanh):
    """An LSTM layer with other nonlinearities."""

    class OtherCell(cells.LSTMCell):
        def forward(self, x, state):
            h, c = state
            i, f, g, o = (x @ self.W_x.T + h @ self.W_h.T + self.b).chunk(4, dim=1)
            c = candidate(g) * gate(i) + c * gate(f)
            return output(c) * gate(o), c

    class OtherLSTM(layers.LSTM):
        cell_class = OtherCell

    return OtherLSTM


def solve(rnn, T, seed, lr, steps):
    """Train a classifier on palindromes with Adam until it is solved."""
    generator = torch.Generator().manual_seed(1_000 + seed)
    model = models.Classifier(rnn, 10, generator=generator)
    history = training.train(
        model, tasks.PalindromeBatches(T, 64, seed=1_000 + seed, one_hot=True),
        training.classification_loss, torch.optim.Adam(model.parameters(), lr=lr),
        steps, clip_norm=1.0, stop_when=palindrome.solved,
    )
    return model, history


def end(history):
    """Steps of a solved run, or the accuracy of its last 20 batches."""
    if history.stopped == "stop_when":
        return f"{history.steps}"
    return f"({np.mean([m['accuracy'] for m in history.metrics[-20:]]):.2f})"


kinds = {
    "as it stands": {},
    "gates: tanh": {"gate": torch.tanh},
    "gates: relu": {"gate": torch.relu},
    "candidate: sigmoid": {"candidate": torch.sigmoid},
    "candidate: steep sigmoid": {"candidate": steep_sigmoid},
    "candidate: relu": {"candidate": torch.relu},
    "output: identity": {"output": identity},
}
rows, ends = [], {}
for name, functions in kinds.items():
    sizes = []
    for seed in SEEDS:
        generator = torch.Generator().manual_seed(seed)
        rnn = lstm_with(**functions)(10, 32, generator=generator)
        init.forget_bias_(rnn.cells[0].b.data, 2.0)
        _, ends[name, seed] = solve(rnn, 21, seed, lr=1e-2, steps=25 if FAST else 400)
        digits = torch.randint(0, 10, (64, 1000), generator=generator)
        with torch.no_grad():
            states = layers.unroll(rnn.cells[0], torch.nn.functional.one_hot(digits, 10).float())
        sizes.append([states[t][1].abs().max().item() for t in (19, 999)])
    largest = np.max(sizes, axis=0)  # NaN stays NaN
    rows.append(
        [name, ", ".join(end(ends[name, s]) for s in SEEDS)]
        + [f"{v:,.0f}" if v < 1e5 else f"{v:.0e}" if np.isfinite(v) else "overflow" for v in largest]
    )
figures.table(
    ["nonlinearity", "steps, or (accuracy)", r"largest $\lvert c \rvert$ after 20", "after 1,000"], rows
)

# %% [markdown]
# **Gates.** With relu a forget gate can exceed one, and then the cell grows like its powers: the numbers overflow.
# With tanh no run is solved; a likely reason is that the input and the output gates start near zero, that is shut.
#
# **Candidate.** The sigmoid is much slower, and one might think that this is because it cannot subtract.
# The next row says no: a sigmoid that is as steep at zero as tanh, $\sigma(4a)$, is as quick as tanh and still never negative.
# So what seems to hurt is the slope of $\frac14$, which every gradient through the candidate is multiplied by.
# relu is quicker still on this task, and pays with cell states that have no bound.
#
# **Output.** The identity does as well as tanh here.
# So tanh is not the only choice that learns; what it gives is a bound: each step adds less than one to $|c|$, and $|h|$ stays below one, however long the sequence.
#
# ## RNN and LSTM: learning rates
#
# As in [the chapter on the vanilla RNN](../book/vanilla_rnn.md), palindromes; here 11 digits, hidden size 32, Adam, at most 500 steps, three seeds.
# The LSTM comes twice, as torch draws it and with forget bias 1.


# %% tags=["paste:rates"]
def network(kind, seed):
    generator = torch.Generator().manual_seed(seed)
    rnn = (layers.RNN if kind == "RNN" else layers.LSTM)(10, 32, generator=generator)
    if "bias 1" in kind:
        init.forget_bias_(rnn.cells[0].b.data, 1.0)
    return rnn


rates = [3e-4, 3e-3, 3e-2]
runs = {
    (kind, lr, seed): solve(network(kind, seed), 11, seed, lr, steps=20 if FAST else 500)[1]
    for kind in ("RNN", "LSTM", "LSTM, forget bias 1")
    for lr in rates
    for seed in SEEDS
}
figures.table(
    ["network", *(f"learning rate {lr:g}" for lr in rates)],
    [
        [kind, *(", ".join(end(runs[kind, lr, s]) for s in SEEDS) for lr in rates)]
        for kind in ("RNN", "LSTM", "LSTM, forget bias 1")
    ],
)

# %% [markdown]
# A number is the steps to solve, one a seed; a number in brackets is the accuracy of a run that was not solved (1.00 there is nearly perfect, but not 20 times in a row).
# At the smallest rate 500 steps are too few for all three.
# At the other two, which are a factor of ten apart, only the LSTM with forget bias 1 is solved with every seed.
# As torch draws it the LSTM is no better than the plain RNN: its forget gates stand near one half, so half of the cell is gone after each digit.
# [Where training starts](../book/initialisation.md) is about such starts.
#
# ## How far does each remember?
#
# The recorded study `palindrome_memory`: one-hot digits, hidden size 128, Adam with learning rate $10^{-3}$, clipping at 1.
# Each run stops when 20 batches in a row are perfect, or at its last step.
# Here are the RNN and the LSTM; [How far can a cell remember?](../book/memory.md) compares the initialisations, and [the chapter on the GRU](../book/gru.md) adds the GRU.

# %%
record = experiments.load("palindrome_memory")
print("command: ", record["command"])
print("finished:", record["finished"], "| seeds", record["seeds"])
print("on:      ", record["hardware"]["cores"], "cores,", "torch", record["versions"]["torch"])
groups = {}  # (cell, weights, bias) -> length -> runs
for run in record["runs"]:
    s = run["settings"]
    if s["cell"] == "rnn" or (s["cell"] == "lstm" and s["weights"] in ("uniform", "orthogonal")):
        lengths = groups.setdefault((s["cell"], s["weights"], s["bias"]), {})
        lengths.setdefault(s["T"], []).append(run)


def label(group):
    cell, weights, bias = group
    if weights == "uniform":
        return f"{cell.upper()}, torch's start"
    return f"RNN, {weights}" if cell == "rnn" else f"LSTM, forget bias {bias}"


# %% mystnb={"image": {"alt": "Accuracy against the length of the palindrome, one dot a run and lines through the means, for plain RNNs in one panel and for LSTMs in the other. RNNs with an orthogonal start are near one at all lengths up to 100, with Xavier's most are, and with torch's start, at 30, four are near one and one is at chance. LSTMs with forget bias 0 are at 0.2 to 1 at 20 digits and at chance at 30; with bias 1 they are at one up to 30 and spread from 0.55 to 1 at 50, where those with chrono lie between 0.76 and 0.96."}} tags=["paste:lengths"]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
for ax, kind in zip(axes, ("rnn", "lstm"), strict=True):
    for k, (group, lengths) in enumerate(g for g in groups.items() if g[0][0] == kind):
        T = sorted(lengths)
        accuracy = [[r["result"]["test_accuracy"] for r in lengths[t]] for t in T]
        (line,) = ax.plot(T, [np.mean(a) for a in accuracy], label=label(group))
        for t, a in zip(T, accuracy, strict=True):
            ax.plot([t + k - 1] * len(a), a, "os^D"[k % 4], color=line.get_color(), alpha=0.6, ms=5)
    ax.axhline(0.1, color="black", linestyle=":", linewidth=1)
    ax.set(xlabel="length T of the palindrome (digits)", ylim=(0, 1.05))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, fontsize=8)
axes[0].set_ylabel("accuracy")
plt.show()

# %% tags=["paste:lengths_table"]
rows = []
for group, lengths in groups.items():
    for T in sorted(lengths):
        results = [r["result"] for r in lengths[T]]
        steps = [r["steps"] for r in results if r["solved"]]
        accuracy = [r["test_accuracy"] for r in results]
        each_step = np.median([r["seconds"] / r["result"]["steps"] for r in lengths[T]])
        rows.append(
            [
                label(group),
                T,
                f"{len(steps)} of {len(results)}",
                f"{min(accuracy):.2f} to {max(accuracy):.2f}",
                f"{np.median(steps):.0f}" if steps else "none",
                f"{1000 * each_step:.0f}",
            ]
        )
figures.table(["network", "T", "solved", "accuracy", "median steps of the solved", "ms a step"], rows)

# %%
def longest(group):
    """The longest length that every seed solved."""
    good = [T for T, runs in groups[group].items() if all(r["result"]["solved"] for r in runs)]
    return f"{max(good)}" if good else "none of its lengths"


Markdown("All seeds solve, up to a length of: " + "; ".join(f"{label(g)}: {longest(g)}" for g in groups) + ".")

# %% [markdown]
# ## Inside a trained LSTM
#
# We train on palindromes of 31 digits: hidden size 32, chrono start ([Where training starts](../book/initialisation.md)), Adam with learning rate 0.01, three seeds.
# Then we show each network 2,000 fresh numbers, and keep every gate and every cell state of the first one.

# %%
T, H = 31, 32


def at_start(seed):
    generator = torch.Generator().manual_seed(seed)
    rnn = layers.LSTM(10, H, generator=generator)
    init.chrono_(rnn.cells[0].b.data, T, generator)
    return rnn


def remembering(seed):
    return solve(at_start(seed), T, seed, lr=1e-2, steps=40 if FAST else 1500)


def watch(cell):
    """All states (N, T-1, H) and gates (N, T-1, 4H) while the fresh numbers are read."""
    zeros = np.zeros((2000, H), dtype=np.float32)
    weights = {name: w.detach().numpy() for name, w in cell.named_parameters()}
    _, cache = bptt.lstm_forward(x.numpy(), (zeros, zeros), weights)
    return cache


trained = [remembering(seed) for seed in SEEDS]
x, first = tasks.palindromes(T, 2000, torch.Generator().manual_seed(1), one_hot=True)
for model, history in trained:
    accuracy = training.accuracy(model, (x, first))
    print(f"{history.steps} steps, accuracy on 2,000 fresh numbers {accuracy:.3f}")
seen = watch(trained[0][0].rnn.cells[0])
c = seen.c
i, f, g, o = np.split(seen.gates, 4, axis=2)  # (2000, T-1, H) each

# %% [markdown]
# Which units hold the first digit?
# For each unit and step we take the share of the variance of $c_t$ over the 2,000 numbers that the first digit explains: the variance of the ten means, one for each first digit, divided by the whole.
# A share of one says that the unit's cell is a function of the first digit and of nothing else.
#
# One would expect a few such units, with an input gate that opens at the first step and then shuts, and a forget gate at one.

# %% mystnb={"image": {"alt": "Four heat maps over 32 units and 30 steps, units sorted by their mean forget gate. First, the share of the cell's variance that the first digit explains: high in nearly all units, with a dip over the first steps in some. Second, the forget gate: close to one in about a third of the units, down to about 0.25 in the last. Third, the input gate: low in most units, in a few near zero over the middle steps. Fourth, the output gate: different from unit to unit."}} tags=["paste:inside"]
def share_explained(values, classes):
    """Variance of the class means over the whole variance: values (N, ...) -> (...)."""
    counts = np.array([(classes == k).sum() for k in range(10)])
    means = np.stack([values[classes == k].mean(axis=0) for k in range(10)])
    between = np.average((means - values.mean(axis=0)) ** 2, axis=0, weights=counts)
    return between / values.var(axis=0)


share = share_explained(c, first.numpy())  # (T-1, H)
order = np.argsort(-f.mean(axis=(0, 1)))
panels = {
    "first digit's share of $c_t$": share,
    "forget gate, mean": f.mean(axis=0),
    "input gate, mean": i.mean(axis=0),
    "output gate, mean": o.mean(axis=0),
}
fig, axes = plt.subplots(1, 4, figsize=(9.5, 3.8), sharey=True)
for ax, (name, values) in zip(axes, panels.items(), strict=True):
    image = ax.imshow(
        values.T[order], vmin=0, vmax=1, aspect="auto", extent=(0.5, T - 0.5, H + 0.5, 0.5)
    )
    ax.set_title(name, fontsize=9.5)
    ax.set_xlabel("step t")
    ax.grid(False)
axes[0].set_ylabel("unit, sorted by forget gate")
fig.colorbar(image, ax=axes, shrink=0.8)
plt.show()

# %% tags=["paste:keepers"]
size = np.abs(c).mean(axis=(0, 2))  # (T-1,)
held = f.mean(axis=(0, 1))
start = watch(at_start(0).cells[0])
i_start, f_start, _, _ = np.split(start.gates, 4, axis=2)
held_start = f_start.mean(axis=(0, 1))
size_start = np.abs(start.c).mean(axis=(0, 2))
shut = np.flatnonzero(i[0, 9:].max(axis=0) < 0.05)
largest = np.abs(c[0, -1]).argsort()[-8:]
Markdown(
    f"Before training, the mean forget gate was {np.median(held_start):.2f} in the median unit and above 0.95 in {(held_start > 0.95).sum()}, "
    f"the mean input gate {i_start.mean():.2f}, and the mean of $|c_t|$ {size_start[0]:.2f} after the first digit and {size_start[-1]:.2f} after 30.\n\n"
    f"After training, and 15 digits read, the first one explains more than half of the cell's variance in {(share[14] > 0.5).sum()} of {H} units. "
    f"The mean forget gate is {np.median(held):.2f} in the median unit, and above 0.95 in {(held > 0.95).sum()}. "
    f"The mean input gate is {i[:, 0].mean():.2f} at step 1 and {i[:, 1:].mean():.2f} after it. "
    f"While the network reads the number of the next figure, it stays below 0.05 from the tenth digit on in {len(shut)} units; "
    f"in the {len(largest)} with the largest cells at the end it is {i[0, 9:, largest].mean():.2f} in the mean. "
    f"The mean of $|c_t|$ is {size[0]:.2f} after the first digit, {size[14]:.2f} after 15 and {size[-1]:.2f} after 30."
)

# %% [markdown]
# One number, seen by the same units: its digits below, the cell states above.

# %% mystnb={"image": {"alt": "Heat map of the cell states of all 32 units over the 30 steps of one palindrome, with the digits that are read written below. It is pale after the first digit. Some rows then take a colour, red or blue, that deepens step by step up to the last; others stay pale."}} tags=["paste:one_number"]
n = 0
limit = np.abs(c[n]).max()
fig, ax = plt.subplots(figsize=(8, 4))
image = ax.imshow(
    c[n].T[order], cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto",
    extent=(0.5, T - 0.5, H + 0.5, 0.5),
)
ax.set_xticks(range(1, T), [str(d) for d in x[n].argmax(dim=1).tolist()])
ax.set(xlabel="digits read, one a step", ylabel="unit, sorted by forget gate")
ax.grid(False)
fig.colorbar(image, label="cell state $c_t$")
plt.show()

# %% [markdown]
# The expected picture is half wrong.
# The digit is not in a few units: after 15 digits it is in all 32.
# The input gate shuts in some units, and not in those with the largest cells.
# And there the memory is not a level that is written once: it starts small and grows.
#
# ### What keeps the memory?
#
# A share of variance is a correlation, so we interfere, in two ways.
# From some step on we take writing away ($i = 0$) or copying ($f = 0$).
# Or, after step 15, we give each number the state that *another* number has, in $h$ or in $c$, or in both but in some units only, drawn at random; if the memory is there, the network will answer with the other number's first digit.
# The table has the mean over the seeds, and the lowest and the highest.


# %% tags=["paste:interfere"]
@torch.no_grad()
def answers(model, last_write=T, last_copy=T, swap="", units=slice(None), at=15):
    """Share of answers with a number's own first digit, and with the other number's."""
    cell, other = model.rnn.cells[0], torch.arange(2000).roll(1)
    h, c = cell.zero_state(2000)
    for t, x_t in enumerate(x.unbind(dim=1), start=1):
        i, f, g, o = (x_t @ cell.W_x.T + h @ cell.W_h.T + cell.b).chunk(4, dim=1)
        write = torch.sigmoid(i) * torch.tanh(g) * (t <= last_write)
        c = write + c * torch.sigmoid(f) * (t <= last_copy)
        h = torch.tanh(c) * torch.sigmoid(o)
        if t == at and "h" in swap:
            h[:, units] = h[other][:, units]
        if t == at and "c" in swap:
            c[:, units] = c[other][:, units]
    found = model.readout(h).argmax(dim=1)
    return [(found == digit).double().mean().item() for digit in (first, first[other])]


def some(k):
    return torch.randperm(H, generator=torch.Generator().manual_seed(0))[:k]


changes = {
    "nothing": {},
    "no writing after step 1": {"last_write": 1},
    "no writing after step 15": {"last_write": 15},
    "no copying after step 15": {"last_copy": 15},
    "exchanged: h": {"swap": "h"},
    "exchanged: c": {"swap": "c"},
    "exchanged: both in 4 units": {"swap": "hc", "units": some(4)},
    "exchanged: both in 16 units": {"swap": "hc", "units": some(16)},
    "exchanged: both in all 32": {"swap": "hc"},
}
rows = []
for name, change in changes.items():
    results = np.array([answers(model, **change) for model, _ in trained])  # (seeds, 2)
    spread = zip(results.mean(axis=0), results.min(axis=0), results.max(axis=0), strict=True)
    rows.append([name, *(f"{mean:.2f} ({low:.2f} to {high:.2f})" for mean, low, high in spread)])
figures.table(["changed", "own first digit", "the other's"], rows)

# %% [markdown]
# The first row is what the network does by itself.
# By chance a share is 0.1, for two numbers can begin with the same digit.
#
# The memory is in $c$: exchange it, and the answer follows, while $h$ alone changes little.
# It is spread out: exchanging four units costs few of the answers, and it takes half of them to leave the network undecided.
# From step 15 on it is mostly copied: without writing nearly all answers stay right, without copying few do.
# But one write is not safe: if nothing is written after the first digit, the answers get worse, in one network by far.
# A reading that fits: what comes in with the first digit is small, and at the later steps the network writes more of the same, $c$ driving $h$, and $h$ the gates and the candidate that add to $c$.
# The table does not prove it, for without writing the readout also sees smaller cells than it was trained on.
#
# Most of the copying was there at the start, by chrono.
# Training made the first write larger, though it stays small, and much larger what is added after it.
# These are three small networks with one start; another start or task may look different.

# %% [markdown]
# ### Live: your own number, and your own interference
#
# *For Jupyter, VS Code or Colab; the knobs are ipywidgets.*
#
# The first of these networks reads the digits that you type; it was trained on 30 of them.
# A field acts when Enter is pressed.
# From the step of your choice on you can forbid it to write ($i = 0$) or to copy ($f = 0$).
# How early can writing stop without changing the answer?
# And what does it answer after 20 digits, or 60?

# %% mystnb={"image": {"alt": "Heat map of the cell states of 32 units over the 30 digits of one number, read without interference. Pale after the first digit, some rows take a colour, red or blue, that deepens step by step."}} tags=["live"]
from rnnlib import live


def read(digits="314159265358979397985356295141", forbid="nothing", after=15):
    """Cell states of all units, red below zero and blue above, over the digits that are read."""
    digits = digits.replace(" ", "")
    if not (digits.isascii() and digits.isdecimal() and 2 <= len(digits) <= 60):
        raise ValueError(f"Type 2 to 60 digits and nothing else: {digits!r} is not that.")
    model = trained[0][0]
    cell = model.rnn.cells[0]
    one = torch.nn.functional.one_hot(torch.tensor([[int(d) for d in digits]]), 10).float()
    h, c = cell.zero_state(1)
    cs = []
    with torch.no_grad():
        for t, x_t in enumerate(one.unbind(dim=1), start=1):
            i, f, g, o = (x_t @ cell.W_x.T + h @ cell.W_h.T + cell.b).chunk(4, dim=1)
            write = torch.sigmoid(i) * torch.tanh(g) * (forbid != "writing" or t <= after)
            c = write + c * torch.sigmoid(f) * (forbid != "copying" or t <= after)
            h = torch.tanh(c) * torch.sigmoid(o)
            cs.append(c[0].numpy())
        p = torch.softmax(model.readout(h)[0], dim=0)
    first_digit = int(digits[0])
    print(
        f"after {len(digits)} digits the answer is {p.argmax()} ({p.max():.3f}); "
        f"the first digit is {first_digit} ({p[first_digit]:.3f})"
    )
    cs = np.array(cs)[:, order]  # (digits, H)
    limit = np.abs(cs).max()
    fig, ax = plt.subplots(figsize=(8, 3))
    ax.imshow(
        cs.T, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto",
        extent=(0.5, len(cs) + 0.5, H + 0.5, 0.5),
    )
    if forbid != "nothing" and after < len(cs):
        ax.axvline(after + 0.5, color="black", linestyle="--", linewidth=1)
    ax.set_xticks(range(1, len(cs) + 1), list(digits), fontsize=8)
    ax.set(xlabel="digits read, one a step", ylabel="unit, sorted by forget gate")
    ax.grid(False)
    return fig


panel = live.interact(
    read, digits="314159265358979397985356295141",
    forbid=["nothing", "writing", "copying"], after=(1, 60),
)

# %% [markdown]
# ## Mistakes people make
#
# Each path of the LSTM can be forgotten.
# Below, `cut` holds one variable constant where it is used: the forward pass stays right, and autograd returns just the gradient that a derivation without this path returns.
# We hold each against the difference quotient.


# %% tags=["paste:mistakes"]
def gradients_without(cut, y, order="ifgo"):
    """Gradients by autograd with one path cut; ``order`` is how the gates are read."""
    v = {name: torch.tensor(a, requires_grad=True) for name, a in arrays.items()}
    h, c = v["h0"], v["c0"]

    def path(name, value):
        return value.detach() if name == cut else value

    for x_t in v["x"].unbind(dim=1):
        a = x_t @ v["W_x"].T + path("h into the gates", h) @ v["W_h"].T + v["b"]
        gate = dict(zip(order, a.chunk(4, dim=1), strict=True))
        i, f, o = (torch.sigmoid(gate[k]) for k in "ifo")
        g = path("candidate", torch.tanh(gate["g"]))
        c = g * i + path("c into the next c", c) * f
        h = torch.tanh(path("c into h", c)) * o
    loss = torch.nn.functional.cross_entropy(h @ v["W_ph"].T + v["b_p"], torch.tensor(y))
    loss.backward()
    return loss.item(), {
        name: np.zeros_like(arrays[name]) if a.grad is None else a.grad.numpy() for name, a in v.items()
    }


y = labels["last step"]
differences = {
    name: check.central_difference(lambda: hand_loss(y)[0], arrays[name])
    for name in ("W_h", "x", "h0", "c0")
}
rows, passes = [], {}
for cut in ("candidate", "c into h", "c into the next c", "h into the gates", None):
    _, wrong = gradients_without(cut, y)
    parts = list(zip(np.split(wrong["W_h"], 4), np.split(differences["W_h"], 4), strict=True))
    parts += [(wrong["x"][:, -1], differences["x"][:, -1])]
    parts += [(wrong[name], differences[name]) for name in ("h0", "c0")]
    errors = [check.relative_error(a, b) for a, b in parts]
    passes[cut] = max(errors) < 1e-7
    rows.append([cut or "nothing: right", *("right" if e < 1e-7 else f"{e:.0e}" for e in errors)])
figures.table(
    ["left out", "$W_{ih}$", "$W_{fh}$", "$W_{gh}$", "$W_{oh}$", "$x_T$", "$h_0$", "$c_0$"], rows
)

# %% tags=["nbval-check-output"]
for cut, passed in passes.items():
    print(f"without {cut}: passes the check: {passed}")
assert list(passes.values()) == [False] * 4 + [True]

# %% [markdown]
# An error of one, or near it, means that the right gradient is wholly or nearly lost.
# Without the candidate, $W_{gh}$ gets nothing at all, so the cell never learns *what* to write.
# The gradients of $i$ and $f$ are wrong too, since at earlier steps the loss reaches them through later candidates.
#
# **Gates in another order.**
# Some libraries pack $i, f, o, g$.
# If such weights are read as $i, f, g, o$, the shapes fit and no error comes.

# %% tags=["nbval-check-output"]
right_loss, right = gradients_without(None, y)
other_loss, other = gradients_without(None, y, order="ifog")
by_hand_loss, by_hand = hand_loss(y)
print("order i, f, g, o: the loss is nn.LSTM's:", abs(right_loss - by_hand_loss) < 1e-12)
print("order i, f, o, g: the loss is nn.LSTM's:", abs(other_loss - by_hand_loss) < 1e-12)
numbers = check.central_difference(lambda: gradients_without(None, y, "ifog")[0], arrays["b"])
print("order i, f, o, g: passes the gradient check:", check.relative_error(other["b"], numbers) < 1e-7)

# %% [markdown]
# The gradient check passes, for it compares the network with itself: another order is another network, and its gradient is right.
# What catches this mistake is a comparison of *outputs* with the network that the weights came from.
#
# ### Would you notice in training?
#
# The published mistake, on palindromes of 5 and of 11 digits, beside the right gradient.

# %%
class CandidateCut(cells.LSTMCell):
    def forward(self, x, state):
        h, c = state
        i, f, g, o = (x @ self.W_x.T + h @ self.W_h.T + self.b).chunk(4, dim=1)
        c = torch.tanh(g).detach() * torch.sigmoid(i) + c * torch.sigmoid(f)
        return torch.tanh(c) * torch.sigmoid(o), c


class CandidateCutLSTM(layers.LSTM):
    cell_class = CandidateCut


rows = []
for name, kind in {"without the candidate": CandidateCutLSTM, "right": layers.LSTM}.items():
    row = [name]
    for T, steps in [(5, 200), (11, 400)]:
        histories = []
        for seed in SEEDS:
            rnn = kind(10, 32, generator=torch.Generator().manual_seed(seed))
            init.forget_bias_(rnn.cells[0].b.data, 1.0)
            histories.append(solve(rnn, T, seed, lr=1e-2, steps=15 if FAST else steps)[1])
        row.append(", ".join(end(one) for one in histories))
    rows.append(row)
figures.table(["gradient", "5 digits: steps or (accuracy)", "11 digits"], rows)

# %% [markdown]
# Most runs solve the task all the same, only later, and the others come near it.
# A candidate that nobody trains is still a random code of the digit, and the gates and the readout learn to use it.
# So neither a falling loss nor a solved task shows that the gradient is right.

# %% [markdown]
# ## The cell, by hand
#
# Move the gates and see what is kept, written and shown.

# %%
interactive.lstm_step()

# %% [markdown]
# ## Exercises
#
# Each exercise has a cell with a check, which needs the imports at the top and nothing else.
# Until you answer, it says so.
# What *easy*, *medium* and *hard* mean stands on the [first page](../book/index.md), under *Exercises*.
#
# ### Exercise 1: a step with peepholes
#
# *Medium · 15 minutes · with a check*
#
# *Peepholes* let the gates see the cell: $a^i_t$ and $a^f_t$ get a term $p_i \odot c_{t-1}$ and $p_f \odot c_{t-1}$, and $a^o_t$ a term $p_o \odot c_t$.
# Complete the step for a batch: `a (N, 4H)` holds what the LSTM without peepholes has before the nonlinearities, packed $i, f, g, o$; `c (N, H)` is $c_{t-1}$, and each `p (H,)`.
# Return $h_t$ and $c_t$, stacked `(2, N, H)`.
#
# <details>
# <summary>Hint 1</summary>
#
# `np.split(a, 4, axis=1)` gives the four parts, and `bptt.sigmoid` is there.
# In which order can you compute the gates?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# The input and forget gates see the old cell, so they come first.
# The output gate sees the new one, so it has to wait for it.
#
# </details>


# %% tags=["exercise-1"]
def peephole_step(a, c, p_i, p_f, p_o):
    return None  # your answer


rng = np.random.default_rng(1)
a, c_before = rng.normal(size=(5, 12)), rng.normal(size=(5, 3))
p_i, p_f, p_o = rng.normal(size=(3, 3))
expected = []
for n in range(5):  # an LSTM without weights, whose biases do what the peepholes do
    weights = {"W_x": np.zeros((12, 1)), "W_h": np.zeros((12, 3)), "b": a[n] + 0}
    state = (np.zeros((1, 3)), c_before[n : n + 1])
    weights["b"][:6] += np.concatenate([p_i, p_f]) * np.tile(c_before[n], 2)
    _, once = bptt.lstm_forward(np.zeros((1, 1, 1)), state, weights)
    weights["b"][9:] += p_o * once.c[0, 0]
    _, twice = bptt.lstm_forward(np.zeros((1, 1, 1)), state, weights)
    expected.append([twice.h[0, 0], twice.c[0, 0]])
yours = peephole_step(a, c_before, p_i, p_f, p_o)
check.answer("h and c", yours, np.stack(expected, axis=1))

# %% [markdown]
# <details>
# <summary>Solution 1</summary>
#
# ```python
# def peephole_step(a, c, p_i, p_f, p_o):
#     a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
#     i, f = bptt.sigmoid(a_i + p_i * c), bptt.sigmoid(a_f + p_f * c)
#     c = np.tanh(a_g) * i + c * f
#     return np.stack([np.tanh(c) * bptt.sigmoid(a_o + p_o * c), c])
# ```
#
# </details>
#
# ### Exercise 2: the road along the cell
#
# *Medium · 10 minutes · with a check*
#
# With gates that do not depend on the state, $c_t = g_t \odot i_t + c_{t-1} \odot f_t$ is a chain of products.
# Return $\partial c_T / \partial c_t$ for all $t = 1, \dots, T$, entry by entry, from the forget gates `f (N, T, H)`, as an array of the same shape.
#
# <details>
# <summary>Hint 1</summary>
#
# Write out $\partial c_T/\partial c_T$, $\partial c_T/\partial c_{T-1}$ and $\partial c_T/\partial c_{T-2}$.
# Which gates occur?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Which gate does $c_t$ meet first on its way to $c_T$, and is $f_t$ on that way?
# What is the derivative of $c_T$ by itself?
#
# </details>


# %% tags=["exercise-2"]
def along_the_cell(f):
    return None  # your answer


rng = np.random.default_rng(2)
f = torch.tensor(rng.uniform(0.3, 1, size=(4, 7, 5)))
written = torch.tensor(rng.normal(size=(4, 7, 5)))
path = [torch.tensor(rng.normal(size=(4, 5)))]  # c_0
for t in range(7):
    path.append((written[:, t] + path[-1] * f[:, t]).requires_grad_())
    path[-1].retain_grad()
path[-1].sum().backward()
expected = torch.stack([c_t.grad for c_t in path[1:]], dim=1)
check.answer("dc_T / dc_t", along_the_cell(f.numpy()), expected)

# %% [markdown]
# <details>
# <summary>Solution 2</summary>
#
# ```python
# def along_the_cell(f):
#     found = np.ones_like(f)
#     for t in reversed(range(f.shape[1] - 1)):
#         found[:, t] = f[:, t + 1] * found[:, t + 1]
#     return found
# ```
#
# </details>
#
# ### Exercise 3: repack
#
# *Easy · 5 minutes · with a check*
#
# A library packs the weights of an LSTM as $f, o, i, g$.
# Its array is `W (4H, n)`, or `(4H,)` for the bias.
# Return it in the order $i, f, g, o$.
#
# <details>
# <summary>Hint 1</summary>
#
# Split into four and give each part the name it has in *their* order.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Put the named parts together again in *our* order.
#
# </details>


# %% tags=["exercise-3"]
def repack(W):
    return None  # your answer


rng = np.random.default_rng(3)
for name, shape in {"weight": (12, 4), "bias": (12,)}.items():
    i, f, g, o = parts = rng.normal(size=(4, 3, *shape[1:]))
    yours = repack(np.concatenate([f, o, i, g]))
    check.answer(name, yours, parts.reshape(shape))

# %% [markdown]
# <details>
# <summary>Solution 3</summary>
#
# ```python
# def repack(W):
#     f, o, i, g = np.split(W, 4)
#     return np.concatenate([i, f, g, o])
# ```
#
# </details>
