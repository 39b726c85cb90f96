# %% [markdown]
# # Optimizers: run it
#
# This notebook goes with the page [Optimizers](../book/optimizers.md).
# You will watch one learning rate fail on a ravine, hold eight methods against torch's, follow three steps of Adam by hand, and see what each part of a method does.
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
import math
import os
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from torch.nn.utils import parameters_to_vector as flat

from rnnlib import check, figures, init, interactive, layers, optim, surfaces, tasks, training
from rnnlib.experiments.optimizers import small_rnn
from rnnlib.optim.base import buffer, count

FAST = os.environ.get("RNNLIB_FAST") == "1"  # small sizes, for tests
figures.use_style()
torch.set_num_threads(1)
SEEDS = range(1 if FAST else 2)  # of the short runs

METHODS = optim.METHODS  # name: class, settings beside the learning rate

# %% [markdown]
# ## The problem: one rate for all directions
#
# The loss $\frac12(w_1^2 + 100\,w_2^2)$ is a ravine: a hundred times as steep across as along.
# Gradient descent with three learning rates, from the same point:

# %% mystnb={"image": {"alt": "Two panels. Left, a map of a long narrow ravine with three paths of gradient descent: one with a small rate goes straight down to the floor of the ravine and has covered a quarter of the way along it after 150 steps; one just below the limit jumps from wall to wall and comes nearer; one just above the limit jumps ever higher. Right, the loss against the step on a logarithmic scale: the first falls quickly and then slowly, the second falls more slowly at first and ends lowest, the third rises."}} tags=["paste:ravine"]
ravine = surfaces.SURFACES["ravine"]
rates = {0.002: "0.002: crawls", 0.0195: "0.0195: zigzags", 0.0203: "0.0203: runs away"}
paths = {lr: surfaces.descend(ravine.loss, optim.SGD, ravine.start, 150, lr=lr) for lr in rates}
fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), dpi=100, width_ratios=[1.25, 1])
grid = torch.linspace(-2.1, 2.1, 201)
w1, w2 = torch.meshgrid(grid, 0.75 * grid, indexing="xy")
levels = ravine.loss(torch.stack([w1, w2], dim=-1))
axes[0].contour(
    w1, w2, levels, levels=[0.1, 1, 5, 15, 40, 80], colors="#999999", linewidths=0.7, linestyles="-"
)
for k, (lr, label) in enumerate(rates.items()):
    style = {"color": figures.COLOURS[k], "linestyle": figures.DASHES[k]}
    axes[0].plot(*paths[lr][: 41 if k else None].T, marker=".", markersize=3, linewidth=1, **style)
    axes[1].plot(ravine.loss(paths[lr]), label=label, **style)
axes[0].plot(0, 0, "k*", markersize=10)
axes[0].set(xlabel="weight $w_1$", ylabel="weight $w_2$", xlim=(-2, 0.4), ylim=(-1.5, 1.5))
axes[1].set(xlabel="step", ylabel="loss", yscale="log")
fig.legend(loc="outside upper center", ncols=3)
plt.show()

# %% [markdown]
# On the left the two faster paths show their first 40 steps.
#
# A step multiplies $w_2$ by $1 - 100\,\eta$ and $w_1$ by $1 - \eta$.
# Above $\eta = 2/100$ the first factor is below $-1$, and the path runs away.
# So the steep direction forbids every rate above 0.02, and with such a rate the flat direction keeps 98 % of its error at each step.
# The limit is sharp:

# %% tags=["nbval-check-output"]
for lr in (0.0199, 0.0201):
    path = surfaces.descend(ravine.loss, optim.SGD, ravine.start, 400, lr=lr)
    factors = path[1:6] / path[:5]  # of both weights
    right = check.relative_error(factors, np.tile([1 - lr, 1 - 100 * lr], (5, 1))) < 1e-12
    print(
        f"rate {lr}: factors are 1 - η and 1 - 100 η: {right}; |w2| grows: {bool(path[-1, 1].abs() > path[0, 1].abs())}"
    )

# %% [markdown]
# ## Momentum, and Nesterov's
#
# ### Claim: in a constant gradient the step grows to $\eta / (1 - \mu)$

# %% tags=["nbval-check-output"]
for mu in (0.5, 0.9, 0.99):
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    moves = optim.SGD([w], lr=0.1, momentum=mu)
    for _ in range(3000):
        before = w.item()
        w.grad = torch.ones_like(w)
        moves.step()
    print(
        f"μ = {mu}: last step / learning rate = {(before - w.item()) / 0.1:.3f}, 1 / (1 - μ) = {1 / (1 - mu):.3f}"
    )

# %% [markdown]
# ### Claim: across a ravine steps grow like $\sqrt\kappa$ with momentum, like $\kappa$ without
#
# The page gives the best settings on a quadratic whose curvatures lie between 1 and $\kappa$, and the factor by which the error then falls at each step: $(\kappa - 1)/(\kappa + 1)$ without, $(\sqrt\kappa - 1)/(\sqrt\kappa + 1)$ with momentum.
# We measure the factor over the last steps before rounding sets in.


# %% tags=["paste:rates"]
def factor(kappa, with_momentum):
    """Measured factor a step, and steps until the error is a millionth, at the best settings."""
    root = math.sqrt(kappa)
    best = {"lr": 2 / (1 + kappa)}
    if with_momentum:
        best = {"lr": 4 / (root + 1) ** 2, "momentum": ((root - 1) / (root + 1)) ** 2}
    needed = int(14 * (root if with_momentum else kappa)) + 40
    scale = torch.tensor([1.0, kappa], dtype=torch.float64)
    path = surfaces.descend(
        lambda w: (scale * w**2).sum() / 2, optim.SGD, (1.0, 1.0), needed, **best
    )
    error = path.norm(dim=1)
    first, last = needed // 2, needed - 20
    done = int((error > 1e-6 * error[0]).nonzero()[-1]) + 1
    return (error[last] / error[first]).item() ** (1 / (last - first)), done


rows, found = [], {}
for kappa in (10, 100) if FAST else (10, 100, 1000):
    root = math.sqrt(kappa)
    found[kappa] = [factor(kappa, False), factor(kappa, True)]
    predicted = (kappa - 1) / (kappa + 1), (root - 1) / (root + 1)
    for name, (measured, steps), p in zip(
        ("SGD", "momentum"), found[kappa], predicted, strict=True
    ):
        rows.append([kappa, name, f"{p:.4f}", f"{measured:.4f}", steps])
figures.table(
    ["$\\kappa$", "method", "factor, predicted", "measured", "steps to a millionth"], rows
)

# %% [markdown]
# Momentum's measured factor lies a little above the prediction.
# At the best settings both roots of its recursion coincide, and then the error falls like $t\,r^t$ and not like $r^t$; the factor $t$ wears off slowly.
#
# ### Claim: torch's Nesterov is Nesterov's method at the point ahead
#
# Sutskever's form keeps a weight $\theta$ and a velocity $v$, and takes the gradient at $\theta + \mu v$.
# By the page, torch's weight is that point.
# On the bent valley, both at once:

# %% tags=["nbval-check-output"]
valley = surfaces.SURFACES["valley"]
lr, mu, steps = 5e-4, 0.9, 300
path = surfaces.descend(
    valley.loss, optim.SGD, valley.start, steps, lr=lr, momentum=mu, nesterov=True
)
theta, velocity, ahead = (
    torch.tensor(valley.start, dtype=torch.float64),
    torch.zeros(2, dtype=torch.float64),
    [],
)
for _ in range(steps + 1):
    point = (theta + mu * velocity).requires_grad_()
    ahead.append(point.detach().clone())
    (g,) = torch.autograd.grad(valley.loss(point), point)
    velocity = mu * velocity - lr * g
    theta = theta + velocity
error = check.relative_error(path, torch.stack(ahead))
print("torch's path = the points ahead, below 1e-12:", error < 1e-12)
assert error < 1e-12

# %% [markdown]
# ## Claim: our optimizers = torch's
#
# Two copies of one LSTM, one moved by ours and one by torch's, for 100 steps.
# Each step has a new batch, so the gradients vary.
# All in double precision; after each step we take the largest difference of any weight.


# %%
class Net(torch.nn.Module):
    """An LSTM with a readout; its input has a fourth entry that is always zero."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.rnn = layers.LSTM(4, 5, generator=generator)
        self.readout = torch.nn.Linear(5, 3)
        for w in self.readout.parameters():
            init.uniform_(w.data, 0.4, generator)
        self.double()

    def backward(self, t):
        """The gradients of the batch of step t."""
        x = torch.randn(6, 4, 4, generator=torch.Generator().manual_seed(t), dtype=torch.float64)
        x[:, :, 3] = 0
        outputs, _ = self.rnn(x)
        loss = torch.nn.functional.cross_entropy(
            self.readout(outputs[:, -1]), (torch.arange(6) + t) % 3
        )
        self.zero_grad()
        loss.backward()


def race(kind, other, steps=100, **settings):
    """The largest difference of a weight after any step, and how far the weights have gone."""
    net, twin, start = Net(), Net(), Net()
    moves = [
        (net, kind(net.parameters(), **settings)),
        (twin, other(twin.parameters(), **settings)),
    ]
    largest = 0.0
    for t in range(steps):
        for one, optimizer in moves:
            one.backward(t)
            optimizer.step()
        apart = [
            (a - b).detach().abs().max().item()
            for a, b in zip(net.parameters(), twin.parameters(), strict=True)
        ]
        largest = max(largest, *apart) if np.isfinite(apart).all() else math.nan
        if math.isnan(largest):
            break
    gone = max(
        (a - b).detach().abs().max().item()
        for a, b in zip(twin.parameters(), start.parameters(), strict=True)
    )
    return largest, gone


raced = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.01}),
    ("Adadelta", {"lr": 1.0}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.9}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.1}),
]
apart = {}
for name, settings in raced:
    label = ", ".join([name, *(f"{k}={v}" for k, v in settings.items() if k != "lr")])
    apart[label] = race(getattr(optim, name), getattr(torch.optim, name), **settings)

# %% tags=["nbval-check-output"]
rows = [
    [label, "yes" if e < 1e-12 else "no", "yes" if gone > 0.01 else "no"]
    for label, (e, gone) in apart.items()
]
assert all(row[1:] == ["yes", "yes"] for row in rows)
figures.table(["method", "100 steps equal, below 1e-12", "weights moved by more than 0.01"], rows)

# %% tags=["paste:torch_worst"]
largest = max(e for e, _ in apart.values())
Markdown(
    f"The largest difference of all methods, weights and steps is {f'{largest:.0e}' if largest else 'zero, to the last bit'}, "
    f"while the weights moved by up to {max(gone for _, gone in apart.values()):.1f}."
)

# %% [markdown]
# ## Adagrad's step size falls
#
# An RNN of 32 units on palindromes of ten digits, with three labels in ten replaced by random ones, so that the loss never goes to zero.
# At each step we look at $\eta/(\sqrt{s} + \varepsilon)$, the learning rate that each weight really has, and plot its median over the weights of the readout and over those of the recurrent matrix.


# %%
class Palindromes(tasks.PalindromeBatches):
    """Batches of 32 palindromes of ten digits; a share of the labels may be random."""

    def __init__(self, seed, noise=0.0):
        self.noise, self.other = noise, torch.Generator().manual_seed(seed)
        super().__init__(10, 32, seed=1000 + seed, one_hot=True)

    def __next__(self):
        x, y = super().__next__()
        wrong = torch.rand(len(y), generator=self.other) < self.noise
        return x, torch.where(wrong, torch.randint(10, y.shape, generator=self.other), y)


def step_sizes(name, lr, steps):
    """Medians of η / (√v + ε) in readout and recurrent matrix (steps, 2), and the mean |Δw|."""
    kind, settings = METHODS[name]
    model = small_rnn(0)
    moves = kind(model.parameters(), lr=lr, **settings)
    source, rates, moved = Palindromes(0, noise=0.3), [], []
    key = {"Adagrad": "sum", "RMSprop": "square_avg", "Adam": "exp_avg_sq"}[name]
    for t in range(1, steps + 1):
        before = flat(model.parameters())
        training.train(model, source, training.classification_loss, moves, 1)
        moved.append((flat(model.parameters()) - before).abs().mean().item())
        correction = 1 - 0.999**t if name == "Adam" else 1
        roots = [
            (moves.state[w][key] / correction).sqrt()
            for w in (model.readout.weight, model.rnn.cells[0].W_h)
        ]
        rates.append([(lr / (root + moves.defaults["eps"])).median().item() for root in roots])
    return np.array(rates), np.array(moved)


steps = 100 if FAST else 1500
chosen = {"Adagrad": 0.03, "RMSprop": 0.001, "Adam": 0.003}
sizes = {name: step_sizes(name, lr, steps) for name, lr in chosen.items()}

# %% mystnb={"image": {"alt": "Two panels on doubly logarithmic axes over 1,500 training steps, of the median learning rate of a weight. Left, in the readout: Adagrad's falls steeply at first and, from about step 100 on, along a straight line with the slope of one over the root of t, RMSprop's and Adam's fall at first and level off after some hundred steps. Right, in the recurrent matrix: Adagrad's falls a little less steeply, the two others fall at first and rise again."}} tags=["paste:adagrad"]
t = np.arange(1, steps + 1)
fig, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True)
for k, (ax, title) in enumerate(zip(axes, ["readout", "recurrent matrix"], strict=True)):
    for name, (rates, _) in sizes.items():
        ax.plot(t, rates[:, k], label=name)
    middle = steps // 10
    slope = 0.6 * sizes["Adagrad"][0][middle, k] * np.sqrt(middle / t)
    ax.plot(t, slope, color="#555555", linestyle="-", linewidth=0.8, label=r"slope of $1/\sqrt{t}$")
    ax.set(xscale="log", yscale="log", xlabel="training step", title=title)
    ax.title.set_fontsize(10)
axes[0].set_ylabel(r"median of $\eta/(\sqrt{v} + \varepsilon)$")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
plt.show()

# %% tags=["paste:adagrad_slope"]
late = t >= steps // 10
logs = np.log(t[late])
slopes = {name: np.polyfit(logs, np.log(rates[late]), 1)[0] for name, (rates, _) in sizes.items()}
moving = {name: np.polyfit(logs, np.log(moved[late]), 1)[0] for name, (_, moved) in sizes.items()}
Markdown(
    f"Between steps {steps // 10} and {steps:,}, Adagrad's median rate goes like $t^{{{slopes['Adagrad'][0]:.2f}}}$ in the readout and like $t^{{{slopes['Adagrad'][1]:.2f}}}$ in the recurrent matrix. "
    f"RMSprop's go like $t^{{{slopes['RMSprop'][0]:+.2f}}}$ and $t^{{{slopes['RMSprop'][1]:+.2f}}}$, Adam's like $t^{{{slopes['Adam'][0]:+.2f}}}$ and $t^{{{slopes['Adam'][1]:+.2f}}}$. "
    f"How far a weight moves in a step, in the mean over all, goes like $t^{{{moving['Adagrad']:.2f}}}$ with Adagrad, $t^{{{moving['RMSprop']:.2f}}}$ with RMSprop and $t^{{{moving['Adam']:.2f}}}$ with Adam."
)

# %% [markdown]
# With gradients of one size $s_t$ grows like $t$, and the rate falls like $t^{-1/2}$.
# So it is in the readout, where the wrong labels keep the gradients going.
# In the recurrent matrix the gradients become smaller, so $s_t$ grows more slowly, and the rate falls more slowly too.
# RMSprop and Adam divide by a mean in place of a sum, so their rate follows the size of the gradients now.
#
# ## Adadelta: where its first steps come from
#
# The page finds a first step of $\sqrt{\varepsilon/(1-\rho)}$ in each weight, whatever the gradient.
# So $\varepsilon$, meant for safety, decides how Adadelta starts.

# %% tags=["paste:adadelta"]
rows, first = [], {}
for eps in (1e-8, 1e-6, 1e-4):
    model = small_rnn(0)
    moves = optim.Adadelta(model.parameters(), eps=eps)
    moved, source = [], Palindromes(0)
    for _ in range(30 if FAST else 300):
        before = flat(model.parameters())
        training.train(model, source, training.classification_loss, moves, 1)
        moved.append((flat(model.parameters()) - before).abs().median().item())
    first[eps] = moved[0]
    rows.append(
        [
            f"$10^{{{math.log10(eps):.0f}}}$",
            f"{math.sqrt(eps / 0.1):.1e}",
            *(f"{moved[k]:.1e}" for k in (0, 9, -1)),
        ]
    )
figures.table(
    [
        "$\\varepsilon$",
        "$\\sqrt{\\varepsilon/(1-\\rho)}$",
        "median step, first",
        "10th",
        f"{len(moved)}th",
    ],
    rows,
)

# %% [markdown]
# For a gradient that is not large against $\sqrt\varepsilon$ the first step is shorter, which is why the median with $\varepsilon = 10^{-4}$ lies below the formula.
#
# ## Adam: the bias and its correction
#
# ### Claim: $\mathbb E[m_t] = (1 - \beta_1^t)\,\mathbb E[g]$
#
# 20,000 weights get random gradients with mean 1 and standard deviation 2.

# %% tags=["nbval-check-output"]
generator = torch.Generator().manual_seed(0)
m, v, worst = torch.zeros(20_000), torch.zeros(20_000), [0.0, 0.0]
for t in range(1, 101):
    g = 1 + 2 * torch.randn(20_000, generator=generator)
    m.lerp_(g, 1 - 0.9)
    v.lerp_(g**2, 1 - 0.999)
    worst[0] = max(worst[0], abs(m.mean().item() - (1 - 0.9**t) * 1))
    worst[1] = max(worst[1], abs(v.mean().item() / ((1 - 0.999**t) * 5) - 1))
print("mean of m within 0.03 of (1 - 0.9^t) E[g]:      ", worst[0] < 0.03)
print("mean of v within 5 % of (1 - 0.999^t) E[g²]:    ", worst[1] < 0.05)
assert worst[0] < 0.03 and worst[1] < 0.05

# %% [markdown]
# ### Three steps by hand
#
# One weight, three gradients, and memories so short that the numbers stay small: $\beta_1 = 1/2$, $\beta_2 = 3/4$, $\eta = 0.7$, no $\varepsilon$.
# We compute in fractions, and then let `optim.Adam` take the same three steps.

# %% tags=["paste:three_steps", "nbval-check-output"]
given = [1.0, 2.5, -2.0]
beta1, beta2, eta, weight = Fraction(1, 2), Fraction(3, 4), Fraction("0.7"), Fraction("1.5")
m = v = Fraction(0)
by_hand, rows = [], [[0, "", "0", "0", "", "", "", f"{float(weight):g}"]]
for t, g in enumerate(map(Fraction, given), start=1):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    root = Fraction(math.isqrt(v_hat.numerator), math.isqrt(v_hat.denominator))
    assert root**2 == v_hat  # the gradients are chosen so
    weight -= eta * m_hat / root
    by_hand.append(float(weight))
    rows.append([t, *(f"{float(x):.5g}" for x in (g, m, v, m_hat, v_hat, -eta * m_hat / root, weight))])

w = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
moves, by_adam = optim.Adam([w], lr=0.7, betas=(0.5, 0.75), eps=0.0), []
for g in given:
    w.grad = torch.full_like(w, g)
    moves.step()
    by_adam.append(w.item())
assert check.relative_error(by_adam, by_hand) < 1e-12
figures.table(
    ["$t$", "$g_t$", "$m_t$", "$v_t$", "$\\hat m_t$", "$\\hat v_t$", "$w_t - w_{t-1}$", "$w_t$"], rows
)

# %% [markdown]
# The second gradient is two and a half times the first, and the step is as long; the third turns the weight round, but by a seventh of that.
# The same gradients with the usual memories:


# %% tags=["paste:three_steps_usual"]
def in_rates(corrected):
    """The steps of Adam with its usual memories, in learning rates."""
    w, places = torch.zeros(1, dtype=torch.float64, requires_grad=True), [0.0]
    moves = optim.Adam([w], lr=1.0, eps=0.0, bias_correction=corrected)
    for g in given:
        w.grad = torch.full_like(w, g)
        moves.step()
        places.append(w.item())
    return ", ".join(f"{-step:.2f}" for step in np.diff(places))


Markdown(
    f"With the usual memories, $\\beta_1 = 0.9$ and $\\beta_2 = 0.999$, the same gradients move the weight down by {in_rates(True)} learning rates, and without the correction by {in_rates(False)}."
)

# %% [markdown]
# ### What happens without the correction
#
# The mean size of a step, in learning rates, with and without the correction.
# The thin line is what a constant gradient gives without: $(1 - \beta_1^t)/\sqrt{1 - \beta_2^t}$.


# %% mystnb={"image": {"alt": "Mean step of a weight in learning rates against the training step, on logarithmic axes. With bias correction it starts at one, falls to 0.4, rises to 0.7 near step 80 and falls to 0.2. Without it starts at 3.2, stays near three for 25 steps and then falls, below the corrected one from about step 80 on. A thin line for a constant gradient starts at 3.2, peaks at 6.6 near step 12 and falls to about 2 at step 300."}} tags=["paste:bias"]
def first_steps(corrected, lr=1e-3):
    model, source, moved = small_rnn(0), Palindromes(0), []
    moves = optim.Adam(model.parameters(), lr=lr, bias_correction=corrected)
    for _ in range(30 if FAST else 300):
        before = flat(model.parameters())
        training.train(model, source, training.classification_loss, moves, 1)
        moved.append(((flat(model.parameters()) - before).abs().mean() / lr).item())
    return np.array(moved)


sizes_at_start = {corrected: first_steps(corrected) for corrected in (True, False)}
t = np.arange(1, len(sizes_at_start[True]) + 1)
constant = (1 - 0.9**t) / np.sqrt(1 - 0.999**t)
fig, ax = plt.subplots()
ax.plot(t, sizes_at_start[True], label="with correction")
ax.plot(t, sizes_at_start[False], label="without")
ax.plot(
    t, constant, color="#555555", linestyle="-", linewidth=0.8, label="without, constant gradient"
)
ax.set(
    xscale="log", yscale="log", xlabel="training step", ylabel=r"mean $|\Delta w|$ / learning rate"
)
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# The dashed curve falls below the other once its network has learned the task, which it does earlier at this small rate.

# %% tags=["paste:bias_numbers"]
Markdown(
    f"The first corrected step is {sizes_at_start[True][0]:.2f} learning rates in the mean over all weights; without correction it is {sizes_at_start[False][0]:.2f}, "
    f"and the largest is {sizes_at_start[False].max():.1f} at step {sizes_at_start[False].argmax() + 1}. "
    f"In a constant gradient the largest would be {constant.max():.1f} at step {constant.argmax() + 1}."
)


# %% tags=["paste:bias_runs"]
def last_loss(lr, corrected, seed, steps):
    """Mean loss of Adam's last 20 steps."""
    model = small_rnn(seed)
    moves = optim.Adam(model.parameters(), lr=lr, bias_correction=corrected)
    history = training.train(
        model, Palindromes(seed), training.classification_loss, moves, steps, clip_norm=1.0
    )
    return float(np.mean(history.loss[-20:]))


bias_rates = (0.01,) if FAST else (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
ends = {
    (lr, corrected): [last_loss(lr, corrected, s, 30 if FAST else 200) for s in SEEDS]
    for lr in bias_rates
    for corrected in (True, False)
}
figures.table(
    ["learning rate", "with correction", "without"],
    [
        [
            lr,
            *(" and ".join(f"{e:.3f}" for e in ends[lr, corrected]) for corrected in (True, False)),
        ]
        for lr in bias_rates
    ],
)

# %% [markdown]
# Loss after 200 steps, one number a seed.
# Without the correction small rates do better and large ones worse: the first steps are several times longer, as if the rate were.
# The range of rates that work is about as wide, and lies lower.
# So here the correction does not make Adam learn better.
# In a constant gradient it makes every step one learning rate long, the first as the thousandth.
#
# ## AdamW: the same decay for all
#
# 300 weights start at 1 and get random gradients with mean zero.
# For a third of them the gradients have standard deviation 0.1, for a third 1, for a third 10.
# Nothing pulls on them but the decay, $\lambda = 0.1$, with learning rate 0.01.

# %% mystnb={"image": {"alt": "Two panels of mean weight against step, from 1 at the start, three curves each for gradients of size 0.1, 1 and 10. Left, Adam with an L2 penalty: with gradients of size 0.1 the weights fall to near zero within a few hundred steps, with size 1 slowly, with size 10 by a fifth. Right, AdamW: all three fall together along the predicted curve."}} tags=["paste:decay"]
deviation = torch.tensor([0.1, 1.0, 10.0]).repeat_interleave(100)
decay_steps, decayed = 300 if FAST else 2000, {}
for kind in (optim.Adam, optim.AdamW):
    w, generator = torch.ones(300, requires_grad=True), torch.Generator().manual_seed(0)
    moves, means = kind([w], lr=0.01, weight_decay=0.1), []
    for _ in range(decay_steps):
        w.grad = deviation * torch.randn(300, generator=generator)
        moves.step()
        means.append(w.detach().view(3, 100).mean(dim=1))
    decayed[kind.__name__] = torch.stack(means)  # (steps, 3)
fig, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True)
t = np.arange(1, decay_steps + 1)
for ax, (name, means) in zip(axes, decayed.items(), strict=True):
    for k, size in enumerate((0.1, 1, 10)):
        ax.plot(t, means[:, k], label=f"gradients of size {size}")
    ax.plot(
        t,
        (1 - 0.01 * 0.1) ** t,
        color="#555555",
        linestyle="-",
        linewidth=0.8,
        label=r"$(1 - \eta\lambda)^t$",
    )
    ax.set(xlabel="step", title={"Adam": "Adam with an L2 penalty", "AdamW": "AdamW"}[name])
    ax.title.set_fontsize(10)
axes[0].set_ylabel("mean weight")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
plt.show()

# %% tags=["paste:decay_numbers"]
Markdown(
    f"After {decay_steps:,} steps the mean weights are "
    + ", ".join(f"{v:.2f}" for v in decayed["Adam"][-1].tolist())
    + " with Adam (gradients of size 0.1, 1, 10) and "
    + ", ".join(f"{v:.2f}" for v in decayed["AdamW"][-1].tolist())
    + f" with AdamW; $(1 - \\eta\\lambda)^t$ is {(1 - 0.001) ** decay_steps:.2f}."
)

# %% [markdown]
# ## Where $\varepsilon$ stands
#
# Torch's documentation gives a formula for each method.
# We find the place by one step with $g = 1$ and $\varepsilon = 1$: outside the root the step is divided by $\sqrt v + 1$, inside by $\sqrt{v + 1}$.


# %% tags=["paste:eps_place", "nbval-check-output"]
def eps_place(kind, v, numerator=1.0, **settings):
    """Where one step of torch's method has its ε: the root's argument is v after this step."""
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    w.grad = torch.ones_like(w)
    kind([w], lr=1.0, eps=1.0, **settings).step()
    forms = {
        "outside the root": numerator / (math.sqrt(v) + 1),
        "inside the root": numerator / math.sqrt(v + 1),
    }
    return next(
        (name for name, size in forms.items() if abs(-w.item() - size) < 1e-12), "elsewhere"
    )


places = [
    ["Adagrad", eps_place(torch.optim.Adagrad, 1.0)],
    ["RMSprop", eps_place(torch.optim.RMSprop, 0.01)],
    ["RMSprop, centred", eps_place(torch.optim.RMSprop, 0.01 - 0.01**2, centered=True)],
    ["Adadelta", eps_place(torch.optim.Adadelta, 0.1)],
    ["Adam", eps_place(torch.optim.Adam, 1.0)],
    ["Adam, AMSGrad", eps_place(torch.optim.Adam, 1.0, amsgrad=True)],
    ["AdamW", eps_place(torch.optim.AdamW, 1.0, weight_decay=0)],
]
figures.table(["method in torch", "$\\varepsilon$ stands"], places)

# %% [markdown]
# ### A real mistake: a bracket
#
# The TensorFlow tab of a well-known book's section on Adam divides by `tf.math.sqrt(s_bias_corr) + eps` without brackets around the sum.
# Python divides first and then adds: $\varepsilon$ lands on the weight ([pull request 2691](https://github.com/d2l-ai/d2l-en/pull/2691) of that book).
# We write Adam once, with a switch for this mistake and for others that follow below.


# %%
class Mistaken(optim.Adam):
    """Adam with one of several mistakes."""

    mistake = "none"

    def update(self, w, g, state, group):
        (beta1, beta2), eps, mistake = group["betas"], group["eps"], self.mistake
        t = count(state)
        self.shared = getattr(self, "shared", 0) + 1
        if mistake == "t counts weights":
            t = self.shared
        if mistake == "t stands still":
            t = 1
        m, v = buffer(state, "exp_avg", w), buffer(state, "exp_avg_sq", w)
        m.lerp_(g, 1 - beta1)
        v.lerp_(g**2, 1 - beta2)
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        if mistake == "no correction":
            m_hat, v_hat = m, v
        if mistake == "no brackets":
            w.copy_(w - group["lr"] * m_hat / torch.sqrt(v_hat) + eps)
        elif mistake == "inside the root":
            w.sub_(group["lr"] * m_hat / torch.sqrt(v_hat + eps))
        else:
            w.sub_(group["lr"] * m_hat / (torch.sqrt(v_hat) + eps))


def mistaken(mistake):
    return type("Mistaken", (Mistaken,), {"mistake": mistake})


# %% [markdown]
# First a linear regression, as in that book, in which every weight always has a gradient.
# Then a weight whose gradient is zero after the first step, and a network that reads one-hot digits of which one never comes.


# %% tags=["paste:brackets"]
def regression(kind, steps):
    """Loss at the end of a linear regression with five inputs."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, 5, generator=generator, dtype=torch.float64)
    y = x @ torch.arange(5.0, dtype=torch.float64) + 0.5 * torch.randn(
        500, generator=generator, dtype=torch.float64
    )
    w = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    moves = kind([w], lr=0.01, eps=1e-6)
    for _ in range(steps):
        moves.zero_grad()
        ((x @ w - y) ** 2).mean().backward()
        moves.step()
    return ((x @ w - y) ** 2).mean().item()


def idle_weight(kind, steps):
    """Where a weight is whose gradient is 1 once and zero from then on."""
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    moves = kind([w], lr=0.01, eps=1e-6)
    for t in range(steps):
        w.grad = torch.full_like(w, float(t == 0))
        moves.step()
    return w.item()


def digit_that_never_comes(kind):
    """Weights that are NaN after one step of a network that never reads a nine."""
    model = small_rnn(0)
    x, y = tasks.palindromes(10, 64, torch.Generator().manual_seed(0), one_hot=True)
    seen = x[:, :, 9].sum(dim=1) == 0  # palindromes without a nine
    loss, _ = training.classification_loss(model, (x[seen], y[seen]))
    loss.backward()
    kind(model.parameters(), lr=0.01, eps=1e-6).step()
    broken = int(flat(model.parameters()).isnan().sum())
    after, _ = training.classification_loss(model, (x[seen], y[seen]))
    return broken, after.item()


many = 200 if FAST else 2000
with_brackets, without = mistaken("none"), mistaken("no brackets")
fit = [regression(kind, many) for kind in (with_brackets, without)]
drift = idle_weight(without, many) - idle_weight(with_brackets, many)
nan = [digit_that_never_comes(kind) for kind in (with_brackets, without)]
figures.table(
    ["", "with brackets", "without"],
    [
        [f"linear regression, loss after {many:,} steps", *(f"{loss:.6f}" for loss in fit)],
        [
            "drift of an idle weight, in $\\varepsilon$ a step",
            "0.00",
            f"{drift / (many * 1e-6):.2f}",
        ],
        ["NaN among the weights of a digit that never comes", *(str(broken) for broken, _ in nan)],
        ["loss after that step", *(f"{loss:.3f}" for _, loss in nan)],
    ],
)

# %% [markdown]
# In a linear regression the mistake cannot be seen.
# A weight with no gradient drifts up by $\varepsilon$ at each step; a weight that has never had one becomes $0/0$, and with it the whole network, even though its input is zero.
#
# ### Inside or outside
#
# The first step of Adam on a constant gradient, in learning rates, against the gradient's size, $\varepsilon = 10^{-8}$.

# %% mystnb={"image": {"alt": "The first step in learning rates against the size of the gradient from 1e-12 to 1, logarithmic axis. With epsilon outside the root the step is one down to gradients of about 1e-6 and half at 1e-8. Inside the root it is one down to about 1e-3, 0.7 at 1e-4, and proportional to the gradient below."}} tags=["paste:eps_size"]
gradients = np.logspace(-12, 0, 61)
w0 = torch.zeros(len(gradients), dtype=torch.float64)
fig, ax = plt.subplots()
first_step = {}
for label, kind in {
    "outside: $\\sqrt{v} + \\varepsilon$": with_brackets,
    "inside: $\\sqrt{v + \\varepsilon}$": mistaken("inside the root"),
}.items():
    w = w0.clone().requires_grad_()
    w.grad = torch.tensor(gradients)
    kind([w], lr=1.0).step()
    first_step[label] = -w.detach().numpy()
    ax.plot(gradients, first_step[label], label=label)
ax.set(xscale="log", xlabel="size of the gradient", ylabel="first step / learning rate")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %%
model = small_rnn(0)
moves = optim.Adam(model.parameters(), lr=0.003)
history = training.train(
    model, Palindromes(0), training.classification_loss, moves, 30 if FAST else 300, clip_norm=1.0
)
steps_done = history.steps
v = torch.cat(
    [(moves.state[w]["exp_avg_sq"] / (1 - 0.999**steps_done)).flatten() for w in model.parameters()]
)
apart_eps = {
    eps: race(mistaken("inside the root"), torch.optim.Adam, lr=0.003, eps=eps)[0]
    for eps in (1e-8, 1e-6)
}
ratio = ((v.sqrt() + 1e-8) / (v + 1e-8).sqrt()).numpy()
Markdown(
    f"In an RNN trained on palindromes for {steps_done} steps, $\\sqrt{{\\hat v}}$ has a median of {v.sqrt().median():.0e} and lies between {v.sqrt().quantile(0.01):.0e} and {v.sqrt().quantile(0.99):.0e} in 98 % of the weights. "
    f"There $\\varepsilon = 10^{{-8}}$ inside the root would shorten the steps by {100 * (1 - np.median(ratio)):.1g} % in the median and by {100 * (1 - ratio.min()):.2g} % at most."
)

# %% [markdown]
# The same number means two things: outside, $\varepsilon$ is compared with the gradient; inside, with its square.
# In this network the gradients are large enough that it would hardly matter.
# A larger $\varepsilon$, or a loss divided by a large number, would change that.
#
# ## Paths on five surfaces
#
# `rnnlib.surfaces` has five losses of two weights: the ravine; the same ravine turned by 37 degrees; a saddle between two minima, started almost on the line that leads into it; a basin in a wide plain; and a bent valley (Rosenbrock's function).
# Each method runs for 100 steps at its own best rate, which a sweep has found.

# %% mystnb={"image": {"alt": "Ten maps, five surfaces by two groups of methods, each with paths of 100 steps from one start. Ravine: SGD falls to the floor and moves along it, momentum swings across it, Adadelta, RMSprop and Adam go to the minimum on a curve, Adam only nearly. Turned ravine: Adagrad, Adadelta and RMSprop now follow the floor slowly, as SGD does. Saddle: SGD, momentum and Nesterov first run to the middle and then out, Adagrad and the later methods leave at once. Plateau: all go straight to the basin, and SGD jumps past it. Bent valley: no path reaches the minimum; those of momentum and Nesterov come nearest along the floor."}} tags=["paste:paths"]
fig, axes = plt.subplots(
    len(surfaces.SURFACES), 2, figsize=(5.6, 12.5), dpi=90, sharex=True, sharey=True
)
grid = torch.linspace(*surfaces.WINDOW, 161)
w = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), dim=-1)  # (161, 161, 2)
lowest = {}
for row, (surface, view) in zip(axes, surfaces.SURFACES.items(), strict=True):
    heights = torch.log(view.loss(w) + 1e-3)
    for ax, names in zip(row, (list(surfaces.METHODS)[:4], list(surfaces.METHODS)[4:]), strict=True):
        ax.contour(grid, grid, heights, levels=12, colors="#bbbbbb", linewidths=0.6, linestyles="-")
        for name, marker in zip(names, "osD^", strict=False):
            kind, settings = surfaces.METHODS[name]
            path = surfaces.descend(
                view.loss, kind, view.start, 100, lr=surfaces.RATES[surface][name], **settings
            )
            lowest[surface, name] = view.loss(path[-10:]).max().item()
            ax.plot(*path.T, linewidth=1.2, marker=marker, ms=2.5, markevery=5, label=name)
        ax.plot(*view.start, "o", color="black", fillstyle="none")
        for minimum in view.minima:
            ax.plot(*minimum, "*", color="black", markersize=9)
        ax.set(xlim=surfaces.WINDOW, ylim=surfaces.WINDOW, aspect="equal")
        ax.grid(False)
    row[0].set_ylabel(f"{surface}: weight $w_2$")
for ax in axes[-1]:
    ax.set_xlabel("weight $w_1$")
for ax in axes[0]:
    ax.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
plt.show()


# %% tags=["paste:paths_table"]
def printed(loss):
    return "below 1e-16" if loss < 1e-16 else f"{loss:.0e}"


figures.table(
    ["method", *surfaces.SURFACES],
    [
        [name, *(printed(lowest[surface, name]) for surface in surfaces.SURFACES)]
        for name in surfaces.METHODS
    ],
)


# %%
def first_step(surface, name, reached, steps=20 if FAST else 300):
    """The first step at which ``reached(loss, path)`` holds, on 300 steps of a path."""
    view, (kind, settings) = surfaces.SURFACES[surface], surfaces.METHODS[name]
    path = surfaces.descend(
        view.loss, kind, view.start, steps, lr=surfaces.RATES[surface][name], **settings
    )
    found = reached(view.loss(path), path).nonzero()
    return int(found[0]) if len(found) else f"not in {steps}"


def low(loss, path):
    return loss < 0.01


def left(loss, path):
    return path[:, 1].abs() > 0.5


figures.table(
    [
        "method",
        "ravine: loss below 0.01",
        "rotated: loss below 0.01",
        "saddle: $\\lvert w_2 \\rvert > 0.5$",
    ],
    [
        [
            name,
            first_step("ravine", name, low),
            first_step("rotated", name, low),
            first_step("saddle", name, left),
        ]
        for name in surfaces.METHODS
    ],
)

# %% [markdown]
# The first table has the largest loss of the last ten steps, the second the first step at which something is reached.
#
# On the ravine the methods with a rate for each weight have two separate problems of one dimension, each with its own rate; Adagrad, Adadelta and RMSprop reach the minimum; Adam does not, and ends near momentum.
# The second surface is the same ravine, turned.
# SGD, momentum and Nesterov end as high as before: they only add up gradients, and turn with the surface.
# Adagrad, Adadelta and RMSprop lose all that they had gained and end about as high as plain SGD, for now neither weight alone is the steep one.
# Adam, which has momentum too, ends about as high as before, but needs more steps to get there.
#
# At the saddle the gradient along the way out is tiny at first, and it is the methods that divide by its size which leave at once.
# On the plain every gradient is tiny: plain SGD with a small rate does not arrive, and with a large one it jumps over the basin, which is how its best path ends.
# In the bent valley the way turns all the time; momentum and Nesterov get furthest, and Adam third.
# That is partly the rule's doing, which admits no rate whose path leaves the map.
# Adagrad and RMSprop at a higher rate, the largest loss of the last ten steps:

# %%
valley = surfaces.SURFACES["valley"]


def ends(name, factor):
    """Largest loss of the last ten steps in the valley, at a multiple of the best rate."""
    kind, settings = surfaces.METHODS[name]
    lr = factor * surfaces.RATES["valley"][name]
    return valley.loss(surfaces.descend(valley.loss, kind, valley.start, 100, lr=lr, **settings)[-10:]).max().item()


figures.table(
    ["times the best rate", "Adagrad", "RMSprop"],
    [[f"{factor:g}", *(f"{ends(name, factor):.2g}" for name in ("Adagrad", "RMSprop"))] for factor in (1, 1.5, 2)],
)

# %% [markdown]
# These are five pictures in two dimensions, without noise and each from one start.
# They show what the parts of a method do, not which method is best for a network.
#
# Try it: choose a surface, move the start with the mouse, by touch or with the arrow keys, and change the rates.

# %%
interactive.optimizer_paths()

# %% [markdown]
# ### Live: a surface of your own
#
# *For Jupyter, VS Code or Colab; the knobs are ipywidgets.*
#
# Write a loss of `w1` and `w2`, such as `w1**2 + 10 * w2**2` or `cos(3 * w1) + w2**4`, choose a method and a rate, and see where it goes.
# `sin`, `cos`, `exp`, `log`, `sqrt`, `tanh` and `abs` are there.
# A power is written with two stars, as `w1**2`.
# A field acts when Enter is pressed.
# Can you write one on which SGD at its best rate ends lower than Adam at its best?

# %% mystnb={"image": {"alt": "Left, a map of the loss with two hollows and a dent at the left edge. From the start at (-1.5, 1), marked by a circle, the path of momentum swings into the dent and stays there. Right, the loss against the step: it falls with some ripples and levels off at 2.4."}} tags=["live"]
from rnnlib import live

NAMED = ("sin", "cos", "exp", "log", "sqrt", "tanh", "abs")
FUNCTIONS = {name: getattr(torch, name) for name in NAMED}


def surface(formula):
    """The loss that a formula of w1 and w2 stands for: w (..., 2) -> (...)."""
    def loss(w):
        w1, w2 = w[..., 0], w[..., 1]
        names = FUNCTIONS | {"w1": w1, "w2": w2, "pi": math.pi, "__builtins__": {}}
        try:
            return eval(formula, names) + 0 * w1  # a plain number becomes a level surface
        except Exception as error:
            raise ValueError(f"The formula {formula!r} cannot be used: {error}.") from None
    return loss


def walk(
    formula="w1**2 + 3 * w2**2 + sin(4 * w1)", method="momentum", rate=0.02, steps=100, w1=-1.5, w2=1.0
):
    """Left a map of the loss with the path from its start, a circle; right the loss against the step."""
    loss, (kind, settings) = surface(formula), METHODS[method]
    path = surfaces.descend(loss, kind, (w1, w2), steps, lr=rate, **settings)
    values = loss(path)
    if surfaces.ran_away(path):
        print("The path has run away: a weight is beyond 1000.")
    print(f"loss {values[0]:.4f} at the start, {values[-1]:.4f} after {steps} steps of {method}")
    print(f"the path ends at ({path[-1, 0]:.3f}, {path[-1, 1]:.3f})")
    grid = torch.linspace(*surfaces.WINDOW, 81)
    over, up = torch.meshgrid(grid, grid, indexing="xy")
    fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
    heights = loss(torch.stack([over, up], dim=-1))
    left.contour(over, up, heights, levels=15, colors="#999999", linewidths=0.7, linestyles="-")
    left.plot(*path.T, marker=".", ms=3, linewidth=1)
    left.plot(*path[0], "o", color="black", fillstyle="none")
    left.set(xlabel="$w_1$", ylabel="$w_2$", xlim=surfaces.WINDOW, ylim=surfaces.WINDOW)
    right.plot(values)
    right.set(xlabel="step", ylabel="loss")
    return fig


panel = live.interact(
    walk, formula="w1**2 + 3 * w2**2 + sin(4 * w1)", method=list(METHODS),
    rate=[0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0],
    steps=(0, 300), w1=(-2.0, 2.0, 0.1), w2=(-2.0, 2.0, 0.1),
)

# %% [markdown]
# ## Mistakes people make
#
# ### The gradients are not set to zero
#
# Torch adds each new gradient to `w.grad`.
# Without `zero_grad` plain SGD then steps by the sum of all gradients so far, which is momentum with $\mu = 1$: a ball without friction.


# %% tags=["paste:zero_grad"]
def loop(zero, steps, **settings):
    """Accuracy over the last 20 steps, and the weights at the end, with or without zero_grad."""
    model, source, accuracy = small_rnn(0).double(), Palindromes(0), []
    moves = optim.SGD(model.parameters(), **settings)
    for _ in range(steps):
        x, y = next(source)
        if zero:
            moves.zero_grad()
        loss, metrics = training.classification_loss(model, (x.double(), y))
        loss.backward()
        moves.step()
        accuracy.append(metrics["accuracy"])
    return float(np.mean(accuracy[-20:])), flat(model.parameters())


many = 40 if FAST else 200
right, forgotten, frictionless = (
    loop(True, many, lr=0.3), loop(False, many, lr=0.3), loop(True, many, lr=0.3, momentum=1.0)
)
same = check.relative_error(loop(False, 20, lr=0.01)[1], loop(True, 20, lr=0.01, momentum=1.0)[1])
Markdown(
    f"After {many} steps the accuracy is {right[0]:.2f} with `zero_grad` and {forgotten[0]:.2f} without; with $\\mu = 1$ it is {frictionless[0]:.2f}. "
    f"Over 20 steps, forgetting and $\\mu = 1$ give the same weights: {'yes' if same < 1e-12 else 'no'} (below 1e-12)."
)

# %% [markdown]
# The check: before the step, `w.grad` equals what `torch.autograd.grad` gives for this batch alone.

# %% tags=["nbval-check-output"]
for zero in (True, False):
    model, source = small_rnn(0).double(), Palindromes(0)
    passed = True
    for _ in range(3):
        x, y = next(source)
        if zero:
            model.zero_grad()
        training.classification_loss(model, (x.double(), y))[0].backward()
        alone = torch.autograd.grad(
            training.classification_loss(model, (x.double(), y))[0], list(model.parameters())
        )
        passed &= all(
            check.relative_error(w.grad, g) < 1e-12
            for w, g in zip(model.parameters(), alone, strict=True)
        )
    print(
        f"zero_grad {'called' if zero else 'forgotten'}: w.grad is the batch's gradient: {passed}"
    )

# %% [markdown]
# ### The step number
#
# One counter for all weights, increased inside the loop over the weights, runs as many times too fast as there are weight tensors.
# A counter that is never increased is the opposite mistake.
# In a constant gradient every step of Adam should be one learning rate long.
# A network of five weight tensors:


# %% tags=["paste:step_number"]
def constant_gradient(kind, steps):
    """Length of the step of each of five weights, in learning rates, at each step."""
    weights = [torch.zeros(1, dtype=torch.float64, requires_grad=True) for _ in range(5)]
    moves, lengths = kind(weights, lr=0.001), []
    for _ in range(steps):
        before = [w.item() for w in weights]
        for w in weights:
            w.grad = torch.ones_like(w)
        moves.step()
        lengths.append([(b - w.item()) / 0.001 for b, w in zip(before, weights, strict=True)])
    return np.array(lengths)


rows = []
shown = (1, 2, 10, 100, 1000)
for mistake in ("none", "t counts weights", "t stands still", "no correction"):
    lengths = constant_gradient(mistaken(mistake), shown[-1])
    cells = [lengths[t - 1] for t in shown]
    rows.append(
        [
            mistake,
            *(f"{c.min():.2f}" + (f" to {c.max():.2f}" if np.ptp(c) > 0.01 else "") for c in cells),
        ]
    )
figures.table(["mistake", *(f"step {t}" for t in shown)], rows)

# %% [markdown]
# None of these raises an error, and that is why they last.
# The check for all of them is the race against torch.
# It needs more than one weight tensor, several steps, a weight without a gradient, and double precision.

# %% tags=["paste:race", "nbval-check-output"]
verdicts = []
for mistake in (
    "none",
    "no brackets",
    "inside the root",
    "no correction",
    "t counts weights",
    "t stands still",
):
    for steps in (1, 10):
        verdicts.append(
            [
                mistake,
                steps,
                "passes"
                if race(mistaken(mistake), torch.optim.Adam, steps, lr=0.01)[0] < 1e-12
                else "fails",
            ]
        )
rows = [
    [m, *(v for name, _, v in verdicts if name == m)]
    for m in dict.fromkeys(m for m, *_ in verdicts)
]
figures.table(["mistake", "race of 1 step", "race of 10 steps"], rows)

# %% [markdown]
# ### A penalty taken for decay
#
# `weight_decay` in `Adam` is an L2 penalty, in `AdamW` it is decay; the figure above shows how far they are apart.
# With plain SGD there is no difference, which is where the confusion comes from.


# %% tags=["nbval-check-output"]
def decay_by_hand(kind, settings, lr=0.01, weight_decay=0.1):
    """Whether 10 steps with weight_decay equal 10 steps of the method and w ← (1 - ηλ) w before."""
    net, twin = Net(), Net()
    ours = kind(net.parameters(), lr=lr, weight_decay=weight_decay, **settings)
    without = kind(twin.parameters(), lr=lr, weight_decay=0, **settings)
    for t in range(10):
        net.backward(t)
        ours.step()
        twin.backward(t)
        with torch.no_grad():
            for w in twin.parameters():
                w.mul_(1 - lr * weight_decay)
        without.step()
    return check.relative_error(flat(net.parameters()), flat(twin.parameters())) < 1e-12


for name in ("SGD", "momentum", "Adam", "AdamW"):
    print(f"{name:9} weight_decay is decay: {decay_by_hand(*METHODS[name])}")

# %% [markdown]
# ## Exercises
#
# Each exercise has a cell with a check, which needs the imports at the top and nothing else.
# Until you answer, it says so.
# What *easy*, *medium* and *hard* mean stands on the [first page](../book/index.md), under *Exercises*.
#
# ### Exercise 1: write Adam
#
# *Medium · 15 minutes · with a check*
#
# Complete one step of Adam for NumPy arrays: `w`, the gradient `g`, the running means `m` and `v` of the steps before, all of one shape, and the number `t` of this step, from 1.
# Return `(w, m, v)` after the step.
#
# <details>
# <summary>Hint 1</summary>
#
# The order is: both running means, their corrections, then the step.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Return the running means as they are; the corrected ones are used in this step only.
# $\varepsilon$ is added outside the root.
#
# </details>


# %% tags=["exercise-1"]
def adam_step(w, g, m, v, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    return None  # your answer


def path(step, w, gradients):
    """The weights after each step, or None."""
    m, v, seen = np.zeros_like(w), np.zeros_like(w), []
    for t, g in enumerate(gradients, start=1):
        after = step(w, g, m, v, t)
        if after is None:
            return None
        w, m, v = after
        seen.append(w)
    return np.stack(seen)


rng = np.random.default_rng(1)
start, gradients = rng.normal(size=4), rng.normal(size=(20, 4)) * [1, 10, 0.1, 1e-6]
w = torch.tensor(start, requires_grad=True)
optimizer, expected = torch.optim.Adam([w]), []
for g in gradients:
    w.grad = torch.tensor(g)
    optimizer.step()
    expected.append(w.detach().numpy() - start)
with np.errstate(all="ignore"):  # a wrong answer may divide by zero
    mine = path(adam_step, start, gradients)
check.answer("20 steps of Adam", None if mine is None else mine - start, expected)

# %% [markdown]
# <details>
# <summary>Solution 1</summary>
#
# ```python
# def adam_step(w, g, m, v, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
#     m = beta1 * m + (1 - beta1) * g
#     v = beta2 * v + (1 - beta2) * g**2
#     m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
#     return w - lr * m_hat / (np.sqrt(v_hat) + eps), m, v
# ```
#
# </details>
#
# ### Exercise 2: the limit with momentum
#
# *Medium · 10 minutes · with a check*
#
# Some write momentum as a mean of gradients, $b_t = \mu\,b_{t-1} + (1 - \mu)\,g_t$ and $w_t = w_{t-1} - \eta\,b_t$.
# On a loss $\frac12\lambda w^2$ this is stable below a learning rate.
# Return this limit; `curvature` is $\lambda$.
#
# <details>
# <summary>Hint 1</summary>
#
# The page gives the limit for momentum as a sum.
# How do the two learning rates belong together?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Or start afresh, and write the method as one recursion for the weights alone.
# Solutions are powers $r^t$.
# As $\eta$ grows, one root reaches the circle $\lvert r \rvert = 1$ first at $r = -1$.
#
# </details>


# %% tags=["exercise-2"]
def momentum_limit(curvature, mu):
    return None  # your answer


def measured_limit(curvature, mu):
    """The limit by bisection: does a step make something longer in the long run?"""
    low, high = 0.0, 100 / curvature
    for _ in range(60):
        lr = (low + high) / 2
        push = lr * (1 - mu) * curvature
        step = [[1 - push, -lr * mu], [(1 - mu) * curvature, mu]]  # acts on (w_t, b_t)
        stable = np.abs(np.linalg.eigvals(step)).max() <= 1
        low, high = (lr, high) if stable else (low, lr)
    return low


cases = [(37.0, 0.13), (100.0, 0.5), (4.6, 0.9), (0.8, 0.31)]
limits = [measured_limit(*case) for case in cases]
check.answer("limits", [momentum_limit(*case) for case in cases], limits)

# %% [markdown]
# <details>
# <summary>Solution 2</summary>
#
# ```python
# def momentum_limit(curvature, mu):
#     return 2 * (1 + mu) / ((1 - mu) * curvature)
# ```
#
# The mean is $1 - \mu$ times the sum, so the limit is $1/(1 - \mu)$ times the page's.
# Without the page: the recursion is $w_{t+1} = (1 + \mu - (1 - \mu)\,\eta\lambda)\,w_t - \mu\,w_{t-1}$.
# With $w_t = (-1)^t$ it says $-1 = (1 + \mu - (1 - \mu)\,\eta\lambda) + \mu$.
#
# </details>
#
# ### Exercise 3: how long the correction matters
#
# *Easy · 10 minutes · with a check*
#
# A running mean that starts at zero is too small by the share $\beta^t$ after $t$ steps, if what it averages stays the same.
# Return the first step $t$ at which it is off by at most the share `off`.
#
# <details>
# <summary>Hint 1</summary>
#
# Solve $\beta^t = \text{off}$ for $t$.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Take logarithms; both are negative.
# The first whole number that is large enough is asked for.
#
# </details>


# %% tags=["exercise-3"]
def unbiased_after(beta, off):
    return None  # your answer


cases = [(0.9, 0.013), (0.973, 0.2), (0.999, 0.01), (0.62, 0.004)]
counted = []
for beta, off in cases:
    t, left = 0, 1.0
    while left > off:
        t, left = t + 1, left * beta
    counted.append(t)
check.answer("steps", [unbiased_after(*case) for case in cases], counted)

# %% [markdown]
# <details>
# <summary>Solution 3</summary>
#
# ```python
# def unbiased_after(beta, off):
#     return math.ceil(math.log(off) / math.log(beta))
# ```
#
# With $\beta_2 = 0.999$ and one percent it takes thousands of steps: without the correction, $v$ is too small and the steps are too long during all of a short training.
#
# </details>
