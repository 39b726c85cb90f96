"""Write data/sounds/rhymes.tsv and pinyin.tsv: how the characters of the Tang poems sound.

Needs two packages that the book does not: `pip install qieyun==0.13.3 pypinyin==0.55.0`.

- Rhymes and tones: the rime dictionary Guangyun (1008), in the transcription that comes with
  qieyun (CC0). It keeps the 206 rhymes of the Qieyun (601). Examinations let poets use some
  rhymes together; merged so, they are the 30 of the level tone in the Pingshui list, and their
  fellows in the three other tones.
- Pinyin: the first reading of pypinyin (MIT), modern Mandarin, but for a few characters that
  verse reads otherwise.
"""

import importlib
import importlib.util
from collections import defaultdict
from pathlib import Path
from typing import Any

from rnnlib import corpora
from rnnlib.paths import data_dir

# Rhymes used together, each by its name in the level tone; the first one names the group.
TOGETHER = (
    "東 冬鍾 江 支脂之 微 魚 虞模 齊祭 泰 佳皆夬 灰咍廢 真眞諄臻 文欣殷 元魂痕 寒桓 "
    "刪山 先仙 蕭宵 肴 豪 歌戈 麻 陽唐 庚耕清 青 蒸登 尤侯幽 侵 覃談 鹽添嚴 咸銜凡"
).split()
GROUP = {rhyme: group[0] for group in TOGETHER for rhyme in group}
TONE = {"平": "level", "上": "rising", "去": "departing", "入": "entering"}

# A character as the poems are printed, and the form of it that the dictionary heads its entry with.
VARIANTS = (
    "閑閒 峰峯 窗窻 魂䰟 衆眾 茲兹 荆荊 劍劒 瀟潚 聯聮 幷并 鞍鞌 斾旆 皓晧 臯皋 廻迴 崑崐 髪髮 "
    "裙帬 烹亨 胸胷 煮煑 着著 隣鄰 秘祕 剎刹 樣㨾 享亯 崙崘 呌叫 匝帀 湧涌 鏁鎖 逈迥 拆坼 煉鍊 "
    "讐讎 玳瑇 恒恆 棋棊 衮袞 敎教 栢柏 粧妝 虬虯 葱蔥 秖祇 耻恥 趂趁 托託 "
    "槁槀 歘欻 飡餐 腮顋 裡裏 卧臥 吴吳"
).split()


# Characters with one reading in speech today and another one in verse.
IN_VERSE = {"了": "liǎo", "着": "zhuó", "的": "dì", "沒": "mò", "還": "huán"}


def used() -> list[str]:
    """Han characters of the basic plane in the Tang poems and in the book's quatrains."""
    poems: list[Any] = [p for n in ("tang", "tang300", "quatrains") for p in corpora.load(n)]
    characters = {c for poem in poems for line in poem["paragraphs"] for c in line}
    return sorted(c for c in characters if "\u3400" <= c <= "\u9fff")


def rhymes(characters: list[str]) -> str:
    """Rows of group, tone and characters, in the order of the dictionary's rhymes."""
    package = importlib.util.find_spec("Qieyun")
    assert package is not None and package.origin is not None
    rows: dict[tuple[str, str], set[str]] = defaultdict(set)
    heads: dict[str, set[tuple[str, str]]] = defaultdict(set)
    book = Path(package.origin).with_name("rhyme_book.csv").read_text(encoding="utf-8")
    for line in book.splitlines()[1:]:
        source, _, _, sound, _, _, printed, corrected = line.split(",")[:8]
        if source == "廣韻":  # a sound ends with its rhyme and its tone
            heads[corrected or printed].add((GROUP[sound[-2]], TONE[sound[-1]]))
    entry = {pair[0]: pair[1] for pair in VARIANTS}
    for c in characters:
        for group_and_tone in heads[entry.get(c, c)]:
            rows[group_and_tone].add(c)
    keys = [(group[0], tone) for group in TOGETHER for tone in TONE.values()]
    return "".join(f"{g}\t{t}\t{''.join(sorted(rows[g, t]))}\n" for g, t in keys if rows[g, t])


def pinyin(characters: list[str]) -> str:
    """Rows of syllable and characters."""
    pypinyin: Any = importlib.import_module("pypinyin")

    rows: dict[str, list[str]] = defaultdict(list)
    for c in characters:
        syllable = IN_VERSE.get(c) or pypinyin.lazy_pinyin(c, style=pypinyin.Style.TONE)[0]
        if syllable != c:  # it gives back what it cannot read
            rows[syllable].append(c)
    return "".join(f"{syllable}\t{''.join(rows[syllable])}\n" for syllable in sorted(rows))


def main() -> None:
    """Write both tables."""
    folder = data_dir() / "sounds"
    folder.mkdir(exist_ok=True)
    characters = used()
    for name, table in (("rhymes", rhymes(characters)), ("pinyin", pinyin(characters))):
        beside = folder / f"{name}.tsv.part"
        beside.write_text(table, encoding="utf-8")
        beside.replace(folder / f"{name}.tsv")


if __name__ == "__main__":
    main()
