# %% [markdown]
# # Tang poems: run it
#
# This notebook goes with the page [Tang poems, and perplexity told honestly](../book/tang_poems.md).
# You will clean a collection of poems and count what that costs, see that padding changes nothing if it is masked and much if it is not, take one model's perplexity four ways, and let a network write quatrains in a form that it cannot break.
# It runs in about four minutes on one processor core.

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
import itertools
import math
import os
import re

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML, Markdown
from torch.nn.functional import pad

from rnnlib import check, checkpoints, experiments, figures, metrics, paths, poems, prosody, sampling, tasks, text, training
from rnnlib.experiments import tang
from rnnlib.experiments.study import available
from rnnlib.layers import LSTM
from rnnlib.models import RNNLM

FAST = os.environ.get("RNNLIB_FAST") == "1"  # small sizes, for tests
figures.use_style()
torch.set_num_threads(1)


def chinese(poem):
    """A poem as a cell of a table, two lines of verse in each line of it."""
    return '<span lang="zh-Hant">' + "<br>".join(half for half in re.findall("[^。]+。?", poem)) + "</span>"


def in_lines(poem):
    """A quatrain's four lines, with their punctuation."""
    return re.findall("[^，。]+[，。]", poem)


# %% [markdown]
# ## A poem
#
# By Li Bai, in the words of the corpus, with its pronunciation today above each character, and the sense of each line:

# %% tags=["paste:moon"]
MOON = ("牀前看月光，", "疑是地上霜。", "舉頭望山月，", "低頭思故鄉。")
SENSE = ("Before my bed I watch the moonlight;", "I take it for frost upon the ground.", "I raise my head to see the mountain moon,", "and lower it, and think of home.")
figures.verses(MOON, SENSE)

# %% [markdown]
# ## The poems
#
# The complete Tang poems if they can be had, else 160 quatrains that were written for this book; a line says which.
# Tests read the small collection.

# %%
corpus = available("quatrains" if FAST else "tang", "this notebook", "quatrains")
data = tang.load(corpus)
vocabulary, K = data.vocabulary, len(data.vocabulary)
print(f"the corpus is {corpus}: {len(data.train):,} quatrains to train on, {len(data.validation):,} to validate, {len(data.test):,} to test, K = {K:,}")

# %% [markdown]
# ### Cleaning
#
# Each poem is taken out by the first step that applies to it; nothing is repaired.

# %% tags=["paste:cleaning"]
REASONS = {
    "empty": "empty", "brackets": "brackets: notes and titles in the text", "missing": "a missing character, □ and its like",
    "private use": "a character that no font has", "other signs": "other signs than characters and punctuation",
    "short": "shorter than 24 symbols", "long": "longer than 50 symbols", "same": "the same characters as a poem before it", "no quatrain": "no quatrain",
}
counted = experiments.load("tang_counts")["runs"][0]["result"]
left = sum(counted["dropped"].values()) + sum(counted["poems"].values())
rows = [["all poems", "", left]]
for reason, count in counted["dropped"].items():
    left -= count
    rows.append([REASONS[reason], count, left])
figures.table(["", "taken out", "left"], [[name, f"{n:,}" if n != "" else "", f"{rest:,}"] for name, n, rest in rows])

# %%
here = tang.quatrains(corpus)
if corpus == "tang":
    assert here.dropped == counted["dropped"] and left == len(here.poems)
    print("counted here and now, as in the record:", here.dropped == counted["dropped"])

# %% [markdown]
# ### The vocabulary

# %% tags=["paste:vocabulary"]
lost = counted["fall_out"]
Markdown(
    f"The poems to train on have {counted['characters']:,} different symbols, END and punctuation among them. "
    f"The vocabulary keeps {counted['K']:,}, with START and UNK; {lost['characters']:,} characters fall out. "
    f"None of these comes more than {lost['most']} times, {lost['once']:,} come once. "
    f"UNK is {counted['unk']['train']:.2%} of the symbols in training, {counted['unk']['validation']:.2%} in validation and {counted['unk']['test']:.2%} in test."
)

# %% [markdown]
# ### Near-duplicates
#
# Pairs of quatrains whose shingles of three characters have a Jaccard similarity of 0.2 or more.
# Three pairs, the least alike, one in the middle, and the most alike:

# %% tags=["paste:near"]
pairs = sorted(tang.near(corpus), key=lambda pair: pair[2])
some = [pairs[k] for k in (0, len(pairs) // 2, -1)] if pairs else []
figures.table(["J", "one", "the other"], [[f"{J:.2f}", *(chinese(here.poems[n]) for n in (j, k))] for j, k, J in some])

# %% tags=["paste:split"]
near = counted["near"]
names = {"train": "training", "validation": "validation", "test": "test"}
Markdown(
    f"{near['pairs']:,} pairs are near-duplicates, {near['poems']:,} quatrains in {near['groups']:,} groups, the largest of {near['largest']}. "
    + "; ".join(f"{counted['poems'][part]:,} quatrains are for {name} ({counted['forms'][part]['5']:,} of five characters a line, {counted['forms'][part]['7']:,} of seven)" for part, name in names.items())
    + "."
)

# %% tags=["nbval-check-output"]
side = {k: part for part, numbers in enumerate(tang.places(corpus)) for k in numbers}
print("pairs of near-duplicates on two sides of the split:", sum(side[j] != side[k] for j, k, _ in tang.near(corpus)))
alone = {k: part for part, numbers in enumerate(tang.places(corpus, leaking=True)) for k in numbers}
print("every poem is on one side:", sorted(side) == sorted(alone) == list(range(len(here.poems))))

# %% [markdown]
# ### What a leak is worth
#
# The same counting model, twice: near-duplicates kept together, and each poem drawn for itself.

# %% tags=["paste:leak"]
order = 4
honest, leaking = counted["kneser_ney"]["test"], counted["leaking"]
rows = [["near-duplicates kept together", "", f"{math.exp(honest[order - 1]):.1f}"], ["each poem drawn for itself", "100 %", f"{math.exp(leaking['nats']['test'][order - 1]):.1f}"]]
for name, share in (("twins", leaking["share"]), ("others", 1 - leaking["share"])):
    what = {"twins": "of these, those with a near-duplicate in training", "others": "all others"}[name]
    rows.append([what, f"{100 * share:.0f} %", f"{math.exp(leaking['nats'][name][order - 1]):.1f}"])
figures.table(["split", "share of its test poems", "test perplexity, counted 4-gram"], rows)

# %% [markdown]
# ### The yardsticks

# %% tags=["paste:yardsticks"]
rows = [[f"Kneser-Ney, order {n}", *(f"{math.exp(counted['kneser_ney'][part][n - 1]):.1f}" for part in ("validation", "test")), f"{honest[n - 1] / math.log(2):.2f}"] for n in (1, 2, 3, 4, 5)]
rows.append(["xz, after the training poems", "", f"{2 ** counted['xz']['after_train']:.1f}", f"{counted['xz']['after_train']:.2f}"])
rows.append(["xz, the test poems alone", "", f"{2 ** counted['xz']['alone']:.1f}", f"{counted['xz']['alone']:.2f}"])
figures.table(["", "validation perplexity", "test perplexity", "bits a symbol, test"], rows)

# %% [markdown]
# ## Sequences of different lengths
#
# ### Claim: padding changes nothing
#
# Six poems and a small network in double precision.
# Their loss and its gradient, computed three ways: each poem alone, weighted by its length; one batch, padded to the longest; one batch with twenty places more.


# %%
def gradient_of(model, batch, lengths):
    """Loss of padded rows (N, T + 1) with T_n targets each, and all gradients as one vector."""
    loss, _ = model.loss(batch[:, :-1], batch[:, 1:], lengths=lengths)
    parts = torch.autograd.grad(loss, list(model.parameters()))
    return loss.item(), torch.cat([part.flatten() for part in parts])


small = RNNLM(K, LSTM, 8, 12, generator=torch.Generator().manual_seed(0)).double()
six = tang.sequences(data.validation[:6], vocabulary)  # START and END around each
lengths = torch.tensor([len(row) - 1 for row in six])
batch, _ = text.padded(six, fill=vocabulary.end)
alone = [gradient_of(small, row[None], torch.tensor([len(row) - 1])) for row in six]
weights = lengths.double() / lengths.sum()
reference = (sum(w * loss for w, (loss, _) in zip(weights.tolist(), alone, strict=True)), sum(w * g for w, (_, g) in zip(weights, alone, strict=True)))
ways = {"in one batch": gradient_of(small, batch, lengths), "with twenty places more": gradient_of(small, pad(batch, (0, 20), value=vocabulary.end), lengths)}

# %% tags=["paste:padding"]
figures.table(
    ["", "loss, nats", "error of the loss", "error of the gradient"],
    [["each poem alone", f"{reference[0]:.6f}", "", ""]]
    + [[name, f"{loss:.6f}", f"{abs(loss - reference[0]):.0e}", f"{check.relative_error(g, reference[1]):.0e}"] for name, (loss, g) in ways.items()],
)

# %% tags=["nbval-check-output"]
for loss, g in ways.values():
    assert abs(loss - reference[0]) < 1e-12 and check.relative_error(g, reference[1]) < 1e-12
print("padding changes neither the loss nor its gradient, within 1e-12: True")

# %% [markdown]
# ## Four perplexities of one model
#
# From nats $\ell_{n,t}$ and lengths, by `metrics.perplexities`; here made-up nats, and the formulas written out.

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(0)
made, T_n = rng.gamma(4.0, 1.1, size=(200, 50)), rng.integers(20, 34, size=200)
known = np.arange(50) < T_n[:, None]
made *= known  # padding costs nothing
four = metrics.perplexities(torch.tensor(made), torch.tensor(T_n))
written_out = (math.exp(made.mean()), np.exp(made.sum(1) / T_n).mean(), np.exp(made.mean(1)).mean(), math.exp(made.sum() / T_n.sum()))
print("the four formulas:", np.allclose(four, written_out, rtol=1e-12))
rho = T_n.sum() / made.size
print("padding counted = P to the power of the real share:", math.isclose(four.padded, four.character**rho, rel_tol=1e-12))
print("mean of the poems' above the one per character:", four.sentence > four.character)

# %% [markdown]
# ## The recorded trainings
#
# `python -m rnnlib.experiments tang` trained the networks of this chapter; it takes hours, so its results are recorded.

# %%
PARTS = ("tang_counts", "tang_course", "tang_better", "tang_sweep", "tang_optimizers", "tang_zero")
records = {part: experiments.load(part) for part in PARTS}
for part, record in records.items():
    print(f"{part:<16} {record['finished'][:10]} | seeds {record['seeds']}")


def results(part, **wanted):
    """The results of a part's runs whose settings have these values."""
    return [r["result"] for r in records[part]["runs"] if all(r["settings"][k] == v for k, v in wanted.items())]


# %% [markdown]
# ### The course's setting

# %% mystnb={"image": {"alt": "Perplexity against the epoch for the course's setting: the training line falls throughout, the validation line flattens; mean and range of three seeds. A dotted line is the counted 4-gram's validation perplexity."}} tags=["paste:course"]
course = results("tang_course")
epochs = min(len(r["evaluations"]) for r in course)
fig, ax = plt.subplots(figsize=(7, 3.6))
figures.mean_and_range(ax, range(1, epochs + 1), [np.exp([e["validation"] for e in r["evaluations"][:epochs]]) for r in course], "validation", marker="o", ms=3)
figures.mean_and_range(ax, range(1, epochs + 1), [np.exp(r["loss"][:epochs]) for r in course], "training, while learning", marker="s", ms=3)
ax.axhline(math.exp(counted["kneser_ney"]["validation"][order - 1]), color="#555555", linestyle=":", label="4-gram, counted")
ax.set(yscale="log", xlabel="epoch", ylabel="perplexity per character", xticks=range(2, epochs + 1, 2))
ticks = [50, 100, 200, 400]
ax.set_yticks(ticks, ticks)
ax.minorticks_off()
ax.legend()
plt.show()

# %% tags=["paste:course_numbers"]
figures.table(
    ["", "epochs, best of", "validation", "test", "right, test"],
    [[f"seed {n}", f"{1 + r['evaluations'].index(r['best'])} of {len(r['evaluations'])}", f"{math.exp(r['best']['validation']):.1f}", f"{r['test']['character']:.1f}", f"{r['test']['accuracy']:.1%}"] for n, r in enumerate(course)],
)

# %% tags=["paste:four"]
best = results("tang_better", change=[*tang.CHANGES][-1])
WAYS = [  # of counting, and what one report has
    ("padded", "padding counted", "7.9"), ("sentence_padded", "mean of poems, padding counted", "22.1?"),
    ("sentence", "mean of poems", ""), ("character", "per character", "104.4"),
]
figures.table(
    ["", "the course's setting", "the best below", "one report"],
    [[name, *(figures.spread([r["test"][way] for r in runs]) for runs in (course, best)), report] for way, name, report in WAYS],
)

# %%
real = 1 - course[0]["test"]["padding"]
assert math.isclose(course[0]["test"]["character"] ** real, course[0]["test"]["padded"], rel_tol=1e-3)
Markdown(f"Padded to {tang.LENGTH}, {real:.1%} of the places are real, and padding costs 0 nats; then counting it gives the perplexity to the power of {real:.3f}.")

# %% [markdown]
# ### Better, and what bought it

# %% tags=["paste:better"]
lines = {"the course's": course} | {f"+ {change}": results("tang_better", change=change) for change in tang.CHANGES}
found = []
for label, runs in lines.items():
    steps = np.mean([len(r["evaluations"]) * r["steps_per_epoch"] for r in runs])
    best_of = {"validation": [math.exp(r["best"]["validation"]) for r in runs], "test": [r["test"]["character"] for r in runs]}
    found.append([label, f"{runs[0]['parameters']:,}", len(runs), f"{steps:,.0f}", *(figures.spread(n, 1) for n in best_of.values())])
figures.table(["", "parameters", "seeds", "steps", "validation", "test"], found)

# %% mystnb={"image": {"alt": "Validation perplexity against the epoch for the course's setting and four that each add a change."}} tags=["paste:better_figure"]
fig, ax = plt.subplots(figsize=(7, 3.6))
for (name, runs), mark in zip(lines.items(), "os^vD", strict=True):
    n = min(len(r["evaluations"]) for r in runs)
    values = [np.exp([e["validation"] for e in r["evaluations"][:n]]) for r in runs]
    figures.mean_and_range(ax, range(1, n + 1), values, name, marker=mark, ms=3)
ax.set(yscale="log", xlabel="epoch", ylabel="validation perplexity")
ticks = [70, 100, 150, 200, 300, 400]
ax.set_yticks(ticks, ticks)
ax.minorticks_off()
ax.legend()
plt.show()

# %% [markdown]
# ### Optimizers

# %% mystnb={"image": {"alt": "Validation cross-entropy in nats against the step for six optimizers at their best rates, mean and range of three seeds."}} tags=["paste:optimizers"]
fig, ax = plt.subplots(figsize=(7, 3.8))
methods = list(dict.fromkeys(r["settings"]["method"] for r in records["tang_optimizers"]["runs"]))
for method, mark in zip(methods, itertools.cycle("os^vDP"), strict=False):
    runs = results("tang_optimizers", method=method)
    steps = [point["step"] for point in runs[0]["curve"]]
    figures.mean_and_range(ax, steps[1:], [[p["validation"] for p in r["curve"][1:]] for r in runs], method, marker=mark, ms=3)
ax.set(xlabel="step, batches of 32 poems", ylabel="validation cross-entropy, nats")
ax.legend(ncols=2)
plt.show()

# %% tags=["paste:optimizers_numbers"]
rates = {method: [r["settings"]["lr"] for r in records["tang_sweep"]["runs"] if r["settings"]["method"] == method] for method in methods}
chosen = {r["settings"]["method"]: r["settings"]["lr"] for r in records["tang_optimizers"]["runs"]}
figures.table(
    ["method", "rates tried", "best", "validation, nats", "perplexity"],
    [[method, ", ".join(f"{lr:g}" for lr in rates[method]), f"{chosen[method]:g}", figures.spread([r["validation"] for r in results("tang_optimizers", method=method)], 2), figures.spread([math.exp(r["validation"]) for r in results("tang_optimizers", method=method)], 0)] for method in methods],
)

# %% tags=["paste:zero"]
figures.table(
    ["weights begin at", "spread, first", "spread, last", "validation, nats, first", "validation, nats, last"],
    [
        [{"xavier": "Xavier's", "constant": "one constant", "zero": "zero"}[begins], *(entry for what, digits in (("spread", 3), ("validation", 2)) for entry in (f"{np.mean([r['curve'][0][what] for r in runs]):.{digits}f}", figures.spread([r["curve"][-1][what] for r in runs], digits)))]
        for begins in tang.BEGINNINGS
        for runs in [results("tang_zero", begins=begins)]
    ],
)

# %% [markdown]
# ## Writing
#
# Seed 0 of the last setting, its weights in eight bits, as the page runs it.

# %%
writer, its_symbols, its_settings = checkpoints.load_model(paths.data_dir() / "weights" / "tang_best.safetensors")
writer = writer.fast().eval()
print(f"{sum(w.numel() for w in writer.parameters()):,} parameters, K = {len(its_symbols):,}")

# %% [markdown]
# ### Does it keep a form by itself?
#
# Poems written without the form's mask, from START to the first END; how many are quatrains in every place?


# %% tags=["paste:form_kept"]
def free(temperature, seed, most=60):
    """A poem without the form's mask; only UNK and START are never drawn."""
    drawn = sampling.stream(writer, its_symbols, text.START, temperature=temperature, never=(text.UNK, text.START), seed=seed)
    return "".join(itertools.takewhile(lambda symbol: symbol != text.END, itertools.islice(drawn, most)))


count = 20 if FAST else 200
rows = []
for temperature in (0.5, 0.8, 1.0, 1.3):
    generator = torch.Generator().manual_seed(0)
    kept = [poems.form_of(free(temperature, generator)) for _ in range(count)]
    rows.append([f"{temperature:g}", *(f"{100 * sum(k == form for k in kept) / count:.0f} %" for form in (5, 7)), f"{100 * sum(k is None for k in kept) / count:.0f} %"])
figures.table(["temperature", "five-character quatrains", "seven-character quatrains", "neither"], rows)

# %% [markdown]
# ### Claim: the mask is the model's distribution, given that the place keeps the form

# %% tags=["nbval-check-output"]
logits, _ = sampling.read(writer, its_symbols, text.START + "山")
may = poems.allowed(5, its_symbols)[1]
masked = sampling.probabilities(logits, may=may)
whole = torch.softmax(logits.double(), 0)
print("masked = renormalised, within 1e-12:", bool((masked - whole * may / (whole * may).sum()).abs().max() < 1e-12))
print("what the form forbids has probability 0:", masked[~may].sum().item() == 0)
every = [poems.write(writer, its_symbols, form, temperature=1.5, seed=seed) for form in poems.FORMS for seed in range(20)]
print("quatrains of 40 written at 1.5:", sum(poems.form_of(poem) is not None for poem in every))

# %% [markdown]
# ### Seven beginnings
#
# 日 rì sun, 紅 hóng red, 山 shān mountain, 夜 yè night, 湖 hú lake, 海 hǎi sea, 月 yuè moon; the first that came at 0.8, nothing chosen.

# %% tags=["paste:seven"]
SEVEN = "日紅山夜湖海月"
seven = {c: [poems.write(writer, its_symbols, form, beginning=c, temperature=0.8, seed=10 * form + n) for form in poems.FORMS] for n, c in enumerate(SEVEN)}
figures.table(["", "five characters a line", "seven characters a line"], [[chinese(c), *(chinese(poem) for poem in both)] for c, both in seven.items()])

# %% [markdown]
# Two of them and a longer one, word by word, and an acrostic.
# The words are ours, written beside these lines; lines that another machine draws otherwise stand without.

# %% tags=["paste:glossed"]
WORDS = {
    "湖上寒江水，": "lake · upon · cold · river · water", "清秋對夜餘。": "clear · autumn · faces · night · remainder",
    "空央山水遠，": "empty · middle · mountain · water · far", "漆角似愁人。": "lacquer · horn · resembles · grieving · person",
    "海色昏朝一，": "sea · colour · dusk · morning · one", "孤燈暫別離。": "lone · lamp · for a while · part · leave",
    "月明花見見，": "moon · bright · flower · see · see", "何處未聞時。": "what · place · not yet · hear · time",
    "湖水茫茫爲塞關，": "lake · water · vast · vast · be · frontier · pass", "湘江如雪照開壇。": "Xiang · River · like · snow · shines on · open · altar",
    "風情萬里雲難起，": "wind · feeling · ten thousand · miles · cloud · hardly · rises", "南月還到愁家人。": "south · moon · still · reaches · grieving · home · people",
    "春風吹拂醉醒時，": "spring · wind · blows · strokes · drunk · wake · time", "江月山花拂坐前。": "river · moon · mountain · flower · stroke · seat · before",
    "花落月中應有寐，": "flower · falls · moon · within · should · be · sleep", "月明潮月水中仙。": "moon · bright · tide · moon · water · within · immortal",
}
SOUNDS = {"朝": "zhāo", "塞": "sài", "還": "hái", "爲": "wéi"}  # readings that fit these lines


def glossed(*some):
    """Quatrains as verse, each line with its words."""
    shown = (figures.verses(in_lines(poem), [WORDS.get(line, "") for line in in_lines(poem)], f"{n}." if len(some) > 1 else "", SOUNDS).data for n, poem in enumerate(some, 1))
    return HTML("".join(shown))


glossed(seven["湖"][0], seven["海"][0], seven["湖"][1])

# %% tags=["paste:acrostic"]
glossed(poems.write(writer, its_symbols, 7, acrostic="春江花月", temperature=0.8, seed=1))

# %% [markdown]
# ### What is copied

# %% tags=["paste:copied"]
rows = []
for form in ("5", "7"):
    found = [r["copied"][form] for r in best]
    lines = sum(f["lines"] for f in found)
    rows.append([f"written, {'five' if form == '5' else 'seven'} characters a line, three seeds", f"{lines:,}", *(f"{sum(f[key] for f in found) / lines:.1%}" for key in ("copied", "in_row"))])
    real = poems.copied([poem for poem in data.test if poems.form_of(poem) == int(form)], data.train)
    rows.append(["real, the test poems", f"{real['lines']:,}", *(f"{real[key] / real['lines']:.1%}" for key in ("copied", "in_row"))])
figures.table(["", "lines", "stand in a training poem", "share four characters in a row with one"], rows)

# %% [markdown]
# ### Rhyme and tone
#
# The rhymes are those of a rime dictionary of 1008, which keeps the rhymes of one of 601, not those of today; what poets could use together counts as one.
# Beside the real and the written quatrains stands the chance level: the characters of the real ones dealt out anew, each to its own place.
# A character with several readings rhymes if one of them does; one whose readings are both level and oblique is left out of the tones.

# %% tags=["paste:rhyme"]
per_form = 20 if FAST else 150
written_here = {form: [poems.write(writer, its_symbols, form, temperature=0.8, seed=seed) for seed in range(per_form)] for form in poems.FORMS}
rows = []
for form, label in ((5, "five"), (7, "seven")):
    real = [poems.lines(poem) for poem in data.test if poems.form_of(poem) == form]
    for name, some in {"real": real, "written at 0.8": [poems.lines(poem) for poem in written_here[form]], "real, the characters dealt anew": prosody.shuffled(real, seed=0)}.items():
        share = prosody.form(some)
        rows.append([f"{label} characters, {name}", len(some), *(f"{share[rule].value:.0%}" for rule in ("rhyme", "alternate", "oppose", "adhere"))])
figures.table(["", "quatrains", "lines 2 and 4 rhyme", "tones alternate in a line", "couplets oppose", "couplets adhere"], rows)

# %% [markdown]
# ### A sample, as a page shows it where scripts do not run

# %% tags=["paste:page_sample"]
figures.verses(in_lines(poems.write(writer, its_symbols, 5, beginning="月", temperature=0.8, seed=0)))

# %% [markdown]
# ### Write one yourself
#
# Move a knob: the form, a beginning or an acrostic of four characters, the temperature, the seed.

# %% mystnb={"image": {"alt": "Bars of the probability of the five likeliest characters at the first place that is free, in five-character quatrains."}} tags=["live"]
from rnnlib import live


def compose(form=5, beginning="月", acrostic="", temperature=0.8, seed=0):
    """A quatrain, and the five likeliest characters where the network begins to choose."""
    poem = poems.write(writer, its_symbols, form, beginning="" if acrostic else beginning, acrostic=acrostic, temperature=temperature, seed=seed)
    print(poem)
    given = len(acrostic[:1] or beginning)
    place = given + given // form  # punctuation stands behind each line
    logits, _ = sampling.read(writer, its_symbols, text.START + poem[:place])
    p = sampling.probabilities(logits, temperature, may=poems.allowed(form, its_symbols)[place])
    top, which = p.topk(5)
    print("the five likeliest there: " + ", ".join(f"{its_symbols.symbols[k]} {q:.3f}" for k, q in zip(which.tolist(), top.tolist(), strict=True)))
    fig, ax = plt.subplots(figsize=(6, 2))
    ax.bar(range(5), top.numpy())
    ax.set_xticks(range(5), [prosody.pinyin(its_symbols.symbols[k]) or "?" for k in which.tolist()])
    ax.set(ylabel="probability", xlabel="next character, its pronunciation")
    return fig


panel = live.interact(compose, form=[5, 7], beginning="月", acrostic="", temperature=(0.1, 2.0, 0.1), seed=(0, 20))

# %% [markdown]
# ## Mistakes people make
#
# ### Padding counted, and a start that training never showed
#
# Two small networks, the same start and the same poems; one loss leaves padding out, the other counts it as END after END.


# %%
def small_network(counted_padding, steps=30 if FAST else 300):
    """A network with E = 32, H = 64 after some steps of Adam, padding counted in its loss or not."""
    rows = tang.rows(corpus)
    rows = pad(rows, (0, max(0, tang.LENGTH + 1 - rows.shape[1])), value=vocabulary.end)
    source = tasks.Shuffled(rows, 32, 0)
    model = RNNLM(K, LSTM, 32, 64, generator=torch.Generator().manual_seed(0)).fast()
    masked_loss = tang.Loss(vocabulary)

    def loss(model, batch):
        return (model.loss(batch[:, :-1], batch[:, 1:])[0], {}) if counted_padding else masked_loss(model, batch)

    training.train(model, source, loss, torch.optim.Adam(model.parameters(), 1e-2), steps, clip_norm=1.0, progress=False)
    return model


two = {"padding left out": small_network(False), "padding counted": small_network(True)}

# %% tags=["paste:padding_counted"]
def reported(model):
    """Perplexity with padding counted up to 50, up to 100, and per character."""
    rows, lengths = text.padded(tang.sequences(data.validation, vocabulary), fill=vocabulary.end)
    with torch.no_grad():
        found = [model.loss(rows[:, :-1], rows[:, 1:], lengths=lengths - 1)[0]]
        for length in (100, 50):
            longer = pad(rows, (0, length + 1 - rows.shape[1]), value=vocabulary.end)
            found.insert(0, model.loss(longer[:, :-1], longer[:, 1:])[0])
    return [math.exp(loss) for loss in found]


figures.table(
    ["loss in training", "padded to 50, counted", "padded to 100, counted", "per character"],
    [[name, *(f"{value:.1f}" for value in reported(model))] for name, model in two.items()],
)

# %% tags=["paste:no_start"]
def first_nats(begin):
    """Nats of the second character of the test poems, after the first, with START read or not."""
    found = []
    for poem in data.test[:200]:
        logits, _ = sampling.read(writer, its_symbols, begin + poem[0])
        found.append(-torch.log_softmax(logits.double(), 0)[its_symbols.encode(poem[1])].item())
    return np.mean(found)


figures.table(["read before the second character", "nats of it"], [["START and the first character", f"{first_nats(text.START):.2f}"], ["the first character from a zero state", f"{first_nats(''):.2f}"]])

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: four perplexities
#
# *Medium · 15 minutes · with a check*
#
# `nats` is an array (N, T) of what a model pays at each place, padding too; `lengths` (N,) are the real lengths.
# Return four perplexities in this order: padding counted; mean of the poems', padding counted; mean of the poems', padding left out; per character, padding left out.
#
# <details>
# <summary>Hint 1</summary>
#
# A mask (N, T) says which places are real.
# In two of the four it is not needed.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# The last divides one sum by another one; it takes no mean of means.
#
# </details>


# %% tags=["exercise-1"]
def four_perplexities(nats, lengths):
    return None  # your answer


rng = np.random.default_rng(1)
nats, lengths = rng.gamma(3.0, 1.0, size=(7, 9)), rng.integers(2, 9, size=7)
expected = list(metrics.perplexities(torch.tensor(nats), torch.tensor(lengths)))
check.answer("perplexities", four_perplexities(nats, lengths), [expected[k] for k in (0, 2, 1, 3)])

# %% [markdown]
# <details>
# <summary>Solution 1</summary>
#
# ```python
# def four_perplexities(nats, lengths):
#     real = np.arange(nats.shape[1]) < lengths[:, None]
#     known = nats * real
#     return [
#         np.exp(nats.mean()),
#         np.exp(nats.mean(axis=1)).mean(),
#         np.exp(known.sum(axis=1) / lengths).mean(),
#         np.exp(known.sum() / lengths.sum()),
#     ]
# ```
#
# </details>
#
# ### Exercise 2: what the form leaves
#
# *Medium · 15 minutes · with a check*
#
# `logits` is an array (K,), `may` a boolean array (K,) of what the form allows, `tau` a temperature.
# Return the probabilities (K,) with which a symbol is drawn.
# No number in between may overflow, however large the logits are.
#
# <details>
# <summary>Hint 1</summary>
#
# What the form forbids must have the probability 0, and the others the sum 1.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# Subtract the largest logit before the exponential.
# The largest of which?
#
# </details>


# %% tags=["exercise-2"]
def in_form(logits, may, tau):
    return None  # your answer


rng = np.random.default_rng(2)
cases = {
    "p": (rng.normal(scale=3.0, size=8), np.array([0, 1, 1, 0, 1, 0, 1, 1], dtype=bool), 0.7),
    "p, large logits forbidden": (np.array([4000.0, 20.0, 21.5, 3000.0, 19.0]), np.array([0, 1, 1, 0, 1], dtype=bool), 1.3),
    "p, large logits allowed": (np.array([4000.0, 20.0, 3999.5, 3000.0, 19.0]), np.array([1, 1, 1, 0, 1], dtype=bool), 1.3),
}
for name, (logits, may, tau) in cases.items():
    with np.errstate(all="ignore"):
        answer = in_form(logits, may, tau)
    expected = torch.softmax(torch.tensor(logits / tau).masked_fill(torch.tensor(~may), -math.inf), 0)
    check.answer(name, answer, expected)

# %% [markdown]
# <details>
# <summary>Solution 2</summary>
#
# ```python
# def in_form(logits, may, tau):
#     scaled = logits / tau
#     e = np.exp(np.where(may, scaled - scaled[may].max(), -np.inf))
#     return e / e.sum()
# ```
#
# </details>
#
# ### Exercise 3: near-duplicates in groups
#
# *Hard · 25 minutes · with a check*
#
# `texts` is a list of strings, `n` the characters of a shingle, `threshold` a number in (0, 1].
# Two texts are near-duplicates if the Jaccard similarity of their sets of shingles is at least the threshold.
# Return a list with a number for each text: that of the first text of its group, where near-duplicates of near-duplicates are in one group.
#
# <details>
# <summary>Hint 1</summary>
#
# Here all pairs may be compared.
# Start with each text in a group of its own.
#
# </details>
#
# <details>
# <summary>Hint 2</summary>
#
# When two texts of different groups are near, every text of the one group gets the number of the other, not only the one of the pair.
#
# </details>


# %% tags=["exercise-3"]
def group_numbers(texts, n, threshold):
    return None  # your answer


rng = np.random.default_rng(3)
long = "".join(rng.permutation(list("abcdefghijklmnopqrstuvwxyzABCD")))
texts = [long[t : t + 14] for t in (0, 4, 16, 12, 8)]  # the last is near two of them
for at in (1, 3, 6):  # and some others between them
    texts.insert(at, "".join(rng.choice(list("abcdef"), size=14)))
texts.insert(2, texts[1][:-2] + "zz")  # near
texts.append(texts[1][6:] + "uvwxyz")  # not near enough
pairs_found = text.near_duplicates([text.shingles(one, 2) for one in texts], 0.5)
expected = [0] * len(texts)
for group in text.groups_of(len(texts), [(j, k) for j, k, _ in pairs_found]):
    for k in group:
        expected[k] = group[0]
check.answer("groups", group_numbers(texts, 2, 0.5), expected)

# %% [markdown]
# <details>
# <summary>Solution 3</summary>
#
# ```python
# def group_numbers(texts, n, threshold):
#     sets = [{one[t : t + n] for t in range(len(one) - n + 1)} for one in texts]
#     group = list(range(len(texts)))
#     for k in range(len(texts)):
#         for j in range(k):
#             both = len(sets[j] & sets[k])
#             if both / len(sets[j] | sets[k]) >= threshold:
#                 low, high = sorted((group[j], group[k]))
#                 group = [low if g == high else g for g in group]
#     return group
# ```
#
# </details>
