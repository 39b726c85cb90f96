"""Poems: what cleaning takes out, forms, writing that keeps one, and lines that are copied."""

from typing import Any

import pytest
import torch
from helpers import seeded

from rnnlib import LSTM, poems
from rnnlib.models import RNNLM
from rnnlib.text import END, START, UNK, Characters

QUIET = "床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。"  # 24 characters
SEVEN = "朝辭白帝彩雲間，千里江陵一日還。兩岸猿聲啼不住，輕舟已過萬重山。"  # 32
LONG = "白日依山盡，黃河入海流。" * 4  # 48
VOCABULARY = Characters([UNK, START, END, *sorted({*QUIET, *SEVEN})])


def model(seed: int = 1) -> RNNLM:
    made = RNNLM(len(VOCABULARY), LSTM, 5, 6, generator=seeded(seed))
    made.embedding.weight.data *= 30  # so that what was read matters
    made.readout.weight.data *= 20
    return made


def test_each_step_of_cleaning_takes_out_what_it_says_and_counts_it() -> None:
    texts = [
        "",
        QUIET,
        "床前（一作「牀」）明月光，疑是地上霜。舉頭望明月，低頭思故鄉。",
        "床前明月光[一]，疑是地上霜。舉頭望明月，低頭思□鄉。",  # the first step that applies
        "床前明月光，疑是地上霜。舉頭望明月，低頭思□鄉。",
        "囗前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。",
        "床前明月光，疑是地上霜。舉頭望明月，低頭思\ue829鄉。",
        "床前明月光，疑是地上霜。舉頭望明月，「低頭思故鄉。",
        "床前明月光，疑是地上霜。舉頭望明月，低頭思A鄉。",
        QUIET[:12],
        QUIET[:-1],
        LONG + "白日。",  # 51
        LONG[:-1] + "，日。",  # 50
        LONG,
        SEVEN,
        QUIET.replace("。", "！"),
        QUIET,
    ]
    cleaned = poems.clean(texts)
    assert cleaned.poems == [QUIET, texts[12], LONG, SEVEN]
    assert cleaned.dropped == {
        "empty": 1, "brackets": 2, "missing": 2, "private use": 1, "other signs": 2, "short": 2,
        "long": 1, "same": 2,
    }  # fmt: skip
    assert list(cleaned.dropped) == [
        "empty", "brackets", "missing", "private use", "other signs", "short", "long", "same"
    ]  # fmt: skip
    assert poems.clean(texts, least=12, most=24).poems == [QUIET, texts[9]]
    with pytest.raises(ValueError, match="most must be at least 24, got 23"):
        poems.clean(texts, most=23)
    with pytest.raises(TypeError, match="texts must be an iterable of str"):
        poems.clean([3])  # type: ignore[list-item]


@pytest.mark.parametrize("character", ["日", "𧽼", "〇", "㐀", "豈"])
def test_characters_of_all_blocks_are_han(character) -> None:
    assert poems.is_han(character) and poems.han(f"A{character}，{character}") == 2 * character


@pytest.mark.parametrize("sign", ["，", "○", "A", "", "日日", "\ue829", UNK, "「", "ー"])
def test_signs_are_not(sign) -> None:
    assert not poems.is_han(sign)


def test_lines_stand_between_marks() -> None:
    assert poems.lines(QUIET) == ["床前明月光", "疑是地上霜", "舉頭望明月", "低頭思故鄉"]
    assert poems.lines("日、月！山？") == ["日", "月", "山"] and poems.lines("。") == []


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (QUIET, 5),
        (SEVEN, 7),
        (QUIET.replace("光，", "光。"), None),
        (QUIET[:-1], None),
        (QUIET + "日", None),
        (QUIET.replace("床前", "床"), None),
        (LONG, None),
        (SEVEN.replace("千里", "千A"), None),
        ("床前明月，疑是地上。舉頭望明，低頭思故。", None),
        ("", None),
    ],
)
def test_a_quatrain_has_four_lines_of_five_or_seven(text, form) -> None:
    assert poems.form_of(text) == form


def test_the_mask_allows_what_the_form_has_at_each_place_and_nothing_else() -> None:
    may = poems.allowed(5, VOCABULARY)
    assert may.shape == (25, len(VOCABULARY))
    for place, row in enumerate(may):
        symbols = {VOCABULARY.symbols[k] for k in row.nonzero()[:, 0].tolist()}
        if place == 24:
            assert symbols == {END}
        elif place % 6 == 5:
            assert symbols == {QUIET[place]}
        else:
            assert symbols == {*QUIET, *SEVEN} - {"，", "。"}
    assert poems.places(7) == ["" if poems.is_han(c) else c for c in SEVEN]
    with pytest.raises(ValueError, match=r"form must be one of \(5, 7\), got 6"):
        poems.places(6)
    with pytest.raises(ValueError, match="vocabulary must hold '。', it does not"):
        poems.allowed(5, Characters([UNK, START, END, "，", "日"]))


@pytest.mark.parametrize("form", poems.FORMS)
@pytest.mark.parametrize("temperature", [0.0, 1.0, 50.0])
def test_what_is_written_has_the_form_whatever_the_model_would_rather_do(form, temperature) -> None:
    made = model()
    for symbol in (UNK, START, END, "，"):  # what it wants most
        made.readout.bias.data[VOCABULARY.symbols.index(symbol)] = 30.0
    for seed in range(5):
        text = poems.write(made, VOCABULARY, form, temperature=temperature, seed=seed)
        assert poems.form_of(text) == form


def test_a_poem_is_drawn_from_the_models_probabilities_of_what_is_allowed() -> None:
    """By hand: at each place all logits after all that stands before, masked."""
    made, generator, text = model(), seeded(3), ""
    may = poems.allowed(7, VOCABULARY)
    for place, mark in enumerate(poems.places(7)):
        logits = made(VOCABULARY.encode(START + text)[None])[0][0, -1].detach()
        p = (logits.double() / 0.7).exp() * may[place]
        p, order = (p / p.sum()).sort(descending=True, stable=True)
        p = torch.where(torch.arange(len(p)) < 4, p, 0.0)
        whole = torch.zeros_like(p).scatter(0, order, p / p.sum())
        text += mark or VOCABULARY.symbols[int(torch.multinomial(whole, 1, generator=generator))]
    options: Any = dict(temperature=0.7, top_k=4)
    assert poems.write(made, VOCABULARY, 7, seed=3, **options) == text
    going_on = seeded(3)
    assert poems.write(made, VOCABULARY, 7, seed=going_on, **options) == text
    assert poems.write(made, VOCABULARY, 7, seed=going_on, **options) != text


def test_a_beginning_and_an_acrostic_stand_where_they_should_and_are_read() -> None:
    made = model()
    assert poems.write(made, VOCABULARY, 5, beginning="月").startswith("月")
    long = poems.write(made, VOCABULARY, 5, beginning="明月千山山日")
    assert long.startswith("明月千山山，日") and poems.form_of(long) == 5
    whole = poems.write(made, VOCABULARY, 5, beginning=poems.han(QUIET))
    assert whole == QUIET
    for form in poems.FORMS:
        text = poems.write(made, VOCABULARY, form, acrostic="日月江山")
        assert [line[0] for line in poems.lines(text)] == [*"日月江山"]
        assert poems.form_of(text) == form
    first = [poems.write(made, VOCABULARY, 5, beginning=c, temperature=0)[1:] for c in "日月江山"]
    assert len({*first}) > 1  # what comes depends on it


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"beginning": "A"}, "beginning must be Han characters, got 'A'"),
        ({"beginning": "月，"}, "beginning must be Han characters, got '，'"),
        ({"beginning": "龍"}, "beginning must be characters that the model knows, '龍' is none"),
        ({"acrostic": "日月龍山"}, "acrostic must be characters that the model knows, '龍'"),
        ({"beginning": "月" * 21}, "beginning must be at most 20 characters, got 21"),
        ({"acrostic": "日月山"}, "acrostic must be 4 characters and without a beginning, got '日月山'"),
        ({"acrostic": "日月江山", "beginning": "日"}, "without a beginning, .* beginning='日'"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_named(given, message) -> None:
    with pytest.raises(ValueError, match=message):
        poems.write(model(), VOCABULARY, 5, **given)


def test_copied_lines_and_four_in_a_row_are_counted() -> None:
    written = [
        "床前明月光，疑是天上霜。低頭思故鄉，舉頭望日月。",  # two copied; no four; no four
        "明月光疑是，故是地上霜。頭望明月天，思故鄉低頭。",  # not across lines; four; four; no
    ]
    assert poems.copied(written, [QUIET, SEVEN]) == {"lines": 8, "copied": 2, "in_row": 4}
    assert poems.copied(written, [QUIET], n=3)["in_row"] == 7
    assert poems.copied(written, []) == {"lines": 8, "copied": 0, "in_row": 0}
