"""Tests of complete linkage: each member of a group matches all the others."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from gadolin.duplicates.complete_linkage import complete_linkage
from gadolin.duplicates.components import Components


def grouped(count, scores, threshold=0.9):
    """Group by given correlations, {(first, second): correlation}; the default is 0."""
    pairs = [(score, *pair) for pair, score in scores.items() if score > threshold]
    return complete_linkage(count, pairs, lambda asked: all(scores.get(pair, 0.0) > threshold for pair in asked))


def test_a_chain_is_cut_at_its_weakest_link():
    assert grouped(3, {(0, 1): 0.99, (1, 2): 0.95, (0, 2): 0.5}).roots() == [0, 0, 2]
    assert grouped(3, {(0, 1): 0.95, (1, 2): 0.99, (0, 2): 0.5}).roots() == [0, 1, 1]


def test_slices_that_all_pass_stay_together():
    assert grouped(3, {(0, 1): 0.99, (1, 2): 0.95, (0, 2): 0.91}).roots() == [0, 0, 0]


def test_two_groups_become_one_only_if_all_their_members_pass():
    pairs = {(0, 1): 0.99, (2, 3): 0.99, (1, 2): 0.95, (0, 2): 0.92, (0, 3): 0.92, (1, 3): 0.92}
    assert grouped(4, pairs).roots() == [0, 0, 0, 0]
    assert grouped(4, pairs | {(0, 3): 0.1}).roots() == [0, 0, 2, 2]


def test_a_pair_that_was_no_candidate_is_proved_when_it_matters():
    asked = []

    def pass_all(pairs):
        asked.extend(pairs)
        return True

    assert complete_linkage(3, [(0.99, 0, 1), (0.98, 1, 2)], pass_all).roots() == [0, 0, 0]
    assert (0, 2) in asked
    assert all(first < second for first, second in asked)


def test_of_very_large_groups_a_sample_is_proved():
    asked = []

    def pass_all(pairs):
        asked.append(len(pairs))
        return True

    chain = [(1.0, 0, number) for number in range(1, 100)] + [(1.0, 100, number) for number in range(101, 200)]
    assert len(complete_linkage(200, [*chain, (0.95, 0, 100)], pass_all).sets()) == 1
    assert max(asked) == 256


def test_nothing_and_nobody_are_grouped():
    assert grouped(0, {}).roots() == []
    assert grouped(2, {}).roots() == [0, 1]


SCORES = st.dictionaries(
    st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] < pair[1]),
    st.floats(0, 1),
    max_size=28,
)


@given(SCORES)
def test_any_two_of_a_group_pass_and_no_two_groups_could_be_one(scores):
    sets = grouped(8, scores).sets()
    assert sorted(number for one in sets for number in one) == list(range(8))
    for one in sets:
        assert all(scores.get(pair, 0.0) > 0.9 for pair in combinations(one, 2))
    for one, other in combinations(sets, 2):
        between = [(min(pair), max(pair)) for pair in ((a, b) for a in one for b in other)]
        assert not all(scores.get(pair, 0.0) > 0.9 for pair in between)


@given(SCORES, st.randoms())
def test_the_order_of_the_pairs_does_not_matter(scores, random):
    shuffled = list(scores.items())
    random.shuffle(shuffled)
    assert grouped(8, dict(shuffled)).roots() == grouped(8, scores).roots()


@given(SCORES)
def test_groups_never_reach_beyond_what_pairs_join(scores):
    joined = Components(8)
    for pair, score in scores.items():
        if score > 0.9:
            joined.join(*pair)
    assert all(joined.root(number) == joined.root(root) for number, root in enumerate(grouped(8, scores).roots()))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15))
def test_joined_numbers_share_the_smallest_of_their_set(pairs):
    sets = Components(10)
    expected = {number: {number} for number in range(10)}
    for one, other in pairs:
        sets.join(one, other)
        union = expected[one] | expected[other]
        expected.update(dict.fromkeys(union, union))
    assert sets.roots() == [min(expected[number]) for number in range(10)]
    assert sets.sets() == sorted(map(list, {tuple(sorted(one)) for one in expected.values()}))


def test_the_sets_of_some_numbers_hold_no_others():
    sets = Components(5)
    sets.join(0, 3)
    sets.join(1, 4)
    assert sets.sets([4, 3, 1]) == [[1, 4], [3]]
