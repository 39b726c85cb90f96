# %% [markdown]
# # The Phased LSTM: run it
#
# This notebook goes with the page [The Phased LSTM](../book/phased_lstm.md).
# You will draw the time gate, check what an open and a closed gate do to state and gradient, and compare the Phased LSTM with the LSTM on waves that are sampled in three ways.
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

from rnnlib import cells, check, experiments, figures, interactive, layers, tasks, training
from rnnlib.experiments import frequency as study
from rnnlib.phased import PhasedLSTMCell, time_gate

FAST = os.environ.get("RNNLIB_FAST") == "1"  # small sizes, for tests
F64 = torch.float64
figures.use_style()

# %% [markdown]
# ## One wave, three samplings
#
# A sine wave with a period of 5.5 ms, 30 ms of it, as three networks might get it.
# Left: the samples where they were taken.
# Right: the same samples as an LSTM sees them, one after the other.

# %% mystnb={"image": {"alt": "Three rows, one for each sampling of one sine wave; left the samples against time, right against the step number. Sampled every millisecond, both pictures look alike. Sampled every tenth of a millisecond, the right picture has ten times as many steps and the wave is ten times slower. Sampled at random times, the left picture follows the wave and the right one is a crooked line without a period."}} tags=["paste:samplings"]
period, end = 5.5, 30.0
irregular = np.sort(np.random.default_rng(3).uniform(0, end, 31))
samplings = {
    "standard": np.arange(0, end, 1.0),
    "oversampled": np.arange(0, end, 0.1),
    "asynchronous": irregular,
}
fine = np.linspace(0, end, 2000)
fig, axes = plt.subplots(3, 2, figsize=(8, 4.6), sharey=True)
for (left, right), (name, t) in zip(axes, samplings.items(), strict=True):
    size = 1.5 if name == "oversampled" else 4
    v = np.sin(2 * np.pi * t / period)
    left.plot(fine, np.sin(2 * np.pi * fine / period), color="#aaaaaa", linewidth=1)
    left.plot(t, v, "o", ms=size)
    right.plot(v, "o-", ms=size, linewidth=1, color=figures.COLOURS[1])
    left.set(title=name, xlim=(0, end), ylabel="x")
    right.set(title=f"{name}, as steps", xlim=(0, len(t)))
axes[-1, 0].set_xlabel("time (ms)")
axes[-1, 1].set_xlabel("step")
plt.show()

# %% [markdown]
# In the first row a step is always one millisecond, so an LSTM can learn what a number of steps means.
# In the second it must carry its memory over ten times as many steps.
# In the third a step lasts a different time each time, and the right picture has no period left.
#
# ## The time gate
#
# `time_gate` gives the openness $k$ of each unit at each time.
# Here is one unit with a period of 20 ms that is open for a fifth of it, and below, 40 units as a network starts with them.

# %% mystnb={"image": {"alt": "Above, the openness of one unit over 60 ms: a triangle from 0 to 1 and back, starting at the shift of 8 ms and 4 ms wide, again after each period of 20 ms; between the triangles a leak that rises from near 0 to 0.1. Period, shift and open share are marked by arrows. Below, the openness of 40 units over the same time as a picture: short bright dashes, in each row at another rhythm, on a dark ground."}} tags=["paste:gate"]
tau, s, r_on = torch.tensor([20.0]), torch.tensor([8.0]), torch.tensor([0.2])
t = torch.linspace(0, 60, 3001)
fig, axes = plt.subplots(2, 1, figsize=(7, 5.2), height_ratios=[1, 1.1], sharex=True)
axes[0].plot(t, time_gate(t, tau, s, r_on, leak=0.1)[:, 0])
for (start, stop, height), text in {
    (0, 8, 0.62): "$s$",
    (8, 28, 1.12): r"$\tau$",
    (28, 32, 1.12): r"$r_{on}\,\tau$",
}.items():
    axes[0].annotate(
        "", (start, height), (stop, height), arrowprops={"arrowstyle": "<->", "shrinkA": 0, "shrinkB": 0}
    )
    axes[0].text((start + stop) / 2, height + 0.04, text, ha="center", fontsize=11)
axes[0].text(40, 0.16, r"leak $\alpha\phi$ ($\alpha = 0.1$)", ha="center", fontsize=9)
axes[0].set(ylabel="openness k", ylim=(0, 1.35))
units = PhasedLSTMCell(1, 40, generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    k = units.gate(t)[:, units.tau.argsort()]  # (times, units)
axes[1].imshow(k.T.numpy(), aspect="auto", extent=(0, 60, 40, 0), interpolation="nearest")
axes[1].set(xlabel="time (ms)", ylabel="unit, by its period")
axes[1].grid(False)
plt.show()

# %% [markdown]
# Move the period, the shift, the open share and the leak, and see what the gate does to a state that follows a slow wave.

# %%
interactive.time_gate()

# %%
Markdown(
    f"On average {(k > 0.01).float().mean().item():.1%} of these units are open at a time, "
    f"and the mean openness is {k.mean().item():.3f}, half of that: the mean height of a triangle."
)

# %% [markdown]
# ## Claim: the gate has the paper's values
#
# At the corners of the triangle, in the middle of each branch, and for times before the shift.
# With a period of 8 and an open share of 1/2 every number is exact in binary, so we ask for equality.

# %% tags=["nbval-check-output"]
phases = torch.tensor([0, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4])
gate = {"tau": torch.tensor([8.0]), "s": torch.tensor([3.0]), "r_on": torch.tensor([0.5])}
for cycle in (-2, 0, 5):
    k = time_gate(3 + 8 * (phases + cycle), **gate, leak=1 / 32)[:, 0]
    assert k.tolist() == [0, 1 / 2, 1, 1 / 2, 1 / 64, 3 / 128]
print("phase   ", *[f"{v:6.3f}" for v in phases.tolist()])
print("openness", *[f"{v:6.3f}" for v in k.tolist()])

# %% [markdown]
# ## Claim: always open, it is the LSTM
#
# A unit with $r_{on} = 1$ has $k = 1$ at phase $\frac12$.
# So with $\tau = 2$, $s = 0$ and times 1, 3, 5, ... the gate is exactly one at every step.


# %% tags=["nbval-check-output"]
def open_always(rnn):
    """Set and freeze the gates so that k = 1 at times 1, 3, 5, ..."""
    for cell in rnn.cells:
        for parameter, value in ((cell.tau, 2.0), (cell.s, 0.0), (cell.r_on, 1.0)):
            parameter.data.fill_(value)
            parameter.requires_grad_(False)
    return rnn


N, T, D, H = 4, 50, 3, 8
g = torch.Generator().manual_seed(0)
lstm = layers.LSTM(D, H, generator=g)
phased = open_always(layers.PhasedLSTM(D, H))
phased.load_state_dict(lstm.state_dict(), strict=False)  # weights; the gate is the cell's own
x = torch.randn(N, T, D, generator=g)
odd = (1 + 2 * torch.arange(T, dtype=torch.float32)).expand(N, T)
outputs, _ = phased(x, odd)
expected, _ = lstm(x)
outputs.sum().backward()
expected.sum().backward()
print("outputs equal to the last digit:  ", torch.equal(outputs, expected))
same = [torch.equal(getattr(phased.cells[0], k).grad, w.grad) for k, w in lstm.cells[0].named_parameters()]
print("gradients equal to the last digit:", all(same))

# %% [markdown]
# ## Claim: a closed unit keeps its state, and passes nothing but the copy
#
# Without a leak, at a time when every unit is closed.
# We put ones on the new state and look at what arrives where.

# %% tags=["nbval-check-output"]
cell = PhasedLSTMCell(D, H, leak=0.0, r_on=0.2, log_tau=(2, 2), shift=(0, 0), generator=g)
x = torch.randn(N, D, generator=g, requires_grad=True)
h, c = (torch.randn(N, H, generator=g, requires_grad=True) for _ in range(2))
t = 0.6 * cell.tau[:1].detach().expand(N)  # phase 0.6, behind r_on = 0.2
h_next, c_next = cell(x, t, (h, c))
print("state kept bit by bit:", torch.equal(h_next, h) and torch.equal(c_next, c))
(h_next.sum() + c_next.sum()).backward()
print("gradient by the old state is exactly 1:", bool((h.grad == 1).all() and (c.grad == 1).all()))
for name, w in [("x", x), *cell.named_parameters()]:
    print(f"gradient by {name:4} is exactly 0: {bool((w.grad == 0).all())}")

# %% [markdown]
# The picture: one unit reads a wave, with the gate and without.
# The weights are the same.

# %% mystnb={"image": {"alt": "The cell state of one unit over 60 ms, with three open phases of 4 ms shaded. Without a gate it swings with the wave all the time. With the gate and no leak it moves in the shaded phases only and is a level line between them. With a leak of 0.05 it drifts between the phases and shows the wave faintly."}} tags=["paste:state"]
t = torch.arange(0, 60, 0.1)
wave = torch.sin(2 * torch.pi * t / 5.5).reshape(1, -1, 1)
one = PhasedLSTMCell(1, 1, generator=torch.Generator().manual_seed(4))
with torch.no_grad():
    one.W_x.copy_(torch.tensor([[0.0], [0.0], [2.0], [0.0]]))  # i, f, g, o: only g reads
    one.W_h.zero_()
    one.b.copy_(torch.tensor([-2.0, 3.0, 0.5, 1.0]))
    one.tau.fill_(20.0)
    one.s.fill_(8.0)
    one.r_on.fill_(0.2)
    seen = {}
    state, cs = one.zero_state(1), []
    for step in range(len(t)):
        state = one.step(wave[:, step], torch.ones(1, 1), state)
        cs.append(state[1].item())
    seen["no gate: $k = 1$"] = cs
    for leak in (0.0, 0.05):
        one.leak = leak
        states = layers.unroll(one, wave, times=t[None])
        seen[rf"gate, $\alpha = {leak:g}$"] = [c.item() for _, c in states]
fig, ax = plt.subplots()
for start in (8, 28, 48):
    ax.axvspan(start, start + 4, color="#dddddd", label="open" if start == 8 else None)
for name, cs in seen.items():
    ax.plot(t, cs, label=name)
ax.set(xlabel="time (ms)", ylabel="cell state c")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# ### Live: your own wave, your own sampling
#
# *For Jupyter, VS Code or Colab; the knobs are ipywidgets.*
#
# The same unit reads a wave of your period, sampled every so many milliseconds, or at times that are off by a random share of that.
# The lines are its cell state with the gate and without, the dots are the samples.
# Sample ten times as densely: both states change, for every sample writes.
# What stays as it was?
# Then let the leak be 0.05, and compare one sample a millisecond with ten.

# %% mystnb={"image": {"alt": "Above, a wave of period 5.5 ms over 60 ms with a dot for each sample, one a millisecond. Below, the cell state of the unit: without a gate it swings with the wave all the time; with the gate it moves in the three shaded open phases and is level between them."}} tags=["live"]
from rnnlib import live


def follow(period=5.5, every=1.0, jitter=0.0, tau=20.0, r_on=0.2, leak=0.0):
    """Above the wave and its samples, below the unit's cell state with and without the gate."""
    count = max(2, int(60 / every))
    off = jitter * (torch.rand(count, generator=torch.Generator().manual_seed(0)) - 0.5)
    t = (every * (torch.arange(count) + 0.5 + off)).clamp(0, 60)
    wave = torch.sin(2 * torch.pi * t / period).reshape(1, -1, 1)
    unit = PhasedLSTMCell(1, 1, leak=leak)
    with torch.no_grad():
        unit.load_state_dict(one.state_dict())  # the weights of the figure above
        for parameter, value in ((unit.tau, tau), (unit.s, 8.0), (unit.r_on, r_on)):
            parameter.fill_(value)
        gated = [c.item() for _, c in layers.unroll(unit, wave, times=t[None])]
        state, free = unit.zero_state(1), []
        for x_t in wave.unbind(dim=1):
            state = unit.step(x_t, torch.ones(1, 1), state)
            free.append(state[1].item())
    is_open = int((time_gate(t, unit.tau, unit.s, unit.r_on, 0.0) > 0).sum())
    print(f"{count} samples, {is_open} of them while the unit is open")
    print(f"cell state at the end: {gated[-1]:.3f} with the gate, {free[-1]:.3f} without")
    fig, (above, below) = plt.subplots(2, 1, figsize=(7, 3.6), sharex=True)
    fine = np.linspace(0, 60, 2000)
    above.plot(fine, np.sin(2 * np.pi * fine / period), color="#aaaaaa", linewidth=1)
    above.plot(t, wave.ravel(), "o", ms=3, color=figures.COLOURS[0])
    above.set(ylabel="wave")
    for start in np.arange(8 - tau * np.ceil(8 / tau), 60, tau):
        below.axvspan(max(start, 0), max(start + r_on * tau, 0), color="#dddddd")
    below.plot(t, free, label="no gate")
    below.plot(t, gated, label="gate")
    below.set(xlabel="time (ms)", ylabel="cell state c", xlim=(0, 60))
    below.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


panel = live.interact(
    follow, period=(2.0, 30.0, 0.5), every=(0.1, 3.0, 0.1), jitter=(0.0, 1.0, 0.1),
    tau=(5.0, 50.0, 1.0), r_on=(0.05, 1.0, 0.05), leak=(0.0, 0.2, 0.01),
)

# %% [markdown]
# ## Claim: the hand-derived backward step = autograd
#
# The page's equations for one step, with random gradients on the new $h$ and $c$, all three branches of the gate among the units, and a leak.
# All in double precision.

# %% tags=["paste:backward"]
g = torch.Generator().manual_seed(0)
cell = PhasedLSTMCell(D, H, leak=0.1, r_on=0.4, log_tau=(1, 1), generator=g).double()
x = torch.randn(N, D, generator=g, dtype=F64, requires_grad=True)
h, c = (torch.randn(N, H, generator=g, dtype=F64, requires_grad=True) for _ in range(2))
dh, dc = (torch.randn(N, H, generator=g, dtype=F64) for _ in range(2))
k = cell.gate(torch.tensor([1.0, 22.0, 3.5, 104.0], dtype=F64))  # (N, H)
h_next, c_next = cell.step(x, k, (h, c))
sources = {"h": h, "c": c, "k": k, "x": x, "W_x": cell.W_x, "W_h": cell.W_h, "b": cell.b}
auto = torch.autograd.grad((dh * h_next + dc * c_next).sum(), list(sources.values()))

with torch.no_grad():
    a = x @ cell.W_x.T + h @ cell.W_h.T + cell.b
    i, f, g_, o = a.chunk(4, dim=1)
    i, f, g_, o = i.sigmoid(), f.sigmoid(), g_.tanh(), o.sigmoid()
    c_new = g_ * i + c * f  # the proposal
    h_new = c_new.tanh() * o
    dh_new = k * dh
    dc_new = k * dc + dh_new * o * (1 - c_new.tanh() ** 2)
    da = torch.cat(
        [
            dc_new * g_ * i * (1 - i), dc_new * c * f * (1 - f),
            dc_new * i * (1 - g_**2), dh_new * c_new.tanh() * o * (1 - o),
        ],
        dim=1,
    )
    hand = {
        "h": (1 - k) * dh + da @ cell.W_h,
        "c": (1 - k) * dc + f * dc_new,
        "k": (c_new - c) * dc + (h_new - h) * dh,
        "x": da @ cell.W_x,
        "W_x": da.T @ x,
        "W_h": da.T @ h,
        "b": da.sum(dim=0),
    }
errors = [check.relative_error(hand[name], by_autograd) for name, by_autograd in zip(sources, auto, strict=True)]
assert max(errors) < 1e-12
Markdown(
    f"Largest relative error between hand and autograd over {', '.join(f'`{n}`' for n in sources)}: below 1e-12."
)

# %% [markdown]
# ## How much the leak forgets
#
# While a unit is closed, each sample multiplies its old $h$ by $1 - \alpha\phi$ (and its old $c$ by $1 - \alpha\phi\,(1 - f)$, so the table is the worst case for $c$, $f = 0$).
# The product over one closed phase depends on how many samples fall into it.

# %% tags=["paste:leak"]
rows = []
for name, step in (("standard, 1 ms", 1.0), ("oversampled, 0.1 ms", 0.1), ("0.01 ms", 0.01)):
    t = torch.arange(0, 100, step, dtype=F64) + step / 2  # one period of 100 ms
    unit = [torch.tensor([v], dtype=F64) for v in (100.0, 0.0, 0.05)]
    row = [name]
    for leak in (0.0, 1e-3, 1e-2):
        k = time_gate(t, *unit, leak=leak)[:, 0]
        row.append(f"{(1 - k[t > 5]).prod().item():.3f}")
    rows.append(row)
figures.table(["a sample each", r"$\alpha = 0$", r"$\alpha = 0.001$", r"$\alpha = 0.01$"], rows)

# %% [markdown]
# The table gives the share of the state that is left after the 95 ms in which a unit of period 100 ms is closed.
# The leak counts samples, not milliseconds: the gate knows the time, and the leak does not.
#
# ## The gradient over time
#
# Waves of 60 ms, sampled each 0.1 ms, are 600 steps.
# We put a loss on the last $h$ and $c$ of an untrained network, and measure $\lVert \partial L/\partial c_t \rVert$ at every step, as in [the chapter on gradients](../book/gradients.md).


# %% mystnb={"image": {"alt": "Mean length of the gradient by the cell state against time before the end, over 60 ms, on a logarithmic scale, each curve divided by its value at the end. The LSTM's falls along a straight line and leaves the picture within a few milliseconds. The Phased LSTM's falls slowly, to about a thousandth after 60 ms."}} tags=["paste:gradient"]
def norms_of_c(rnn, x, **times):
    cell = rnn.cells[0]
    states = layers.unroll(cell, x, **times)
    g = torch.Generator().manual_seed(1)
    weights = torch.randn(x.shape[0], cell.hidden_size, generator=g, dtype=F64)
    h, c = states[-1]
    grads = torch.autograd.grad((weights * (h + c)).sum(), [c for _, c in states])
    return np.array([g.norm(dim=1).mean().item() for g in grads])


SEEDS = range(1 if FAST else 3)
curves = {"LSTM": [], "Phased LSTM": []}
for seed in SEEDS:
    g = torch.Generator().manual_seed(seed)
    x, times, _, _ = (v.double() for v in tasks.frequency(16, g, "oversampled", durations=(60, 60)))
    with_time = torch.cat([x, 2 * times[..., None] / 125 - 1], dim=2)
    curves["LSTM"].append(norms_of_c(layers.LSTM(2, 110, generator=g).double(), with_time))
    curves["Phased LSTM"].append(norms_of_c(layers.PhasedLSTM(1, 110, generator=g).double(), x, times=times))
fig, ax = plt.subplots()
for name, runs in curves.items():
    relative = [run[::-1] / run[-1] for run in runs]
    figures.mean_and_range(ax, 0.1 * np.arange(len(runs[0])), relative, name)
ax.set_yscale("log")
ax.set(
    xlabel="time before the end (ms)", ylabel=r"$\partial L/\partial c_t$, relative to the end", ylim=(1e-8, 10)
)
ax.legend()
plt.show()

# %% tags=["paste:gradient_numbers"]
left = {name: np.mean([run[0] / run[-1] for run in runs]) for name, runs in curves.items()}
after = np.mean([run[-51] / run[-1] for run in curves["LSTM"]])
Markdown(
    f"Of the gradient at the end the Phased LSTM has {left['Phased LSTM']:.1g} left 60 ms earlier. "
    f"The LSTM has {after:.0e} left 5 ms earlier, and {left['LSTM']:.0e} after all 60 ms."
)

# %% [markdown]
# ## Which cell state goes into $\tilde h$?
#
# The page's equation, and the authors' code, use the candidate $\tilde c_t$.
# Another reading takes the gated $c_t$.
# We run both with the same weights.


# %% tags=["paste:variants"]
def with_gated_c(cell, x, k, state):
    """One step with h~ = tanh(c_t) * o in place of tanh(c~_t) * o."""
    h, _ = state
    _, c = cell.step(x, k, state)
    o = torch.sigmoid((x @ cell.W_x.T + h @ cell.W_h.T + cell.b).chunk(4, dim=1)[3])
    return torch.lerp(h, torch.tanh(c) * o, k), c


rows = []
for r_on in (0.05, 0.2, 1.0):
    g = torch.Generator().manual_seed(0)
    cell = PhasedLSTMCell(1, 110, r_on=r_on, generator=g)
    x, times, lengths, _ = tasks.frequency(64, g, "standard", durations=(100, 100))
    with torch.no_grad():
        k = cell.gate(times)
        candidate = gated = cell.zero_state(64)
        for step in range(x.shape[1]):
            candidate = cell.step(x[:, step], k[:, step], candidate)
            gated = with_gated_c(cell, x[:, step], k[:, step], gated)
    sizes = [v[0].square().mean().sqrt().item() for v in (candidate, gated)]
    difference = (candidate[0] - gated[0]).square().mean().sqrt().item()
    rows.append([r_on, *[f"{v:.4f}" for v in sizes], f"{difference:.4f}"])
figures.table(["$r_{on}$", "size of $h$, candidate", "size of $h$, gated", "size of the difference"], rows)

# %% [markdown]
# Sizes are root mean squares over units and waves after 100 steps.
# The two are different networks.
# With $k = 1$ in every step they would be the same.
#
# ## Which parameters learn: the derivatives of the gate
#
# The page derives $\partial k/\partial\tau$, $\partial k/\partial s$ and $\partial k/\partial r_{on}$ in each branch.
# We compare them with autograd and with central differences, in double precision, away from the kinks: 50 random gates and times in each branch, all three derivatives.


# %% tags=["paste:derivatives"]
def by_hand(t, tau, s, r_on, leak):
    """The page's derivatives of k by tau, s and r_on."""
    phi = ((t - s) % tau) / tau
    rising, falling = phi < r_on / 2, (phi >= r_on / 2) & (phi < r_on)
    slope = np.where(rising, 2 / r_on, np.where(falling, -2 / r_on, leak))  # dk/dphi
    return {
        "tau": -slope * (t - s) / tau**2,
        "s": -slope / tau,
        "r_on": np.where(rising, -2 * phi / r_on**2, np.where(falling, 2 * phi / r_on**2, 0)),
    }


rng = np.random.default_rng(0)
names, leak, rows = ("tau", "s", "r_on"), 0.01, []
for branch, low, high in (("rising", 0.02, 0.13), ("falling", 0.17, 0.28), ("closed", 0.32, 0.98)):
    values = {"tau": rng.uniform(3, 20, 50), "s": rng.uniform(0, 100, 50), "r_on": np.full(50, 0.3)}
    turns = rng.integers(-4, 5, 50)
    t = values["s"] + (rng.uniform(low, high, 50) + turns) * values["tau"]
    leaves = {n: torch.tensor(v, requires_grad=True) for n, v in values.items()}
    k = time_gate(torch.tensor(t), **leaves, leak=leak).diagonal()  # unit j at its own time
    auto = dict(zip(names, torch.autograd.grad(k.sum(), list(leaves.values())), strict=True))

    def total():
        tensors = {n: torch.tensor(v) for n, v in values.items()}
        return time_gate(torch.tensor(t), **tensors, leak=leak).diagonal().sum().item()

    hand = by_hand(t, **values, leak=leak)
    for n in names:
        to_auto = check.relative_error(hand[n], auto[n])
        numbers = check.central_difference(total, values[n])
        scale = max(np.abs(hand[n]).max(), np.abs(numbers).max(), 1e-3)
        to_difference = np.abs(hand[n] - numbers).max() / scale
        assert to_auto < 1e-11 and to_difference < 1e-6
    rows.append([branch, "below 1e-11", "below 1e-6"])
figures.table(["branch", "against autograd", "against differences"], rows)

# %% [markdown]
# ## Experiment: three samplings
#
# The study `frequency` trained the networks; here we plot its record.
# Half of each batch are waves with a period between 5 and 6 ms, the others have a period between 1 and 100 ms, and the network says which is which.
# Some of the others fall between 5 and 6 by chance and count as such.

# %% tags=["paste:chance"]
_, _, _, y = tasks.frequency(20_000, torch.Generator().manual_seed(0), durations=(15, 15))
Markdown(
    f"Always answering \"between 5 and 6\" is right in {tasks.frequency_chance():.1%} of the waves by construction, "
    f"and in {y.double().mean().item():.1%} of 20,000 drawn waves."
)

# %% tags=["paste:setting"]
record = experiments.load("frequency")
runs = record["runs"]
first = runs[0]["settings"]
LABEL = {"plstm": "Phased LSTM", "lstm": "LSTM, time", "lstm dt": "LSTM, time since last"}


def of(model, sampling):
    return [r for r in runs if (r["settings"]["model"], r["settings"]["sampling"]) == (model, sampling)]


def setting(sampling, key):
    return of("plstm", sampling)[0]["settings"][key]


longest = {s: setting(s, "durations")[1] for s in study.SAMPLINGS}
counts = {s: sorted({len(of(m, s)) for m in LABEL} - {0}) for s in study.SAMPLINGS}
minutes = sum(r["seconds"] for r in runs) / 60
Markdown(
    f"Recorded: {first['hidden']} units, batches of {first['batch']}, Adam with learning rate {first['lr']:g} for all networks, "
    f"gradients clipped at norm {first['clip']:g}. "
    + " ".join(
        f"{s.capitalize()}: {setting(s, 'steps'):,} updates, waves of 15 to {longest[s]:g} ms, "
        f"{' to '.join(map(str, counts[s]))} seeds."
        for s in study.SAMPLINGS
    )
    + f" Tested on {first['test_size']:,} fresh waves. All runs together took {minutes:.0f} minutes "
    "on a shared processor core."
)

# %% tags=["paste:results"]
AUTHORS = {  # accuracy in percent and its standard deviation, printed by the authors' public notebook
    "standard": {"plstm": (99.3, 0.2), "lstm": (89.3, 18.9)},
    "oversampled": {"plstm": (99.6, 0.3), "lstm": (51.7, 0.7)},
    "asynchronous": {"plstm": (97.9, 0.6), "lstm": (69.0, 13.3)},
}


def summary(model, sampling):
    a = [100 * r["result"]["test_accuracy"] for r in of(model, sampling)]
    return figures.spread(a)


rows = [
    [sampling, label, summary(model, sampling), *AUTHORS[sampling].get(model, ("-", "-"))]
    for sampling in AUTHORS
    for model, label in LABEL.items()
    if of(model, sampling)
]
figures.table(["sampling", "network", "ours", "authors", "standard deviation"], rows)

# %% [markdown]
# Accuracy in percent on fresh waves: mean over the seeds, with the worst and the best seed.
# The last two columns are copied from the authors' notebook, which we did not run: mean and standard deviation over five seeds.
#
# One of their numbers stands out: a standard deviation of 18.9 beside a mean of 89.3, where the LSTM reads regular samples.
# What five accuracies have such a mean and such a spread?
# Let each lack $d$ to 100.
# The sum of the $d$ follows from the mean, that of $d^2$ from both, and the largest $d$ is at least the second divided by the first.

# %% tags=["paste:one_failed"]
mean, spread = AUTHORS["standard"]["lstm"]
lacking = 5 * (100 - mean)
squares = 5 * (spread**2 + (100 - mean) ** 2)
largest = squares / lacking  # since the sum of d^2 is at most the largest d times the sum of d
others = 100 - (lacking - largest) / 4
apart = spread / 0.4  # one run below four equal ones: the spread is sqrt(4 / 25) of the distance
alike = np.array([mean + apart / 5] * 4 + [mean - 4 * apart / 5])
assert np.isclose(alike.mean(), mean) and np.isclose(alike.std(), spread)
Markdown(
    f"Five accuracies of at most 100 % with mean {mean} and standard deviation {spread} hold one of at most {100 - largest:.1f}, "
    f"and the other four are at {others:.1f} or more on average. "
    f"If those four are equal, they are {alike[0]:.1f} and the fifth is {alike[4]:.1f}, which is chance."
)

# %% [markdown]
# So most likely one of the five runs did not learn, and the other four did as well as the Phased LSTM.

# %% mystnb={"image": {"alt": "Three panels, one for each sampling, of the test accuracy against updates, a line a seed. Standard: the Phased LSTM and the LSTM both end near 0.98, the LSTM after jumping up and down. Oversampled: the Phased LSTM rises to 0.97 within 300 updates, the LSTM stays at chance. Asynchronous: the Phased LSTM is above 0.9 after 500 updates, the LSTM with the time goes up and down between 0.46 and 0.7, and with the time since the last sample one of three lines rises late to 0.87."}} tags=["paste:curves"]
fig, axes = plt.subplots(1, 3, figsize=(8.4, 3.4), sharey=True)
for ax, sampling in zip(axes, ("standard", "oversampled", "asynchronous"), strict=True):
    for number, (model, label) in enumerate(LABEL.items()):
        for k, r in enumerate(of(model, sampling)):
            points = r["result"]["evaluations"]
            ax.plot(
                [p["step"] for p in points], [p["accuracy"] for p in points], label=label if k == 0 else None,
                color=figures.COLOURS[number], linestyle=figures.DASHES[number], linewidth=1.3,
            )
    ax.axhline(tasks.frequency_chance(), color="#777777", linewidth=0.8)
    ax.set(title=sampling, xlabel="updates", xlim=(0, None))
axes[0].set(ylabel="accuracy on fresh waves", ylim=(0.45, 1))
handles, labels = axes[2].get_legend_handles_labels()
fig.legend(handles, labels, loc="outside upper center", ncols=3)
plt.show()

# %% [markdown]
# The thin grey line is chance.
# Each point is the accuracy on 500 fresh waves, always the same for a seed; the table above is of 2,000 others.

# %% tags=["paste:reading"]
def first_90(run):
    """The first evaluation with at least 90 % right, or None."""
    return next((e["step"] for e in run["result"]["evaluations"] if e["accuracy"] >= 0.9), None)


def listed(values):
    return ", ".join("never" if v is None else f"{v:,}" for v in values)


Markdown(
    "\n".join(
        f"- {sampling}: " + "; ".join(
            f"{label} {listed(first_90(r) for r in of(model, sampling))}"
            for model, label in LABEL.items() if of(model, sampling)
        )
        for sampling in AUTHORS
    )
)

# %% [markdown]
# Updates until the accuracy on fresh waves is first 90 % or more, one number a seed: looked at every 100 updates, on the 500 waves of the curves.
#
# ## What the gates learned
#
# Periods and shifts hardly move: Adam moves a parameter by about one learning rate an update, and they start with a spread of many.
# The open share starts at 0.05 everywhere, and there it is free to go.

# %% mystnb={"image": {"alt": "Two panels. Left, the open share after training against the period of each unit, for all Phased LSTMs on asynchronous waves: from the start value 0.05 most units have opened further. Most of the widest stand in a cluster inside the first grey band, at 5 to 6 ms; in the bands at two and three times that they are a little wider than outside. Right, a histogram of the change of the period, within about half a millisecond on both sides of zero."}} tags=["paste:learned"]
gates = [r["result"]["gate"] for r in of("plstm", "asynchronous")]
tau_end, r_end = (np.concatenate([g[name] for g in gates]) for name in ("tau", "r_on"))
tau_start = np.concatenate(
    [
        study.build("plstm", r["settings"]["hidden"], torch.Generator().manual_seed(r["settings"]["seed"]))
        .rnn.cells[0].tau.detach().numpy()
        for r in of("plstm", "asynchronous")
    ]
)
fig, axes = plt.subplots(1, 2, figsize=(8, 3.3))
axes[0].plot(tau_end, r_end, "o", ms=3, alpha=0.6)
axes[0].axhline(0.05, color="black", linestyle=":", linewidth=1, label="start")
axes[0].set(xlabel=r"period $\tau$ (ms)", ylabel="open share $r_{on}$ after training")
for n in (1, 2, 3):
    axes[0].axvspan(5 * n, 6 * n, color="#dddddd", label="5 to 6 ms, and multiples" if n == 1 else None)
axes[0].legend(loc="upper right", fontsize=8)
axes[1].hist(tau_end - tau_start, bins=40, color=figures.COLOURS[0])
axes[1].set(xlabel=r"change of the period $\tau$ (ms)", ylabel="units")
plt.show()

# %% tags=["paste:learned_numbers"]
bands = {n: (tau_end >= 5 * n) & (tau_end <= 6 * n) for n in (1, 2, 3)}
outside = ~np.any(list(bands.values()), axis=0)
widest = np.argsort(r_end)[-len(r_end) // 10 :]  # the tenth of the units that opened furthest
Markdown(
    f"After training the open share is {r_end.mean():.2f} on average; {np.mean(r_end > 0.05):.0%} of the units have opened, "
    f"and {np.mean(r_end <= 0.001 + 1e-9):.0%} lie at the lower bound 0.001. "
    f"Of the tenth of the units that opened furthest, {np.mean(bands[1][widest]):.0%} have a period of 5 to 6 ms; of all units, {np.mean(bands[1]):.0%}. "
    f"The mean open share is {r_end[bands[1]].mean():.2f} for periods of 5 to 6 ms, {r_end[bands[2]].mean():.2f} around twice and "
    f"{r_end[bands[3]].mean():.2f} around three times that, and {r_end[outside].mean():.2f} elsewhere. "
    f"The period moved by {np.abs(tau_end - tau_start).mean():.2f} ms on average, {np.abs(tau_end - tau_start).max():.1f} ms at most."
)

# %% [markdown]
# ## The adding problem, gate on and gate off
#
# Two numbers of a long sequence are marked; the answer is their sum.
# The same cell with the gate, and with $k = 1$, which is the LSTM.
# The time of a step is its number.


# %%
class Sum(torch.nn.Module):
    def __init__(self, rnn, generator):
        super().__init__()
        self.rnn = rnn
        self.out = torch.nn.Linear(rnn.hidden_size, 1)
        with torch.no_grad():
            for w in self.out.parameters():
                w.uniform_(-0.1, 0.1, generator=generator)

    def forward(self, x, times):
        return self.out(self.rnn(x, times)[0][:, -1])[:, 0]


def add(gated, seed, T=30, H=40, steps=60 if FAST else 1000):
    g = torch.Generator().manual_seed(seed)
    rnn = layers.PhasedLSTM(2, H, shift=(0, T), generator=g)
    if not gated:
        open_always(rnn)
    times = torch.arange(T) + 1.0 if gated else 2 * torch.arange(T) + 1.0
    model = Sum(rnn, g)

    def loss(_, batch):
        x, y = batch
        return (model(x, times=times.expand(len(x), T)) - y).square().mean(), {}

    optimizer = torch.optim.Adam([w for w in model.parameters() if w.requires_grad], lr=1e-2)
    optimizer.register_step_post_hook(lambda *_: rnn.project_())
    source = tasks.Batches(tasks.adding, 1000 + seed, T=T, N=32)
    return training.train(model, source, loss, optimizer, steps, clip_norm=1.0)


added = {(gated, s): add(gated, s) for gated in (True, False) for s in SEEDS}

# %% mystnb={"image": {"alt": "Training loss on the adding problem of 30 steps against updates, on a logarithmic scale, three seeds each. With the gate the loss leaves the baseline of one sixth first, after about 300 updates, and falls slowly to less than 0.01. Without it, it stays at the baseline for 400 to 700 updates, then falls steeply and ends lower, near 0.001."}} tags=["paste:adding"]
fig, ax = plt.subplots()
for (gated, s), history in added.items():
    smooth = np.convolve(history.loss, np.ones(20) / 20, mode="valid")
    ax.plot(
        np.arange(len(smooth)) + 20, smooth, linewidth=1.3,
        color=figures.COLOURS[0 if gated else 1], linestyle=figures.DASHES[0 if gated else 1],
        label=("gate on" if gated else "gate off: the LSTM") if s == 0 else None,
    )
ax.axhline(1 / 6, color="black", linestyle=":", linewidth=1, label="always answering 1")
ax.set_yscale("log")
ax.set(xlabel="updates", ylabel="squared error, mean of 20 updates")
ax.legend(loc="lower left")
plt.show()


# %% tags=["paste:adding_numbers"]
def leaves(history):
    """The first update at which the mean loss of 20 is below half of the baseline."""
    smooth = np.convolve(history.loss, np.ones(20) / 20, mode="valid")
    below = np.flatnonzero(smooth < 1 / 12)
    return int(below[0]) + 20 if len(below) else None


ends = {gated: [np.mean(added[gated, s].loss[-100:]) for s in SEEDS] for gated in (True, False)}
Markdown(
    f"The loss falls below half of the baseline after {listed(leaves(added[True, s]) for s in SEEDS)} updates with the gate, "
    f"and after {listed(leaves(added[False, s]) for s in SEEDS)} without (one number a seed). "
    f"Over the last 100 updates it is {', '.join(f'{v:.4f}' for v in ends[True])} with the gate "
    f"and {', '.join(f'{v:.4f}' for v in ends[False])} without."
)

# %% [markdown]
# ## Mistakes people make
#
# **The remainder of a negative number.**
# `torch.fmod`, like C's `fmod`, gives the remainder the sign of the first number; `torch.remainder`, like Python's `%`, that of the second.
# A time before the shift then has a negative phase, which counts as the rising branch.


# %% tags=["paste:mistakes"]
def gate_with(t, tau, s, r_on, leak, remainder):
    phi = remainder(t[..., None] - s, tau) / tau
    ramp = 2 * phi / r_on
    return torch.where(phi < r_on / 2, ramp, torch.where(phi < r_on, 2 - ramp, leak * phi))


g = torch.Generator().manual_seed(0)
cell = PhasedLSTMCell(1, 110, generator=g)
_, times, _, _ = tasks.frequency(256, g)
gate = (cell.tau.detach(), cell.s.detach(), cell.r_on.detach(), cell.leak)
right = gate_with(times, *gate, torch.remainder)
wrong = gate_with(times, *gate, torch.fmod)
assert torch.equal(right, time_gate(times, *gate))
Markdown(
    f"With `fmod`, {(wrong < 0).float().mean().item():.0%} of all gate values are negative, down to {wrong.min().item():.0f}; "
    f"with `remainder` they lie between {right.min().item():.0f} and {right.max().item():.2f}. "
    "The check that catches it: every $k$ is in $[0, 1]$."
)

# %% [markdown]
# **Gating $h$ alone.**
# The output then looks right for one step, but the cell state behind it goes on.

# %% tags=["nbval-check-output"]
cell = PhasedLSTMCell(D, H, leak=0.0, r_on=0.2, log_tau=(2, 2), shift=(0, 0), generator=g)
t, x = 0.6 * cell.tau[:1].expand(N), torch.randn(N, D, generator=g)
h, c = (torch.randn(N, H, generator=g) for _ in range(2))
h_lstm, c_lstm = cells.LSTMCell.forward(cell, x, (h, c))
k = cell.gate(t)
h_wrong, c_wrong = torch.lerp(h, h_lstm, k), c_lstm  # c is not gated
print("closed unit, h kept:", torch.equal(h_wrong, h))
print("closed unit, c kept:", torch.equal(c_wrong, c))

# %% [markdown]
# **Half of the derivative by $\tau$.**
# $\tau$ stands in $\phi$ twice: under the fraction, and in the modulo.
# Taking the remainder for a constant gives $-\phi/\tau$ in place of $-(t - s)/\tau^2$.

# %% tags=["nbval-check-output"]
tau = torch.tensor([7.0], dtype=F64, requires_grad=True)
for cycles in (0, 1, 10):
    t = torch.tensor([(cycles + 0.3) * 7.0], dtype=F64)
    phi = torch.remainder(t, tau) / tau
    (right,) = torch.autograd.grad(phi.sum(), tau)
    wrong = -phi.item() / 7
    print(f"{cycles:2} periods later: right {right.item():8.4f}, remainder taken for a constant {wrong:8.4f}")

# %% [markdown]
# The two agree in the first period only.
# Later a change of the period has been added up once for each period that has passed.
#
# **Large times in single precision.**
# A float32 has seven digits.
# Times in milliseconds since 1970 need thirteen; even after three hours of recording, the spacing of the numbers is a millisecond.

# %% tags=["paste:precision"]
rows = []
unit = [torch.tensor([v], dtype=F64) for v in (5.5, 0.3, 0.05)]
for offset in (0.0, 1e3, 1e5, 1e7):
    t = offset + torch.arange(0, 55, 0.1, dtype=F64)
    exact = time_gate(t, *unit, leak=0.0)
    single = time_gate(t.float(), *[v.float() for v in unit], leak=0.0)
    rows.append([f"{offset:,.0f} ms", f"{(single - exact).abs().max().item():.1g}"])
figures.table(["the recording starts at", "largest error of $k$"], rows)

# %% [markdown]
# Subtract the start of the recording while the times are still in double precision, and convert then.
#
# ## Exercises
#
# Each exercise has a cell with a check, which needs the imports at the top and nothing else.
# Until you answer, it says so.
# What *easy*, *medium* and *hard* mean stands on the [first page](../book/index.md), under *Exercises*.
#
# ### Exercise 1: the gate in NumPy
#
# *Medium · 15 minutes · with a check*
#
# Complete the time gate for one unit and times `t (M,)`, some of them negative; the result is `(M,)`.
# `tau` is the period, `s` the shift, `r_on` the open share and `leak` the leak $\alpha$.
#
# <details>
# <summary>Hint 1</summary>
#
# First the phase, between 0 and 1, then the three branches, with `np.where`.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# NumPy's `%` takes the sign of the divisor, so negative times need no care.
# The gate rises to 1 at $\phi = r_{on}/2$, is back at 0 at $r_{on}$, and is $\alpha\phi$ from there.
#
# </details>


# %% tags=["exercise-1"]
def my_gate(t, tau, s, r_on, leak):
    return None  # your answer


t = np.random.default_rng(1).uniform(-20, 60, size=100)
unit = [torch.tensor([v], dtype=F64) for v in (9.3, 4.1, 0.32)]
expected = time_gate(torch.tensor(t), *unit, 0.013)[:, 0]
check.answer("gate", my_gate(t, 9.3, 4.1, 0.32, 0.013), expected)

# %% [markdown]
# <details>
# <summary>Solution 1</summary>
#
# ```python
# def my_gate(t, tau, s, r_on, leak):
#     phi = ((t - s) % tau) / tau
#     rising, falling = 2 * phi / r_on, 2 - 2 * phi / r_on
#     return np.where(phi < r_on / 2, rising, np.where(phi < r_on, falling, leak * phi))
# ```
#
# </details>
#
# ### Exercise 2: the gradient of the shift
#
# *Medium · 15 minutes · with a check*
#
# Each row of `dk (M, T)` holds the derivatives of one loss by the openness of a unit at the times `t (T,)`.
# Return $\partial L/\partial s$ for each loss, `(M,)`.
#
# <details>
# <summary>Hint 1</summary>
#
# The chain is $s \to \phi \to k \to L$, at every time; the losses' shares of all times add up.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# How does $\phi$ move if $s$ does?
# The slope $\partial k/\partial\phi$ is a number on each of the three branches.
#
# </details>


# %% tags=["exercise-2"]
def shift_gradient(dk, t, tau, s, r_on, leak):
    return None  # your answer


rng = np.random.default_rng(2)
t, dk = rng.uniform(0, 50, size=80), rng.normal(size=(4, 80))
tau, s, r_on = (torch.tensor([v], dtype=F64) for v in (9.3, 4.1, 0.32))
k = time_gate(torch.tensor(t), tau, s.requires_grad_(), r_on, 0.013)[:, 0]
losses = torch.tensor(dk) @ k
expected = [torch.autograd.grad(loss, s, retain_graph=True)[0].item() for loss in losses]
check.answer("shift", shift_gradient(dk, t, 9.3, 4.1, 0.32, 0.013), expected)

# %% [markdown]
# <details>
# <summary>Solution 2</summary>
#
# ```python
# def shift_gradient(dk, t, tau, s, r_on, leak):
#     phi = ((t - s) % tau) / tau
#     slope = np.where(phi < r_on / 2, 2 / r_on, np.where(phi < r_on, -2 / r_on, leak))
#     return dk @ slope * (-1 / tau)
# ```
#
# </details>
#
# ### Exercise 3: a memory in milliseconds
#
# *Hard · 20 minutes · with a check*
#
# A unit is sampled every `step` ms, many times a period.
# It is closed from phase $r_{on}$ to 1, where each sample multiplies its $h$ by $1 - \alpha\phi$ and nothing is written.
# Return about how much of its $h$ is left after the closed part of one period, for a small leak $\alpha$.
# The check wants three digits.
#
# <details>
# <summary>Hint 1</summary>
#
# The logarithm turns the product over the samples into a sum.
# What is $\ln(1 - \alpha\phi)$ for a small leak?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# A sum over many equally spaced phases is close to an integral, times the number of samples in one unit of phase.
#
# </details>


# %% tags=["exercise-3"]
def kept(tau, r_on, leak, step):
    return None  # your answer


units = [(100.0, 0.3, 1e-3, 0.1), (240.0, 0.15, 3e-4, 0.1), (60.0, 0.5, 8e-4, 0.05)]
expected = []
for tau, r_on, leak, step in units:
    t = torch.arange(0, tau, step, dtype=F64) + step / 2
    unit = [torch.tensor([v], dtype=F64) for v in (tau, 0.0, r_on)]
    expected.append((1 - time_gate(t, *unit, leak)[t > r_on * tau, 0]).prod())
check.answer("kept", [kept(*unit) for unit in units], expected, tolerance=1e-3)

# %% [markdown]
# <details>
# <summary>Solution 3</summary>
#
# ```python
# def kept(tau, r_on, leak, step):
#     return np.exp(-(tau / step) * leak * (1 - r_on**2) / 2)
# ```
#
# $\ln(1 - \alpha\phi) \approx -\alpha\phi$, there are $\tau/\text{step}$ samples a period, and $\int_{r_{on}}^1 \phi\, d\phi = (1 - r_{on}^2)/2$.
#
# </details>
