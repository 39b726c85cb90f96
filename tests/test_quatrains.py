"""The bundled quatrains: their form, their characters, and that no line is an old one."""

import os
import re
from collections import Counter

import pytest

from rnnlib import corpora

QUATRAINS = corpora.load("quatrains")
HAN = "[\u4e00-\u9fff]"  # the common block, all of it in the BMP
FORM = re.compile(f"({HAN}+)，({HAN}+)。({HAN}+)，({HAN}+)。")

# Frequent characters of the Tang poems in a simplified form that the poems do not have.
SIMPLIFIED = set(
    "万与东丝两临为乐乡书乱亲从会传伤儿兰关兴内军凤别动劳华双发听吴园国圣声处复头学宝对寻将尘尽岁岂师带应开张归当录"
    "忆忧怀怜惊数断旧时晓杨树梦楼横欢残气汉满灯灵爱犹独画离穷红细终经结绝绿缘罗胜节苍荣药萧虚虽见觉论识诗语说谁谢贤贵"
    "车转轻载辞边过还远连迟遗锦镜长门问闲间闻阁阳阴随隐难须题风飘飞饮马骑鱼鸟鸣鹤龙"
)


def lines_of(poem: dict) -> list[str]:
    match = FORM.fullmatch("".join(poem["paragraphs"]))
    assert match, poem
    return list(match.groups())


def test_half_have_five_characters_a_line_and_half_seven():
    lengths = Counter(tuple(map(len, lines_of(poem))) for poem in QUATRAINS)
    assert lengths == {(5, 5, 5, 5): 80, (7, 7, 7, 7): 80}


def test_a_poem_looks_as_in_the_tang_poems():
    for poem in QUATRAINS:
        assert list(poem) == ["title", "paragraphs"]
        assert re.fullmatch(f"{HAN}{{1,6}}", poem["title"])
        assert [line.count("，") for line in poem["paragraphs"]] == [1, 1]
        assert all(line.endswith("。") for line in poem["paragraphs"])


@pytest.mark.parametrize("part", ["title", "line"])
def test_nothing_comes_twice(part):
    parts = [x for p in QUATRAINS for x in ([p["title"]] if part == "title" else lines_of(p))]
    assert [x for x, count in Counter(parts).items() if count > 1] == []


def test_characters_are_traditional():
    text = "".join(poem["title"] + "".join(poem["paragraphs"]) for poem in QUATRAINS)
    assert len(SIMPLIFIED) == 150
    assert SIMPLIFIED & set(text) == set()


def test_no_line_stands_in_the_tang_poems():
    if not os.environ.get("RNNLIB_DATA_MIRROR"):
        pytest.skip("RNNLIB_DATA_MIRROR is not set: the real corpora are not here")
    old = {
        line
        for poem in corpora.load("tang")
        for line in re.split("[^\u3400-\u9fff]+", "".join(poem["paragraphs"]))
    }
    assert "疑是地上霜" in old
    assert old & {line for poem in QUATRAINS for line in lines_of(poem)} == set()
