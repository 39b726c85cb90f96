"""Rhyme and tone against what is known of famous quatrains, and of the poems of the Tang."""

import os
import re

import numpy as np
import pytest

from rnnlib import corpora, prosody

STORK = ["白日依山盡", "黃河入海流", "欲窮千里目", "更上一層樓"]  # Wang Zhihuan, by the rules
MOUNTAIN = ["遠上寒山石徑斜", "白雲生處有人家", "停車坐愛楓林晚", "霜葉紅於二月花"]  # Du Mu


def test_sounds_of_a_few_characters():
    assert [prosody.pinyin(c) for c in "山東月了"] == ["shān", "dōng", "yuè", "liǎo"]
    assert prosody.pinyin("x") is None and prosody.pinyin("，") is None
    assert prosody.readings("月") == {("元", "entering")}
    assert prosody.readings("中") == {("東", "level"), ("東", "departing")}
    assert prosody.readings("峰") == prosody.readings("峯") == {("冬", "level")}
    assert prosody.readings("？") == frozenset()


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        *[("斜", "家", True), ("家", "花", True), ("流", "樓", True)],
        ("東", "冬", False),  # both dōng today
        ("青", "清", False),  # both qīng today
        ("間", "寒", False),
        ("山", "產", False),  # one rhyme, two tones
        ("東", "？", None),
    ],
)
def test_rhyme(a, b, expected):
    assert prosody.rhyme(a, b) is expected
    assert prosody.rhyme(b, a) is expected


def test_level_and_oblique():
    assert [prosody.level(c) for c in "山海夜日"] == [True, False, False, False]
    assert prosody.level("看") is None and prosody.level("x") is None  # it is both; unknown


def test_every_reading_has_one_of_four_tones_and_thirty_groups_have_a_level_one():
    every = {r for c in prosody._rhymes() for r in prosody.readings(c)}
    assert {tone for _, tone in every} == {"level", "rising", "departing", "entering"}
    assert len({group for group, tone in every if tone == "level"}) == 30
    assert len(every) == 108


def test_form_of_a_famous_quatrain():
    assert prosody.form([STORK]) == {
        "rhyme": (1, 1), "alternate": (4, 4), "oppose": (2, 2), "adhere": (1, 1)
    }  # fmt: skip
    assert prosody.form([MOUNTAIN])["rhyme"] == (1, 1)


def test_form_counts_what_breaks_and_leaves_out_what_it_cannot_tell():
    broken = [STORK[0], STORK[2], STORK[1], STORK[3]]  # 目 and 樓; 窮 before 河
    assert prosody.form([STORK, broken])["rhyme"] == (1, 2)
    assert prosody.form([["白日依海盡", *STORK[1:]]])["alternate"] == (3, 4)
    assert prosody.form([["白看依山盡", *STORK[1:]]]) == {
        "rhyme": (1, 1), "alternate": (3, 3), "oppose": (1, 1), "adhere": (1, 1)
    }  # fmt: skip
    assert prosody.form([["白河依山盡", *STORK[1:]]])["oppose"] == (1, 2)
    assert prosody.form([[STORK[0], "黃日入海流", *STORK[2:]]])["adhere"] == (0, 1)
    # the even places of a line of seven: 日 oblique, 山 level
    for line, hits in (("白日白山白日白", 4), ("白日白山白山白", 0), ("白日白日白山白", 0)):
        assert prosody.form([[line] * 4])["alternate"] == (hits, 4)


def test_share():
    assert prosody.Share(1, 4).value == 0.25
    assert np.isnan(prosody.form([])["rhyme"].value)


@pytest.mark.parametrize("bad", [STORK[:3], [*STORK[:3], "更上一層"], ["山山山"] * 4])
def test_what_is_no_quatrain_is_refused(bad):
    with pytest.raises(ValueError, match="poems must have 4 lines of one length"):
        prosody.form([bad])


def test_shuffled_keeps_places_and_lengths():
    poems = [[f"{i}{k}abc" for k in "wxyz"] for i in range(9)] + [MOUNTAIN]
    dealt = prosody.shuffled(poems, seed=3)
    assert dealt[9] == MOUNTAIN  # the only one with seven
    for line in range(4):
        for place in range(5):
            before, after = (sorted(p[line][place] for p in ps[:9]) for ps in (poems, dealt))
            assert before == after
    assert dealt != poems and dealt == prosody.shuffled(poems, seed=3)
    assert dealt != prosody.shuffled(poems, seed=4)
    assert any(len({p[k][0] for k in range(4)}) > 1 for p in dealt[:9])  # lines part company


def quatrains(name: str) -> list[list[str]]:
    found = []
    for poem in corpora.load(name):
        lines = re.split("[，。]", "".join(poem["paragraphs"]))[:-1]
        if len(lines) == 4 and [len(x) for x in lines] in ([5] * 4, [7] * 4):
            found.append(lines)
    return found


def test_our_quatrains_rhyme_as_the_old_ones():
    found = prosody.form(quatrains("quatrains"))
    assert found["rhyme"] == (160, 160)
    assert all(share.value > 0.9 for share in found.values())


def test_old_quatrains_rhyme_and_shuffled_ones_do_not():
    if not os.environ.get("RNNLIB_DATA_MIRROR"):
        pytest.skip("RNNLIB_DATA_MIRROR is not set: the real corpora are not here")
    poems = quatrains("tang300")
    rhyme, chance = (prosody.form(p)["rhyme"] for p in (poems, prosody.shuffled(poems, seed=0)))
    assert rhyme.of > 100 and rhyme.value > 0.93
    assert chance.value < 0.15
