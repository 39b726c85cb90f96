# %% [markdown]
# # Sequences: run it
#
# This notebook goes with the page [Sequences, notation, tasks](../book/sequences.md).
# You will make palindromes, see which networks can read them and which cannot, and check that an unrolled network is a deep network with shared weights.
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
from torch import nn

from rnnlib import check, figures, layers, models, tasks, training

FAST = os.environ.get("RNNLIB_FAST") == "1"  # small sizes, for tests
figures.use_style()

# %% [markdown]
# ## The task
#
# A palindrome reads the same from both ends: 303, 4224, 175282571.
# Show a network all digits but the last, and ask for the last.
# It equals the first digit, so the network has to keep that digit in mind while all the others go by.
#
# `rnnlib.tasks.palindromes(T, N, generator)` draws `N` palindromes of `T` digits.
# The input `x` has shape `(N, T-1, 1)`, and the label `y` has shape `(N,)`.

# %% tags=["nbval-check-output"]
x, y = tasks.palindromes(T=9, N=4, generator=torch.Generator().manual_seed(1))
print("x", tuple(x.shape), "y", tuple(y.shape))
for digits, label in zip(x[:, :, 0].int().tolist(), y.tolist(), strict=True):
    print("read", *digits, "-> answer", label)

# %% [markdown]
# ## The problem: who can read a number of any length?
#
# Four readers get the same task.
#
# - **Bag**: counts how often each digit occurs and forgets the order; a hidden layer reads the counts.
# - **Window**: a hidden layer reads the last three digits.
# - **Whole window**: a hidden layer reads all $T-1$ digits at once.
# - **RNN**: reads one digit after the other with one set of weights; [the chapter on the vanilla RNN](../book/vanilla_rnn.md) derives it.
#
# All of them see digits as one-hot vectors, have 128 hidden units, and are trained with Adam for a fixed number of steps: the RNN for 800 steps with learning rate $10^{-3}$, the others for 2,400 with $3 \cdot 10^{-3}$.
# We run each on palindromes of 9 and of 10 digits, with three seeds.
#
# Three words of the code below come from later chapters.
# ReLU, $\max(a, 0)$ entry by entry, is the nonlinearity of the hidden layer, without which its two matrices would be one.
# Adam makes a step of the weights out of a gradient; [the chapter on optimizers](../book/optimizers.md) derives it.
# `clip_norm=1.0` shortens a gradient that is longer than 1 to length 1, since a recurrent network's can be huge now and then; [the chapter on gradients](../book/gradients.md) shows why.


# %%
class Reader(nn.Module):
    """A hidden layer over features of the whole sequence: x (N, T-1, 10) -> logits (N, 10)."""

    def __init__(self, features, inputs):
        super().__init__()
        self.features = features
        self.net = nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 10))

    def forward(self, x):
        return self.net(self.features(x))


def make(kind, T, seed):
    torch.manual_seed(seed)
    if kind == "bag":
        return Reader(lambda x: x.sum(dim=1), 10)  # counts (N, 10)
    if kind == "window":
        return Reader(lambda x: x[:, -3:].flatten(1), 30)  # the last three digits (N, 30)
    if kind == "whole window":
        return Reader(lambda x: x.flatten(1), 10 * (T - 1))  # all digits (N, 10(T-1))
    return models.Classifier(layers.RNN(10, 128), 10)


def accuracy(model, T, seed):
    fresh = tasks.palindromes(T, 2000, torch.Generator().manual_seed(seed), one_hot=True)
    return training.accuracy(model, fresh)


def fit(kind, T, seed):
    steps, lr = (800, 1e-3) if kind == "RNN" else (2400, 3e-3)
    model = make(kind, T, seed)
    source = tasks.PalindromeBatches(T, 128, seed=100 + seed, one_hot=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    steps = 100 if FAST else steps
    training.train(model, source, training.classification_loss, optimizer, steps, clip_norm=1.0)
    return model


KINDS = ["bag", "window", "whole window", "RNN"]
SEEDS = range(1 if FAST else 3)
trained = {(k, T, s): fit(k, T, s) for k in KINDS for T in (9, 10) for s in SEEDS}
scores = {key: accuracy(model, key[1], 10_000 + key[2]) for key, model in trained.items()}

# %% mystnb={"image": {"alt": "Bar chart of test accuracy for four readers at palindrome lengths 9 and 10. The whole window and the RNN are near one at both lengths, the window of three digits stays near chance, and the bag of digits is near one half at length 9 and near one at length 10."}} tags=["paste:readers"]
fig, ax = plt.subplots()
for offset, T, hatch in [(-0.2, 9, ""), (0.2, 10, "//")]:
    runs = np.array([[scores[k, T, s] for s in SEEDS] for k in KINDS])  # (kinds, seeds)
    middle = runs.mean(axis=1)
    spread = [middle - runs.min(axis=1), runs.max(axis=1) - middle]
    ax.bar(
        np.arange(4) + offset, middle, 0.36, yerr=spread, capsize=3, hatch=hatch,
        edgecolor="white", label=f"T = {T}",
    )
ax.axhline(0.1, color="black", linestyle=":", label="chance")
ax.set_xticks(range(4), KINDS)
ax.set(ylim=(0, 1.05), ylabel="accuracy on 2,000 fresh numbers", xlabel="reader")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %%
mean = {(k, T): np.mean([scores[k, T, s] for s in SEEDS]) for k in KINDS for T in (9, 10)}
Markdown(
    f"The bars are means over {len(SEEDS)} seeds, and the thin lines go from the worst seed to the best. "
    f"The window of three digits reaches {mean['window', 9]:.2f} and {mean['window', 10]:.2f}: "
    "the answer lies outside of what it sees, and the digits are independent, so it can only guess. "
    f"The whole window and the RNN reach {mean['whole window', 10]:.2f} and {mean['RNN', 10]:.2f} at 10 digits. "
    f"The bag reaches {mean['bag', 9]:.2f} at 9 digits and {mean['bag', 10]:.2f} at 10."
)

# %% [markdown]
# The bag is the surprise.
# It throws the order away, and yet it does well at the even length.
# The reason is in the numbers, not in the network: digits come in pairs, and the last digit is the one that we cut off.
# With an even number of digits, exactly one digit is left without its partner, and that digit is the answer.
# With an odd number, the digit in the middle has no partner either, so two candidates remain, and the bag is right about half of the time.
# Counting alone can reach 1.00 at even lengths: Exercise 2 asks you to write it down.
# A network may find such a short cut instead of the memory that we wanted to test.
#
# ## What the whole window cannot do
#
# The whole window solves the task as well as the RNN.
# But it has one weight for each position, so it is built for one length: at any other length it cannot even be applied.
# The RNN can.
# Whether it is *right* at other lengths is another question, so we ask it.

# %% mystnb={"image": {"alt": "Accuracy of three RNNs trained at length 10, tested at lengths 2 to 30, one line each. All are at one at length 10 and at or near zero beside it. One of them is at one again at lengths 6, 14, 18 and further on, every four digits; another at 22, and the third nearly so at 20 and half at 29."}} tags=["paste:other_lengths"]
lengths = list(range(2, 31))
fig, ax = plt.subplots()
for s, marker in zip(SEEDS, "os^", strict=False):
    runs = [accuracy(trained["RNN", 10, s], T, 20_000 + s) for T in lengths]
    ax.plot(lengths, runs, marker=marker, markersize=4, linewidth=1.2, label=f"seed {s}")
ax.axhline(0.1, color="black", linestyle=":", label="chance")
ax.set(xlabel="length T of the test numbers (digits)", ylabel="accuracy", ylim=(-0.03, 1.05))
ax.set_xticks(range(2, 31, 4))
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# Shared weights let the network *run* on every length.
# They do not make it *right* there: it was trained to answer after nine digits, and at no other time.
# One digit sooner the best of the three is right about one time in eight; in all other cases, one digit sooner or later, they are right less often than by guessing.
#
# And then they are right again: one of them every four digits, one after twelve, and one to above 0.8 after ten.
# That is too regular for chance, so we look inside.
# The network computes $h_t = \tanh(W_{hx} x_t + W_{hh} h_{t-1} + b_h)$, where $\tanh$ squeezes every number into $(-1, 1)$.
# We take the matrix that makes the next state out of the last, $W_{hh}$, and its largest eigenvalue.
# A complex eigenvalue $r e^{i\varphi}$ turns the state by the angle $\varphi$ at every step.

# %%
rows = []
for s in SEEDS:
    W = trained["RNN", 10, s].rnn.cells[0].W_h.detach()
    values = sorted(torch.linalg.eigvals(W).tolist(), key=abs, reverse=True)
    angle = abs(np.degrees(np.angle(values[0])))
    turn = f"{360 / angle:.1f}" if angle else "none"
    rows.append([s, f"{abs(values[0]):.1f}", f"{abs(values[2]):.1f}", f"{angle:.0f}°", turn])
figures.table(
    ["seed", "size $r$ of the largest pair", "of the next", "angle", "steps for a full turn"], rows
)

# %% [markdown]
# So the memory is a wheel.
# Each network has one pair of large eigenvalues that turns the state, digit by digit, and the readout is made for where the wheel stands after nine digits.
# Where a full turn takes four steps, the wheel is back at $T = 6, 14, 18, \dots$, and the answers are right again.
# The eigenvalue belongs to the network without its $\tanh$, so it gives the time of a turn only roughly: compare the last column with the distance of the peaks.
# [The chapter on the vanilla RNN](../book/vanilla_rnn.md) shows such a wheel from the inside.
# To read all lengths, a network has to be trained on all lengths.

# %%
sizes = {k: sum(w.numel() for w in trained[k, 10, 0].parameters()) for k in KINDS}
longer = sum(w.numel() for w in make("whole window", 100, 0).parameters())
figures.table(
    ["reader", "weights at T = 10", "weights at T = 100"],
    [
        ["whole window", f"{sizes['whole window']:,}", f"{longer:,}"],
        ["RNN", f"{sizes['RNN']:,}", f"{sizes['RNN']:,}"],
    ],
)

# %% [markdown]
# ## Live: your own number
#
# *For Jupyter, VS Code or Colab; the knobs are ipywidgets.*
#
# Type the digits of a number, all but the last, and see what each reader trained on ten digits would answer.
# A field acts when Enter is pressed.
# Then change the order of the digits, the one in the middle, or their count: which readers notice?

# %% mystnb={"image": {"alt": "A row for each reader and a column for each digit from 0 to 9, darker where the reader gives the digit more probability. For 314155141 the bag, the whole window and the RNN are dark at 3, and the window of three digits is grey all over."}} tags=["live"]
from rnnlib import live


def answers(digits="314155141"):
    """The probability of each last digit, from light to dark, a row for each reader."""
    digits = digits.replace(" ", "")
    if not (digits.isascii() and digits.isdecimal() and 3 <= len(digits) <= 100):
        raise ValueError(f"Type 3 to 100 digits and nothing else: {digits!r} is not that.")
    x = torch.nn.functional.one_hot(torch.tensor([[int(d) for d in digits]]), 10).float()
    table = np.full((len(KINDS), 10), np.nan)
    for row, kind in zip(table, KINDS, strict=True):
        if kind == "whole window" and len(digits) != 9:
            print(f"{kind:12} reads nine digits, and these are {len(digits)}")
            continue
        with torch.no_grad():
            row[:] = torch.softmax(trained[kind, 10, 0](x)[0], dim=0).numpy()
        best = np.argsort(-row)[:2]
        print(f"{kind:12} " + ", then ".join(f"{d} ({row[d]:.2f})" for d in best))
    fig, ax = plt.subplots(figsize=(6, 1.9))
    ax.imshow(table, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    ax.set_xticks(range(10))
    ax.set_yticks(range(len(KINDS)), KINDS)
    ax.set(xlabel=f"last digit after {digits if len(digits) < 40 else digits[:39] + '…'}")
    ax.grid(False)
    return fig


panel = live.interact(answers, digits="314155141")

# %% [markdown]
# ## Shapes
#
# Every layer of `rnnlib` keeps one contract.
# The batch comes first: inputs `(N, T, D)`, outputs `(N, T, H)`.
# The state after the last step is `h (L, N, H)` for `L` layers, and the pair `(h, c)` for the LSTM.

# %% tags=["nbval-check-output"]
N, T, D, H, L = 4, 7, 3, 5, 2
x = torch.randn(N, T, D, generator=torch.Generator().manual_seed(0))
for layer in (layers.RNN(D, H, L), layers.GRU(D, H, L), layers.LSTM(D, H, L)):
    outputs, state = layer(x)
    h = layers.hidden(state)
    shapes = tuple(state.shape) if state is h else tuple(tuple(s.shape) for s in state)
    print(f"{type(layer).__name__:4}  outputs {tuple(outputs.shape)}  state {shapes}")
    assert torch.equal(outputs[:, -1], h[-1])  # the top layer's last output is its state

# %% [markdown]
# ## Claim: an unrolled network is a deep network with shared weights
#
# The page says: give every time step its own copy of the weights, differentiate as in any deep network, and add the copies' gradients up.
# The sum is the gradient of the shared weight.
# We build both networks and compare.

# %% tags=["nbval-check-output"]
generator = torch.Generator().manual_seed(2)
N, T, D, H = 3, 6, 2, 4
x = torch.randn(N, T, D, generator=generator, dtype=torch.float64)
cell = layers.RNN(D, H, generator=generator).double().cells[0]

h = layers.unroll(cell, x)[-1]  # one cell, used T times
h.square().sum().backward()

copies = [layers.RNN(D, H).double().cells[0] for _ in range(T)]  # T layers of a deep network
for copy in copies:
    copy.load_state_dict(cell.state_dict())
h_deep = cell.zero_state(N)
for t, copy in enumerate(copies):
    h_deep = copy(x[:, t], h_deep)
h_deep.square().sum().backward()

print("same output:", torch.equal(h, h_deep))
for name, weight in cell.named_parameters():
    total = sum(copy.get_parameter(name).grad for copy in copies)
    error = check.relative_error(weight.grad, total)
    print(f"{name:3}: sum over copies = shared gradient, error below 1e-12: {error < 1e-12}")
    assert error < 1e-12

# %% [markdown]
# ## Claim: the total derivative is not the immediate one
#
# The smallest recurrent network is $h_t = w\,h_{t-1}$.
# After three steps $h_3 = w^3 h_0$, so the total derivative is $\partial h_3/\partial w = 3 w^2 h_0$.
# The immediate derivative $\partial^{+} h_3/\partial w$ treats $h_2$ as a constant: it is $h_2 = w^2 h_0$, a third of it.
# In code, `detach` makes a value a constant.

# %% tags=["nbval-check-output"]
w = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
h = [torch.tensor(1.0, dtype=torch.float64)]
for _ in range(3):
    h.append(w * h[-1])
(total,) = torch.autograd.grad(h[3], w, retain_graph=True)
(immediate,) = torch.autograd.grad(w * h[2].detach(), w)
print(f"total {total:.2f}, immediate {immediate:.2f}")
assert total == 3 * 0.5**2 and immediate == 0.5**2

# %% [markdown]
# ## Mistakes people make
#
# **Time where the batch should be.**
# Many data loaders give `(T, N, D)`.
# A batch-first layer takes it without complaint, since any number is a fine batch size, and mixes time with batch.
#
# **`reshape` where `transpose` was meant.**
# `x.reshape(T, N, D)` has the right shape and the wrong content: it cuts the rows elsewhere and builds new sequences out of pieces of several.
#
# Two properties catch both.
# An output must not depend on later inputs, and no sequence must depend on its neighbours in the batch.


# %% tags=["nbval-check-output"]
def looks_ahead(f, x):
    """True if an output depends on a later input."""
    changed = x.clone()
    changed[:, -1] += 1
    return not torch.equal(f(x)[:, :-1], f(changed)[:, :-1])


def mixes_the_batch(f, x):
    """True if a sequence's outputs depend on another sequence."""
    changed = x.clone()
    changed[0] += 1
    return not torch.equal(f(x)[1:], f(changed)[1:])


rnn = layers.RNN(D, H, generator=torch.Generator().manual_seed(0))
x = torch.randn(5, 6, D, generator=torch.Generator().manual_seed(1))
attempts = {
    "batch first": lambda x: rnn(x)[0],
    "time first": lambda x: rnn(x.transpose(0, 1))[0].transpose(0, 1),
    "reshaped": lambda x: rnn(x.reshape(6, 5, D))[0].reshape(5, 6, H),
}
for name, f in attempts.items():
    print(f"{name:11}  looks ahead: {looks_ahead(f, x)!s:5}  mixes: {mixes_the_batch(f, x)}")

# %% [markdown]
# The second row is the silent one: nothing looks ahead, and still every sequence is stirred into those behind it in the batch.
#
# ## Exercises
#
# Each exercise has a cell with a check, which needs the imports at the top and nothing else.
# Until you answer, it says so.
# What *easy*, *medium* and *hard* mean stands on the [first page](../book/index.md), under *Exercises*.
#
# ### Exercise 1: make a palindrome
#
# *Easy · 5 minutes · with a check*
#
# Complete `mirror(left, T)`: it gets the first $\lceil T/2 \rceil$ digits as a list and returns all $T$ as a list.
#
# <details>
# <summary>Hint 1</summary>
#
# Write a palindrome of 8 digits and one of 9 on paper, and mark which digits are copies.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# There are $\lfloor T/2 \rfloor$ copies, the last one first.
# For odd $T$ the digit in the middle has none.
#
# </details>


# %% tags=["exercise-1"]
def mirror(left, T):
    return None  # your answer


for T in (8, 9):
    x, y = tasks.palindromes(T, 1, torch.Generator().manual_seed(T))
    digits = [int(digit) for digit in [*x.flatten(), y]]
    check.answer(f"{T} digits", mirror(digits[: (T + 1) // 2], T), digits)

# %% [markdown]
# <details>
# <summary>Solution 1</summary>
#
# ```python
# def mirror(left, T):
#     return left + left[: T // 2][::-1]
# ```
#
# </details>
#
# ### Exercise 2: answer without memory
#
# *Medium · 10 minutes · with a check*
#
# Complete `answer_from_counts`.
# It gets the counts of the ten digits among the $T-1$ inputs, `(N, 10)`, for an even $T$, and returns the answers `(N,)`.
#
# <details>
# <summary>Hint 1</summary>
#
# In the whole palindrome every digit has a partner, so how often does each digit occur?
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# One digit is cut off.
# Which count shows it?
#
# </details>


# %% tags=["exercise-2"]
def answer_from_counts(counts):
    return None  # your answer


x, y = tasks.palindromes(12, 1000, torch.Generator().manual_seed(5), one_hot=True)
check.answer("from counts", answer_from_counts(x.sum(dim=1)), y)

# %% [markdown]
# <details>
# <summary>Solution 2</summary>
#
# ```python
# def answer_from_counts(counts):
#     return (counts % 2).argmax(dim=1)  # the only odd count
# ```
#
# Every digit of a palindrome of even length occurs an even number of times.
# Cutting off the last one makes one count odd.
# So the task does not *force* a network to remember the first digit, if the length is even.
# An odd length hides the answer among two digits, and leaves less of a short cut.
#
# </details>
#
# ### Exercise 3: a total derivative by hand
#
# *Easy · 10 minutes · with a check*
#
# Let $h_t = w\,h_{t-1} + x_t$, with a first state $h_0$ that is not zero and does not depend on $w$.
# Write $\partial h_3/\partial w$ as a function of $w$, $h_0$ and $x_1, x_2, x_3$.
#
# <details>
# <summary>Hint 1</summary>
#
# Either write $h_3$ out as a polynomial in $w$, or go step by step with $\partial h_t/\partial w = h_{t-1} + w\,\partial h_{t-1}/\partial w$.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# $h_0$ has three factors $w$ on its way.
# How many have $x_1$, $x_2$ and $x_3$?
#
# </details>


# %% tags=["exercise-3"]
def dh3_dw(w, h0, x1, x2, x3):
    return None  # your answer


w, h0, *x = np.random.default_rng(1).normal(size=(5, 6))  # six cases at once
leaf = torch.tensor(w, requires_grad=True)
h = torch.tensor(h0)
for x_t in x:
    h = leaf * h + torch.tensor(x_t)
h.sum().backward()
check.answer("dh3/dw", dh3_dw(w, h0, *x), leaf.grad)

# %% [markdown]
# <details>
# <summary>Solution 3</summary>
#
# ```python
# def dh3_dw(w, h0, x1, x2, x3):
#     return 3 * w**2 * h0 + 2 * w * x1 + x2
# ```
#
# The immediate derivative is $h_2 = w^2 h_0 + w x_1 + x_2$: it misses two of the three paths along which $w$ works on $h_0$, and one of two for $x_1$.
#
# </details>
