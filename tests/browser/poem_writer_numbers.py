"""What the poem writer in the browser must give, by torch: JSON for poem_writer.mjs.

    python tests/browser/poem_writer_numbers.py

For a model of random weights, "tang_made", whose script comes along, and for each weights file
data/weights/tang_*: the logits after numbers drawn evenly, poems written greedily in a form, and
the likeliest characters at places of each kind, in float64 from the same eight-bit weights.
"""

import json
import sys
import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from rnnlib import LSTM, checkpoints
from rnnlib.models import RNNLM
from rnnlib.paths import data_dir
from rnnlib.text import END, START, UNK, Words

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))
import page_weights

LENGTH, LIKELY = 30, 5
SIGNS = "，。，。"
GIVEN = "日紅山夜湖海月春夏秋冬東西南北風花雪"
POEMS = [("first", "日", 5), ("first", "紅", 7), ("first", "", 5), ("first", "風花雪月春，夏秋", 5)]
POEMS += [("acrostic", "春夏秋冬", 5), ("acrostic", "東西南北", 7)]
PLACES = [  # what is given, and how many characters are there: each kind of place
    ("first", "", 5, 0), ("first", "山夜", 5, 2), ("first", "山夜湖海月", 5, 5),
    ("first", "山夜湖海月", 7, 5), ("acrostic", "春夏秋冬", 5, 0), ("acrostic", "春夏秋冬", 7, 24),
    ("first", "日", 5, 24), ("first", "日", 7, 32),
]  # fmt: skip
TEMPERATURES = (0.3, 1.0, 2.0)


def made() -> tuple[RNNLM, Words]:
    """Random weights so large that what was read matters; what is not Han is likelier than Han."""
    draw = Generator().manual_seed(0)
    han = [*GIVEN, "〇", "𠀋", "\uf900", *(chr(0x4E00 + n) for n in range(300))]
    others = [UNK, START, END, "，", "。", "A", "、", "？", "□", "々"]
    words = Words(dict.fromkeys([*others, *han]))
    model = RNNLM(len(words), LSTM, 32, 32, 2, tied=True, generator=draw)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(0.6 * torch.randn(weight.shape, generator=draw))
        model.readout.bias *= 0.3
        model.readout.bias[: len(others)] += 2
    return model, words


def is_han(symbol: str) -> bool:
    """Is it one Chinese character, and neither a sign nor a word of several letters?"""
    name = unicodedata.name(symbol, "") if len(symbol) == 1 else ""
    return symbol == "〇" or name.startswith(("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH"))


class Poet:
    """The model, in float64, and what the form of a quatrain leaves of its probabilities."""

    def __init__(self, model: nn.Module, symbols: tuple[str, ...]):
        self.model, self.symbols = model.double(), symbols
        self.number = {symbol: k for k, symbol in enumerate(symbols)}
        self.han = torch.tensor([is_han(symbol) for symbol in symbols])

    def logits(self, text: str) -> Tensor:
        """After START and a text, (K,)."""
        numbers = [self.number[symbol] for symbol in (START, *text)]
        return self.model(torch.tensor([numbers]))[0][0, -1]

    def mask(self, how: str, given: str, width: int, place: int) -> Tensor:
        """What may stand at a place of the poem, (K,)."""
        line, at = divmod(place, width + 1)
        only = torch.zeros(len(self.symbols), dtype=torch.bool)
        if line == len(SIGNS):
            only[self.number[END]] = True
        elif at == width:
            only[self.number[SIGNS[line]]] = True
        elif at == 0 and how == "acrostic":
            only[self.number[given[line]]] = True
        else:
            return self.han
        return only

    def write(self, how: str, given: str, width: int, length: int) -> str:
        """A poem's first characters, greedily."""
        text = ""
        typed = "" if how == "acrostic" else "".join(c for c in given if c not in SIGNS)
        for place in range(length):
            mask = self.mask(how, given, width, place)
            if mask is self.han and typed:
                text, typed = text + typed[0], typed[1:]
                continue
            text += self.symbols[self.logits(text).where(mask, -torch.inf).argmax()]
        return text

    def likely(self, how: str, given: str, width: int, place: int) -> dict[str, Any]:
        """By temperature: the likeliest that the form allows, and how much it allows in all."""
        logits = self.logits(text := self.write(how, given, width, place))
        mask = self.mask(how, given, width, place)
        found: dict[str, Any] = {}
        for temperature in TEMPERATURES:
            p = (logits.where(mask, -torch.inf) / temperature).softmax(0)
            top = p.topk(LIKELY)
            at = [n for n in range(LIKELY) if top.values[n] > 0]
            found[str(temperature)] = {
                "letters": [self.symbols[top.indices[n]] for n in at],
                "p": top.values[at].tolist(),
                "entropy": -(p * p.clamp_min(1e-300).log2()).sum().item(),
                "own": (logits / temperature).softmax(0)[mask].sum().item(),
            }
        return {"how": how, "given": given, "form": width, "text": text, "at": found}


@torch.no_grad()
def expected(path: Path) -> dict[str, Any]:
    """All numbers of one weights file."""
    model, vocabulary, _ = checkpoints.load_model(path)
    assert isinstance(model, RNNLM)
    poet = Poet(model, tuple(vocabulary.symbols))
    numbers = torch.randint(model.K, (LENGTH,), generator=Generator().manual_seed(1))
    return {
        "han": poet.han.nonzero()[:, 0].tolist(),
        "numbers": numbers.tolist(),
        "logits": poet.model(numbers[None])[0][0].tolist(),  # (LENGTH, K)
        "poems": [
            {"how": how, "given": given, "form": width, "text": poet.write(how, given, width, 4 * (width + 1))}
            for how, given, width in POEMS
        ],
        "places": [poet.likely(*place) for place in PLACES],
    }  # fmt: skip


def main() -> None:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tang_made.safetensors"
        checkpoints.save_model(path, *made(), {"corpus": "none"}, torch.int8)
        found[path.stem] = expected(path) | {"script": page_weights.script(path.stem, path)}
    for path in sorted((data_dir() / "weights").glob("tang_*.safetensors")):
        found[path.stem] = expected(path)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
