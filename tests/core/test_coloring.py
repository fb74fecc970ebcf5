from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from jobchaos.core.coloring import Atom, Names, Shaped, match

Rows = Sequence[Shaped]


def row(shape: str, *atoms: str, kind: str = "token") -> Shaped:
    return Shaped(shape, tuple(Atom(kind, atom) for atom in atoms), (shape, *atoms))


def edges(*pairs: str) -> list[Shaped]:
    """An undirected graph: each edge in both directions."""
    return [row("edge", *ends) for pair in pairs for ends in (pair, pair[::-1])]


def colors(rows: Rows, names: Names) -> Counter[object]:
    return Counter((one.shape, *(names[atom] for atom in one.atoms)) for one in rows)


def same(expected: Rows, actual: Rows) -> bool:
    names, others = match(expected, actual)
    assert len(set(names.values())) == len(names), "two atoms must never share a name"
    assert len(set(others.values())) == len(others), "two atoms must never share a name"
    return colors(expected, names) == colors(actual, others)


def brute_force(expected: Rows, actual: Rows) -> bool:
    atoms = sorted({atom for one in expected for atom in one.atoms})
    twins = sorted({atom for one in actual for atom in one.atoms})
    if len(atoms) != len(twins):
        return False
    names = {atom: number for number, atom in enumerate(atoms)}
    wanted = colors(expected, names)
    return any(
        all(atom.kind == twin.kind for atom, twin in zip(atoms, order, strict=True))
        and colors(actual, {twin: names[atom] for atom, twin in zip(atoms, order, strict=True)}) == wanted
        for order in itertools.permutations(twins)
    )


def test_names_may_differ_if_they_do_so_everywhere() -> None:
    expected = [row("user", "s"), row("mail", "s"), row("user", "t"), row("mail", "t")]
    assert same(expected, [row("mail", "x"), row("user", "y"), row("user", "x"), row("mail", "y")])
    assert not same(expected, [row("mail", "x"), row("user", "y"), row("user", "x"), row("mail", "z")])
    assert not same(expected, [row("mail", "x"), row("user", "y"), row("user", "x"), row("mail", "x")])


def test_equal_positions_of_one_row_stay_equal() -> None:
    assert same([row("r", "a", "a")], [row("r", "b", "b")])
    assert not same([row("r", "a", "a")], [row("r", "a", "b")])
    assert not same([row("r", "a", "b")], [row("r", "a", "a")])


def test_atoms_of_different_kinds_are_never_renamed_to_each_other() -> None:
    assert not same([row("r", "a", kind="key")], [row("r", "a", kind="token")])


def test_rows_count() -> None:
    assert not same([row("r", "a"), row("r", "a")], [row("r", "a")])
    assert not same([row("r", "a"), row("r", "a")], [row("r", "a"), row("r", "b")])


def test_nothing_is_like_nothing() -> None:
    assert same([], [])
    assert not same([], [row("r", "a")])


def test_rings_that_refinement_cannot_tell_apart_are_told_apart() -> None:
    ring = edges("ab", "bc", "cd", "de", "ef", "fa")
    triangles = edges("ab", "bc", "ca", "de", "ef", "fd")
    other_triangles = edges("ad", "db", "ba", "ce", "ef", "fc")
    assert not same(ring, triangles)
    assert same(triangles, other_triangles)
    assert same(
        [*ring, *edges("uv", "vw", "wu")], [*edges("ab", "bc", "ca"), *edges("uv", "vw", "wx", "xy", "yz", "zu")]
    )


@given(st.integers(2, 80), st.integers(1, 3), st.randoms(use_true_random=False))
def test_long_chains_with_branches_are_followed_to_their_ends(size: int, reach: int, chance: random.Random) -> None:
    parents = [chance.randrange(max(0, child - reach), child) for child in range(1, size)]
    names = list(range(size))
    chance.shuffle(names)
    expected = [row("child", str(child), str(parent)) for child, parent in enumerate(parents, start=1)]
    actual = [row("child", f"b{names[child]}", f"b{names[parent]}") for child, parent in enumerate(parents, start=1)]
    chance.shuffle(actual)
    assert same(expected, actual)
    assert not same([*expected, row("root", "0")], [*actual, row("root", f"b{names[size - 1]}")])


def test_a_state_without_any_distinct_part_ends_in_time() -> None:
    cube = [(a, a ^ bit) for a in range(16) for bit in (1, 2, 4, 8)]
    shuffled = list(range(16))
    random.Random(3).shuffle(shuffled)
    expected = [row("edge", str(a), str(b)) for a, b in cube]
    assert same(expected, [row("edge", str(shuffled[a]), str(shuffled[b])) for a, b in reversed(cube)])


def test_one_extra_row_is_the_only_difference_however_it_is_linked() -> None:
    expected = [row("user", "s"), row("mail", "s"), row("user", "t"), row("mail", "t")]
    actual = [row("mail", "y"), row("user", "x"), row("mail", "x"), row("user", "y"), row("mail", "y")]
    names, others = match(expected, actual)
    assert colors(actual, others) - colors(expected, names) == Counter({("mail", others[Atom("token", "y")]): 1})
    assert not colors(expected, names) - colors(actual, others)


def test_of_several_equal_readings_the_one_with_the_same_values_is_taken() -> None:
    names, others = match([row("user", "s"), row("user", "t")], [row("user", "t")])
    assert others[Atom("token", "t")] == names[Atom("token", "t")]


_ROWS = st.lists(
    st.builds(
        lambda shape, atoms: Shaped(f"{shape}{len(atoms)}", tuple(Atom(str(a // 3), a) for a in atoms), tuple(atoms)),
        st.sampled_from("uv"),
        st.lists(st.integers(0, 3), min_size=1, max_size=3),
    ),
    max_size=6,
)


@given(_ROWS, _ROWS)
def test_the_answer_is_the_one_of_trying_every_renaming(expected: list[Shaped], actual: list[Shaped]) -> None:
    assert same(expected, actual) == brute_force(expected, actual)


_GRAPHS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=8)


@given(
    _GRAPHS,
    st.permutations(range(5)),
    st.randoms(use_true_random=False),
    st.none() | st.tuples(st.integers(0, 7), st.integers(0, 4)),
)
def test_graphs_that_differ_by_a_name_or_an_edge(
    graph: list[tuple[int, int]],
    order: list[int],
    chance: random.Random,
    moved: tuple[int, int] | None,
) -> None:
    expected = [row("edge", str(a), str(b)) for a, b in graph]
    other = [(order[a], order[b]) for a, b in graph]
    chance.shuffle(other)
    if moved is not None and moved[0] < len(other):
        other[moved[0]] = (other[moved[0]][0], moved[1])
    actual = [row("edge", str(a), str(b)) for a, b in other]
    assert same(expected, actual) == brute_force(expected, actual)
