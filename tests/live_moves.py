"""What a reader does with each live cell, as code for the kernel in which the cell has run.

Each text is run as one cell; ``panel`` is the live cell's, ``shown()`` the text below its knobs.
``await panel.task`` waits until a training is over or stopped.
"""

SETUP = """
import html as _html, re as _re, threading as _threading
_threads = set(_threading.enumerate())

def shown():
    texts = _re.findall(r"<pre>(.*?)</pre>", panel.view.value, _re.DOTALL)
    return "\\n".join(map(_html.unescape, texts))

def figures_shown():
    return _re.findall(r'<img src="data:image/png;base64,[^"]+" alt="([^"]+)"', panel.view.value)

def complains(knob, value, words):
    before = panel.knobs[knob].value
    panel.knobs[knob].value = value
    assert words in shown() and "Traceback" not in shown() and not figures_shown(), shown()
    panel.knobs[knob].value = before
"""

# Two threads are begun, once, by what a cell uses: tqdm's and zmq's.
END = """
_more = {type(thread).__name__ for thread in set(_threading.enumerate()) - _threads}
assert _more <= {"TMonitor", "GarbageCollectorThread"}, _more
"""

MOVES: dict[str, list[str]] = {
    "sequences": [
        """
assert figures_shown() and len(shown().splitlines()) == 4
first = shown().splitlines()
panel.knobs["digits"].value = "141553141"  # the same digits in another order, for the bag
second = shown().splitlines()
assert second[0] == first[0] and second[1] == first[1], "the bag, and the last three digits"
assert second[2] != first[2] and second[3] != first[3]
x = torch.nn.functional.one_hot(torch.tensor([[1, 4, 1, 5, 5, 3, 1, 4, 1]]), 10).float()
p = torch.softmax(trained["RNN", 10, 0](x)[0], 0)
assert f"RNN          {p.argmax()} ({p.max():.2f})" in shown()
panel.knobs["digits"].value = "12345"
assert "whole window reads nine digits, and these are 5" in shown() and figures_shown()
""",
        """
complains("digits", "3141a", "'3141a' is not that")
complains("digits", "", "Type 3 to 100 digits")
complains("digits", "³³³³", "is not that")
""",
    ],
    "vanilla_rnn": [
        """
def gradient():
    return float(shown().rsplit(" ", 1)[1])

panel.knobs["numbers"].value = "0.5, -1 2"
panel.knobs["back"].value = 30
panel.knobs["w"].value = -0.7
w, h, y = torch.tensor(-0.7, dtype=torch.float64, requires_grad=True), 0.0, 0.0
for x_t in (0.5, -1.0, 2.0):
    h = torch.tanh(x_t + w * h)
((h - y) ** 2 / 2).backward()
assert abs(gradient() - w.grad.item()) < 1e-4 and figures_shown()
rows = [line.split() for line in shown().splitlines()[1:-1]]
assert [row[0] for row in rows] == ["3", "2", "1"] and abs(float(rows[-1][-1]) - gradient()) < 1e-4
panel.knobs["back"].value = 1
assert [line.split()[0] for line in shown().splitlines()[1:-1]] == ["3"]
""",
        """
complains("numbers", "1 two 3", "'1 two 3' is not that")
complains("numbers", "nan", "Type 1 to 30 numbers")
""",
    ],
    "gradients": [
        """
def numbers():
    return [float(n) for n in _re.findall(r"\\d+\\.\\d+", shown())]

panel.knobs["cell"].value, panel.knobs["gain"].value = "rnn", 1.0
radius, measured = numbers()
assert abs(radius / 0.577 - 1) < 0.1 and abs(measured / radius - 1) < 0.1
panel.knobs["gain"].value = 2.0
assert abs(numbers()[0] / radius - 2) < 0.01
panel.knobs["gain"].value, panel.knobs["cell"].value = 1.0, "gru"
low = numbers()
panel.knobs["bias"].value = 6.0
assert numbers()[0] > low[0] and numbers()[1] > low[1] and figures_shown()
"""
    ],
    "initialisation": [
        """
panel.knobs["length"].value, panel.knobs["steps"].value = 5, 40
panel.knobs["bias"].value = 0.0
panel.run.click()
assert panel.view.value == "" and panel.bar.value == 0
""",
        """
await panel.task
assert panel.bar.value == 1 and figures_shown()
assert "left after 1.0 steps; 4 digits come in" in shown()
once = shown()
assert "after 40 steps" in once
panel.run.click()
""",
        """
await panel.task
assert shown() == once, "the same knobs give the same numbers"
panel.knobs["rate"].value = 0.03
panel.run.click()
""",
        """
await panel.task
assert shown() != once and "after 40 steps" in shown()
""",
    ],
    "lstm": [
        """
assert "after 30 digits" in shown() and figures_shown()
free = shown()
panel.knobs["forbid"].value = "copying"
panel.knobs["after"].value = 30
assert shown() == free, "after the last digit nothing is left to forbid"
panel.knobs["after"].value = 29
assert shown() != free
panel.knobs["forbid"].value = "nothing"
panel.knobs["digits"].value = "2718281828"
x = torch.nn.functional.one_hot(torch.tensor([[2, 7, 1, 8, 2, 8, 1, 8, 2, 8]]), 10).float()
p = torch.softmax(trained[0][0](x)[0], 0)
assert f"after 10 digits the answer is {p.argmax()} ({p.max():.3f}); the first digit is 2 ({p[2]:.3f})" in shown()
""",
        """
complains("digits", "7", "Type 2 to 60 digits")
complains("digits", "7.5", "'7.5' is not that")
""",
    ],
    "gru": [
        """
panel.knobs["size"].value, panel.knobs["steps"].value = 20, 40
panel.run.click()
""",
        """
await panel.task
gru = shown()
assert "40 steps; accuracy on its own 20 palindromes" in gru and "at 30" in gru and figures_shown()
panel.knobs["cell"].value = "LSTM"
panel.run.click()
""",
        """
await panel.task
assert "40 steps" in shown() and shown() != gru
""",
    ],
    "phased_lstm": [
        """
def ends():
    return [float(n) for n in _re.findall(r"-?\\d+\\.\\d+", shown().splitlines()[-1])]

assert "60 samples, 12 of them" in shown() and figures_shown()
gated, free = ends()
panel.knobs["every"].value = 0.5
assert "120 samples, 24 of them" in shown() and ends() != [gated, free]
panel.knobs["every"].value, panel.knobs["period"].value = 1.0, 11.0
assert ends()[1] != free
panel.knobs["r_on"].value = 1.0
assert "60 of them while the unit is open" in shown()
"""
    ],
    "memory": [
        """
panel.knobs["first"].value, panel.knobs["last"].value, panel.knobs["steps"].value = 5, 10, 200
panel.run.click()
assert panel.view.value == "" and panel.bar.value == 0
""",
        """
await panel.task
once = shown()
passed = _re.findall(r"(\\d+) digits passed after (\\d+) steps", once)
assert [T for T, _ in passed] == ["5", "8", "10"] and figures_shown(), once
ends = [int(n) for _, n in passed]
assert 3 <= ends[0] and all(b - a >= 3 for a, b in zip(ends, ends[1:])), "three perfect batches each"
assert ends[-1] < 200 and 0 < panel.bar.value <= ends[-1] / 200, "done before the last step"
assert float(_re.search(r"numbers of 10 digits: ([\\d.]+)", once)[1]) > 0.9
panel.run.click()
""",
        """
await panel.task
assert shown() == once, "the same knobs give the same numbers"
panel.knobs["network"].value, panel.knobs["first"].value = "RNN, orthogonal", 10
panel.run.click()
""",
        """
await panel.task
assert "10 digits passed" in shown() and "; " not in shown(), "no curriculum"
panel.knobs["rate"].value, panel.knobs["steps"].value = 0.0003, 20
panel.run.click()
""",
        """
await panel.task
assert "no length passed in 20 steps" in shown() and figures_shown()
""",
    ],
    "optimizers": [
        """
panel.knobs["formula"].value = "w1**2 + 10 * w2**2"
panel.knobs["method"].value, panel.knobs["rate"].value, panel.knobs["steps"].value = "SGD", 0.02, 10
w = [-1.5 * (1 - 2 * 0.02) ** 10, 1.0 * (1 - 20 * 0.02) ** 10]
assert f"the path ends at ({w[0]:.3f}, {w[1]:.3f})" in shown() and figures_shown()
assert f"{w[0] ** 2 + 10 * w[1] ** 2:.4f} after 10 steps of SGD" in shown()
panel.knobs["rate"].value, panel.knobs["steps"].value = 0.5, 100
assert "The path has run away" in shown() and figures_shown()
panel.knobs["formula"].value = "3"
assert "loss 3.0000 at the start, 3.0000 after" in shown()
""",
        """
complains("formula", "w1 +", "The formula 'w1 +' cannot be used")
complains("formula", "w3**2", "w3")
complains("formula", "print(w1)", "cannot be used")
complains("formula", "", "cannot be used")
complains("formula", "'a'", "cannot be used")
""",
    ],
    "optimizer_study": [
        """
lstm = {}
for r in experiments.load("optimizers")["runs"]:
    s = r["settings"]
    if s["task"] == "palindromes, LSTM":
        lstm.setdefault((s["method"], s["lr"]), {})[s["seed"]] = sum(r["result"]["loss"][-5:]) / 5

def winner(measure):
    method, lr = min(lstm, key=lambda key: measure(lstm[key]))
    return [method, "at", f"{lr:g}", f"{measure(lstm[method, lr]):.5g}"]

assert len(shown().splitlines()) == 8 and figures_shown()
assert shown().splitlines()[0].split() == winner(lambda ends: sum(ends.values()) / 3)
panel.knobs["seeds"].value = "seed 2"
assert shown().splitlines()[0].split() == winner(lambda ends: ends[2])
panel.knobs["seeds"].value, panel.knobs["summary"].value = "all three", "lowest"
lucky = winner(lambda ends: min(ends.values()))
assert shown().splitlines()[0].split() == lucky and lucky[:3] == ["Adadelta", "at", "949"]
panel.knobs["summary"].value = "median"
assert shown().splitlines()[0].split() == winner(lambda ends: sorted(ends.values())[1])
""",
        """
panel.knobs["rate"].value = "three times the best"  # above the last rate of a sweep there is none
panel.knobs["summary"].value = "lowest"
assert "Adadelta  at 949 " in shown()
panel.knobs["rate"].value = "a third of the best"
assert "Adadelta  at 300 " in shown()
panel.knobs["rate"].value, panel.knobs["measure"].value = "the best", "steps to the mark"
panel.knobs["summary"].value, panel.knobs["task"].value = "mean", "characters, LSTM"
assert "Adam      at 0.00949  180" in shown() and figures_shown()
panel.knobs["rate"].value = "three times the best"
assert "never" in shown() and figures_shown()
""",
    ],
    "ngram_lm": [
        """
first = "one of the | " + " ".join(go_on("one of the"))
assert first.replace("\\n", "⏎") in shown() and figures_shown()
panel.knobs["beginning"].value = "he went to one of the"  # only the last three words count
assert first.split("| ")[1].replace("\\n", "⏎") in shown()

def surest():
    return float(_re.search(r"probability ([\\d.]+)", shown())[1])

p = torch.softmax(model(vocabulary.encode("one of the")[None])[0].double(), 0)
p[vocabulary.unk] = 0
assert abs(surest() - (p.max() / p.sum()).item()) < 1e-3
panel.knobs["unk"].value = True
with_unk = torch.softmax(model(vocabulary.encode("one of the")[None])[0].double(), 0)
assert abs(surest() - with_unk.max().item()) < 1e-3
panel.knobs["beginning"].value = "one of qwxyz"
assert "read as UNK: qwxyz" in shown() and figures_shown()
panel.knobs["beginning"].value, panel.knobs["length"].value = "one of the", 0
assert shown().startswith("one of the |\\n")
""",
        """
complains("beginning", "of the", "Type at least three words")
complains("beginning", "", "has 0")
""",
    ],
    "rnn_lm": [
        """
panel.knobs["temperature"].value = 0.0
following = go_on(lstm, "one of the")
assert ("one of the | " + " ".join(following)).replace("\\n", "⏎") in shown() and figures_shown()

def surest():
    return float(_re.search(r"probability ([\\d.]+)", shown())[1])

assert surest() == 1
panel.knobs["temperature"].value = 1.0
logits, _ = sampling.read(lstm, vocabulary, "\\n" + "one of the")
p = torch.softmax(logits.double(), 0)
p[[vocabulary.unk, vocabulary.start]] = 0
assert abs(surest() - (p.max() / p.sum()).item()) < 1e-3
five = surest()
panel.knobs["temperature"].value = 2.0
assert surest() < five
panel.knobs["temperature"].value, panel.knobs["unk"].value = 1.0, True
p = torch.softmax(logits.double(), 0)
p[vocabulary.start] = 0
assert abs(surest() - (p.max() / p.sum()).item()) < 1e-3
panel.knobs["beginning"].value = "one of qwxyz"
assert "read as UNK: qwxyz" in shown() and figures_shown()
panel.knobs["beginning"].value, panel.knobs["length"].value = "he said that one of the", 0
assert shown().startswith("he said that one of the |\\n")
logits, _ = sampling.read(lstm, vocabulary, "\\n" + "he said that one of the")  # all words count
longer = torch.softmax(logits.double(), 0)
assert (longer - torch.softmax(sampling.read(lstm, vocabulary, "\\n" + "one of the")[0].double(), 0)).abs().max() > 0
""",
        """
complains("beginning", "of the", "Type at least three words")
complains("beginning", "", "has 0")
""",
    ],
    "char_lm": [
        """
panel.knobs["beginning"].value, panel.knobs["length"].value = "The king ", 40
expected = sampling.generate(grimm, known, "The king ", 40, temperature=0.7, seed=0)
assert shown().startswith("The king " + expected) and figures_shown()

def bits():
    return float(_re.search(r"([\\d.]+) bits", shown())[1])

warm = bits()
panel.knobs["temperature"].value = 2.0
assert bits() > warm
panel.knobs["temperature"].value = 0.0
assert bits() == 0
panel.knobs["temperature"].value, panel.knobs["book"].value = 0.7, "democracy"
assert not shown().startswith("The king " + expected)
""",
        """
complains("beginning", "Łódź ", "is not in the book")
complains("beginning", "", "there is none")
""",
    ],
    "shakespeare": [
        """
def spent():
    return float(_re.search(r"([\\d.]+) billion", shown())[1])

def ends():
    return [float(n) for n in _re.findall(r"\\d\\.\\d{3}", shown())]

panel.knobs["steps"].value = 60
panel.run.click()
""",
        """
await panel.task
K = len(letters)
assert f"60 steps, {60 * 16 * 32:,} characters" in shown() and figures_shown()
assert abs(spent() - 60 * multiply_adds(16, 32, 64, K + 1, K) / 1e9) < 0.01
informed, once = ends(), shown()
panel.run.click()
""",
        """
await panel.task
assert shown() == once, "the same knobs give the same numbers"
panel.knobs["bias"].value = "zero"
panel.run.click()
""",
        """
await panel.task
assert min(ends()) > max(informed), "the frequencies buy something at once"
panel.knobs["T"].value, panel.knobs["H"].value = 8, 16
panel.run.click()
""",
        """
await panel.task
assert f"{60 * 16 * 8:,} characters" in shown()
assert abs(spent() - 60 * multiply_adds(16, 8, 16, K + 1, K) / 1e9) < 0.01
""",
    ],
    "tang_poems": [
        """
def five():
    return _re.findall(r"(\\S) (\\d\\.\\d{3})", shown().splitlines()[-1])

panel.knobs["beginning"].value = "山"
expected = poems.write(writer, its_symbols, 5, beginning="山", temperature=0.8, seed=0)
assert shown().startswith(expected) and figures_shown() and len(five()) == 5
assert all(poems.is_han(c) for c, _ in five()), "the form leaves characters only"
warm = five()
panel.knobs["temperature"].value = 0.1
assert five()[0][0] == warm[0][0] and float(five()[0][1]) > float(warm[0][1])
panel.knobs["temperature"].value = 0.8
panel.knobs["beginning"].value = "山高水長日"
assert shown()[:6] == "山高水長日，" and len(five()) == 5, "the first free place is in the second line"
panel.knobs["form"].value, panel.knobs["acrostic"].value = 7, "春江花月"
assert "".join(line[0] for line in poems.lines(shown().splitlines()[0])) == "春江花月"
""",
        """
panel.knobs["acrostic"].value, panel.knobs["form"].value = "", 5
complains("beginning", "abc", "must be Han characters")
complains("acrostic", "春江", "must be 4 characters")
complains("beginning", "龘", "characters that the model knows")
""",
    ],
    "graphs": [
        """
assert "layers needed: A 2, B 1, C 0, D 3, E 4, F 1" in shown() and figures_shown()
assert "within 4 layers it has been at A, B, C, D, E, F" in shown()
panel.knobs["layers"].value = 2
assert "within 2 layers it has been at A, B, C, F" in shown()
panel.knobs["own"].value = 0.0
assert "eigenvalues from -1.000 to 1.000" in shown() and figures_shown()
panel.knobs["edges"].value, panel.knobs["source"].value = "C-D x-y", "x"
assert "layers needed: C never, D never, x 0, y 1" in shown() and figures_shown()
panel.knobs["source"].value, panel.knobs["edges"].value = "C", graphs.SIX
""",
        """
complains("edges", "A-B C", "text must hold edges such as A-B, separated by spaces, got 'C'")
complains("edges", "", "got nothing")
complains("edges", "C-C", "what a node keeps of itself is lam")
complains("source", "Z", "source must be one of the nodes A, B, C, D, E, F, got 'Z'")
""",
    ],
    "parallel": [
        """
def right():
    return float(shown().split(": ")[1].split()[0])

def best(a, b, a_0, b_0, T):
    x, y = tasks.parity(T, 200, seeded(0))
    h = scan.sequential(a * x + a_0 * (1 - x), b * x + b_0 * (1 - x))[:, -1, 0]
    found = [((h > cut).long() == y[:, -1]).float().mean().item() for cut in [-99.0, *h.tolist()]]
    return max(max(found), 1 - min(found))

assert abs(right() - best(0.8, 0.5, 0.95, 0.0, 30)) < 0.006 and figures_shown()
panel.knobs["a"].value, panel.knobs["a_0"].value = 0.5, 1.0
assert abs(right() - best(0.5, 0.5, 1.0, 0.0, 30)) < 0.006 and right() < 0.7
panel.knobs["a"].value, panel.knobs["b"].value = -1.0, 1.0
assert right() == 1.0
panel.knobs["T"].value = 100
assert right() == 1.0 and figures_shown()
panel.knobs["a"].value = -0.8
assert right() < 1.0
"""
    ],
}
