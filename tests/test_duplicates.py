"""Near-duplicates: shingles, their similarity, groups, and a split that keeps groups whole."""

import pytest
from helpers import seeded

from rnnlib.text import groups_of, near_duplicates, shingles, split_groups


def test_shingles_are_the_characters_in_a_row() -> None:
    assert shingles("abcab", 2) == {"ab", "bc", "ca"}
    assert shingles("ab", 2) == {"ab"} and shingles("a", 2) == {"a"}


def test_similarity_is_the_share_of_what_either_has() -> None:
    sets = [shingles(text, 2) for text in ("abcd", "xyz", "abce", "wxyz", "abcd")]
    #   ab bc cd; xy yz; ab bc ce; wx xy yz; ab bc cd
    expected = [(0, 2, 2 / 4), (1, 3, 2 / 3), (0, 4, 1.0), (2, 4, 2 / 4)]
    assert near_duplicates(sets, 0.1) == expected
    assert near_duplicates(sets, 0.5) == expected
    assert near_duplicates(sets, 0.51) == expected[1:3]
    assert near_duplicates(sets, 1.0) == expected[2:3]


@pytest.mark.parametrize("threshold", [0.0, 1.1])
def test_a_threshold_is_a_share(threshold) -> None:
    with pytest.raises(ValueError, match="threshold must be"):
        near_duplicates([], threshold)


def test_pairs_of_pairs_are_one_group() -> None:
    assert groups_of(7, [(5, 6), (1, 4), (2, 5), (4, 6)]) == [[0], [1, 2, 4, 5, 6], [3]]
    assert groups_of(3, []) == [[0], [1], [2]]
    assert groups_of(4, [(0, 1), (2, 3), (0, 1)]) == [[0, 1], [2, 3]]


def test_a_split_has_all_numbers_once_and_groups_whole() -> None:
    pairs = [(k, k + 1) for k in range(0, 300, 3)]
    groups = groups_of(1000, pairs)
    parts = split_groups(groups, (0.9, 0.05, 0.05), seeded(1))
    assert sorted(k for part in parts for k in part) == list(range(1000))
    sides = {k: side for side, part in enumerate(parts) for k in part}
    assert all(sides[j] == sides[k] for j, k in pairs)
    assert all(part == sorted(part) for part in parts)
    sizes = [len(part) for part in parts]
    assert 900 <= sizes[0] <= 901 and 48 <= sizes[1] <= 51
    assert parts != split_groups(groups, (0.9, 0.05, 0.05), seeded(2))
    assert parts == split_groups(groups, (0.9, 0.05, 0.05), seeded(1))
    apart = split_groups(groups_of(1000, []), (0.9, 0.05, 0.05), seeded(1))
    assert [len(part) for part in apart] == [900, 50, 50]
    sides = {k: side for side, part in enumerate(apart) for k in part}
    assert any(sides[j] != sides[k] for j, k in pairs)  # what the groups prevent


def test_shares_are_of_all() -> None:
    with pytest.raises(ValueError, match="shares must have sum 1, got "):
        split_groups([[0]], (0.4, 0.5))
