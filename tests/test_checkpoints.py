"""The weights file: there and back, and what is refused."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import seal_weights
import torch
from helpers import same, seeded
from safetensors import safe_open

from rnnlib import GRU, LSTM, RNN, PhasedLSTM, checkpoints, paths, tensorfiles
from rnnlib.checkpoints import load_model, save_model
from rnnlib.models import RNNLM, CharacterModel
from rnnlib.text import END, START, UNK, Characters, Vocabulary, Words

VOCABULARY = Vocabulary("\n abcd’“日")
SETTINGS = {"corpus": "grimm", "steps": 5, "lr": 2e-3, "seed": 1}
NUMBERS = torch.randint(len(VOCABULARY), (2, 9), generator=seeded())


def half_written(path: Path, data: bytes) -> None:
    """As on a full disk."""
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])
    raise OSError("no space left on device")


def made(embedding: int | None = None) -> CharacterModel:
    return CharacterModel(len(VOCABULARY), 6, 3, embedding=embedding, generator=seeded(3))


@pytest.mark.parametrize("embedding", [None, 4])
@pytest.mark.parametrize("dtype", [d for d in checkpoints.DTYPES if d.is_floating_point])
def test_what_was_saved_comes_back(tmp_path, dtype, embedding) -> None:
    path = tmp_path / "w.safetensors"
    save_model(path, made(embedding), VOCABULARY, SETTINGS, dtype)
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]
    model, vocabulary, settings = load_model(path)
    assert vocabulary.symbols == VOCABULARY.symbols
    assert settings == SETTINGS
    expected = made(embedding).to(dtype).float()
    assert model.state_dict().keys() == expected.state_dict().keys()
    assert same(model.state_dict().values(), expected.state_dict().values())
    assert torch.equal(model(NUMBERS)[0], expected(NUMBERS)[0])


def test_the_file_holds_rnnlibs_names_whoever_computed(tmp_path) -> None:
    save_model(tmp_path / "fast", made().fast(), VOCABULARY, SETTINGS)
    save_model(tmp_path / "plain", made(), VOCABULARY, SETTINGS)
    assert (tmp_path / "fast").read_bytes() == (tmp_path / "plain").read_bytes()
    with safe_open(tmp_path / "fast", framework="pt") as file:
        names = set(file.keys())
        about = json.loads(file.metadata()["rnnlib_model"])
    cells = {f"rnn.cells.{k}.{w}" for k in (0, 1, 2) for w in ("W_x", "W_h", "b")}
    assert names == cells | {"readout.weight", "readout.bias"}
    assert len(about.pop("sha256")) == 64 and about.pop("format") == 2
    assert about == {
        "symbols": VOCABULARY.symbols, "H": 6, "num_layers": 3, "embedding": None,
        "settings": SETTINGS,
    }  # fmt: skip


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
@pytest.mark.parametrize("tied", [True, False])
def test_a_model_of_words_comes_back_with_its_words_and_ties(tmp_path, kind, tied) -> None:
    words = Words([UNK, END, "once", "upon", "a"])
    model = RNNLM(5, kind, 6, 6, 2, tied=tied, dropout=0.5, generator=seeded(2))
    save_model(tmp_path / "w", model, words, SETTINGS, torch.float32)
    with safe_open(tmp_path / "w", framework="pt") as file:
        assert ("readout.weight" in file.keys()) is not tied
    found, vocabulary, settings = load_model(tmp_path / "w")
    assert isinstance(found, RNNLM) and isinstance(vocabulary, Words)
    assert vocabulary.symbols == words.symbols and settings == SETTINGS
    assert (found.readout.weight is found.embedding.weight) is tied
    assert len(list(found.parameters())) == len(list(model.parameters()))
    numbers = NUMBERS % 5
    assert torch.equal(found(numbers)[0], model.eval()(numbers)[0])


def test_a_model_of_characters_comes_back_with_their_vocabulary(tmp_path) -> None:
    characters = Characters([UNK, START, END, "日", "月"])
    model = RNNLM(5, LSTM, 6, 6, tied=True, generator=seeded(2))
    save_model(tmp_path / "w", model, characters, SETTINGS, torch.int8)
    _, vocabulary, settings = load_model(tmp_path / "w")
    assert type(vocabulary) is Characters and vocabulary.symbols == characters.symbols
    assert vocabulary.encode("日月").tolist() == [3, 4] and settings == SETTINGS
    with safe_open(tmp_path / "w", framework="pt") as file:
        assert json.loads(file.metadata()["rnnlib_model"])["vocabulary"] == "Characters"


def test_a_layer_that_no_file_can_name_is_refused(tmp_path) -> None:
    model = RNNLM(2, PhasedLSTM, 3, 3)
    with pytest.raises(ValueError, match=r"the model's kind must be one of .* got 'PhasedLSTM'"):
        save_model(tmp_path / "w", model, Words([UNK, END]), SETTINGS)


def test_saving_and_loading_change_nothing_else(tmp_path) -> None:
    """Neither the model nor torch's generator, and what was loaded trains and outlives its file."""
    model, path = made(4), tmp_path / "w"
    weights = dict(model.named_parameters())
    before = {name: w.detach().clone() for name, w in weights.items()}
    generator = torch.get_rng_state()
    save_model(path, model, VOCABULARY, SETTINGS, torch.float32)
    loaded, _, _ = load_model(path)
    assert torch.equal(generator, torch.get_rng_state())
    assert all(w is weights[name] for name, w in model.named_parameters())
    path.write_bytes(bytes(path.stat().st_size))
    for name, w in loaded.named_parameters():
        assert torch.equal(w, before[name]) and torch.equal(weights[name], before[name])
        assert w.requires_grad and w.dtype == torch.float32 and w.device.type == "cpu"
    loaded(NUMBERS)[0].sum().backward()
    assert all(w.grad is not None for w in loaded.parameters())


def test_settings_of_any_text_come_back(tmp_path) -> None:
    """Also a file's name that is no valid text, as Python reads it from the system."""
    settings = {"corpus": b"caf\xe9 \xf0\x9f\x98\x80".decode(errors="surrogateescape"), "“": "日"}
    save_model(tmp_path / "w", made(), VOCABULARY, settings)
    assert load_model(tmp_path / "w")[2] == settings


def test_a_file_that_claims_a_huge_model_takes_no_room_for_it(tmp_path) -> None:
    about = {"symbols": "ab", "H": 2**20, "num_layers": 1, "embedding": None, "settings": {}}
    for claim in ({}, {"num_layers": 10**9}):  # a recurrent matrix of 16 TB, and 10^9 layers
        tensors = {"readout.bias": torch.zeros(2)}
        tensorfiles.save(tmp_path / "w", tensors, about | claim, checkpoints.KEY)
        match = r"path must be a weights file .*must (have the model's shape|be at most its 1)"
        with pytest.raises(ValueError, match=match):
            load_model(tmp_path / "w")


def test_half_precision_takes_half_the_room(tmp_path) -> None:
    model = CharacterModel(len(VOCABULARY), 128)
    sizes = []
    for dtype in (torch.float16, torch.float32):
        save_model(tmp_path / "w", model, VOCABULARY, {}, dtype)
        sizes.append((tmp_path / "w").stat().st_size)
    assert sizes[0] / sizes[1] == pytest.approx(0.5, abs=0.01)


def test_eight_bits_move_no_weight_by_more_than_half_a_step(tmp_path) -> None:
    model = RNNLM(5, LSTM, 6, 6, 2, tied=True, generator=seeded(2))
    model.embedding.weight.data[3] = 0.0
    save_model(tmp_path / "w", model, Words([UNK, END, "once", "upon", "a"]), {}, torch.int8)
    found, _, _ = load_model(tmp_path / "w")
    assert found.readout.weight is found.embedding.weight
    pairs = list(zip(found.parameters(), model.parameters(), strict=True))
    for got, W in pairs:
        step = W.abs().amax(dim=-1, keepdim=True) / 127 if W.ndim == 2 else torch.zeros(1)
        assert ((got - W).abs() <= 0.501 * step).all()
        assert W.ndim == 1 or not torch.equal(got, W)
    rounded = found.embedding.weight[0] / found.embedding.weight[0].abs().max() * 127
    assert torch.allclose(rounded, rounded.round(), atol=1e-4)
    assert not found.embedding.weight[3].any()


def test_eight_bits_take_a_quarter_of_the_room_and_refuse_what_is_not_finite(tmp_path) -> None:
    model = CharacterModel(len(VOCABULARY), 128)
    sizes = []
    for dtype in (torch.int8, torch.float32):
        save_model(tmp_path / "w", model, VOCABULARY, {}, dtype)
        sizes.append((tmp_path / "w").stat().st_size)
    assert sizes[0] / sizes[1] == pytest.approx(0.25, abs=0.02)
    model.readout.weight.data[0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"finite in torch.int8, got readout\.weight"):
        save_model(tmp_path / "w", model, VOCABULARY, SETTINGS, torch.int8)


def test_a_weight_that_half_precision_cannot_hold_is_refused(tmp_path) -> None:
    model = made()
    model.readout.bias.data[0] = 1e5
    with pytest.raises(ValueError, match=r"model .*float16, got readout\.bias"):
        save_model(tmp_path / "w", model, VOCABULARY, SETTINGS)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch) -> None:
    path = tmp_path / "w"
    save_model(path, made(), VOCABULARY, SETTINGS)
    before = path.read_bytes()

    monkeypatch.setattr(Path, "write_bytes", half_written)
    with pytest.raises(OSError, match="no space"):
        save_model(path, made(4), VOCABULARY, SETTINGS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "spoil", ["garbage", "empty", "half", "other", "size", "symbols", "settings"]
)
def test_a_file_that_is_no_weights_file_is_refused(tmp_path, spoil) -> None:
    path = tmp_path / "w"
    save_model(path, made(), VOCABULARY, SETTINGS)
    data = path.read_bytes()
    if spoil == "other":  # as a training checkpoint is
        safetensors.torch.save_file({"w": torch.zeros(2)}, path, {"rnnlib": "{}"})
    else:
        path.write_bytes(
            {
                "garbage": b"garbage " * 99,
                "empty": b"",
                "half": data[: len(data) // 2],
                "size": data.replace(rb"\"H\": 6", rb"\"H\": 7"),
                "symbols": data.replace(b"abcd", b"abdc"),
                "settings": data.replace(b"settings", b"sittings"),
            }[spoil]
        )
        assert path.read_bytes() != data
    with pytest.raises(ValueError, match=r"path must be a weights file that .*save_model wrote"):
        load_model(path)


def unsealed(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and plain data of a file, to be changed and sealed again."""
    tensors, about = tensorfiles.load(path, checkpoints.KEY)
    return {name: tensor.clone() for name, tensor in tensors.items()}, about


SHIPPED = sorted((paths.data_dir() / "weights").glob("*.safetensors"))


@pytest.mark.parametrize("kind", ["float16", "words in int8"])
def test_no_flipped_bit_and_no_missing_end_goes_unnoticed(tmp_path, kind) -> None:
    path = tmp_path / "w"
    if kind == "float16":
        save_model(path, made(), VOCABULARY, SETTINGS)
    else:
        words = Words([UNK, END, "once", "upon", "a"])
        save_model(path, RNNLM(5, LSTM, 6, 6, tied=True), words, SETTINGS, torch.int8)
    data, draw = path.read_bytes(), random.Random(0)
    for _ in range(200):
        damaged, place = bytearray(data), draw.randrange(8 * len(data))
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"path must be a weights file .*, got .*w: "):
            load_model(path)
    for length in range(0, len(data), 97):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"path must be a weights file .*, got .*w: "):
            load_model(path)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_weights_of_the_book_carry_a_checksum(path, tmp_path) -> None:
    data = bytearray(path.read_bytes())
    load_model(path)
    data[-1] ^= 1
    (tmp_path / "w").write_bytes(data)
    with pytest.raises(ValueError, match="w is damaged or was changed: its checksum does not fit"):
        load_model(tmp_path / "w")


def test_a_weights_file_of_an_older_rnnlib_is_refused_until_it_is_sealed(tmp_path) -> None:
    path = tmp_path / "w"
    save_model(path, made(), VOCABULARY, SETTINGS)
    (tensors, about), data = unsealed(path), path.read_bytes()
    safetensors.torch.save_file(tensors, path, {checkpoints.KEY: json.dumps(about)})
    with pytest.raises(ValueError, match=r"format 1, without a checksum, as an older .* format 2"):
        load_model(path)
    seal_weights.seal(path)
    seal_weights.seal(path)  # is there already
    assert path.read_bytes() == data


def test_a_file_of_a_newer_format_or_of_another_kind_is_refused_in_words(tmp_path) -> None:
    tensorfiles.save(tmp_path / "w", {}, {"format": 3}, checkpoints.KEY)
    with pytest.raises(ValueError, match="w has format 3, and this rnnlib reads format 2"):
        load_model(tmp_path / "w")
    tensorfiles.save(tmp_path / "w", {}, {"dict": []})
    with pytest.raises(ValueError, match=r"w is no file of this kind: it has \['rnnlib'\], not"):
        load_model(tmp_path / "w")


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("readout.bias", lambda w: w.fill_(torch.nan), "readout.bias must be finite"),
        ("readout.bias", lambda w: w.to(torch.int32), r"readout.bias must be of .*int32"),
        ("readout.bias", lambda w: w.to(torch.int8), r"readout.bias.scale .* \(9, 1\), got none"),
        ("readout.bias", lambda w: w[:-1], r"readout.bias must .* shape \(9,\), got \(8,\)"),
        ("readout.bias", None, r"readout.bias must .* shape \(9,\), got none"),
        ("more", lambda w: torch.zeros(3), r"more must have the model's shape none, got \(3,\)"),
        ("readout.bias.scale", lambda w: torch.ones(1, 10**6), r"shape none, got \(1, 1000000\)"),
    ],
)
def test_weights_that_are_not_the_models_are_refused(tmp_path, name, change, said) -> None:
    """Also by a file that is sealed as it should be."""
    path = tmp_path / "w"
    save_model(path, made(), VOCABULARY, SETTINGS)
    tensors, about = unsealed(path)
    before = tensors.pop(name, None)
    if change is not None:
        tensors[name] = change(before)
    tensorfiles.save(path, tensors, about, checkpoints.KEY)
    with pytest.raises(ValueError, match=said):
        load_model(path)


def test_what_a_killed_process_left_beside_the_file_is_removed(tmp_path) -> None:
    """Not what a process that runs has there, nor what lies beside another file."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    stay = [f"w.{os.getppid()}.part", "w.x.part", f"other.{ended.pid}.part", f"ww.{ended.pid}.part"]
    for name in (f"w.{ended.pid}.part", *stay):
        (tmp_path / name).write_text("half")
    save_model(tmp_path / "w", made(), VOCABULARY, SETTINGS)
    assert {path.name for path in tmp_path.iterdir()} == {"w", *stay}


def test_tensors_that_no_file_can_hold_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="tensors cannot be stored"):
        tensorfiles.save(tmp_path / "w", {"w": torch.zeros(2).to_sparse()}, {})
    assert not list(tmp_path.iterdir())
