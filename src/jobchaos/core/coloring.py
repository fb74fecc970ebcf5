"""Coloring: which rows of two states are the same, if some values may be renamed.

Problem: two states may be equal but for the names of things: generated keys, random tokens. Naming must be consistent
everywhere, so single rows cannot be compared: a mail must carry the very token that the user's row holds.

Solution: rows and names (atoms) are the two sides of a graph. Colors are refined in turn, of rows by the colors of
their atoms, of atoms by the colors of their rows, until nothing new is told apart (1-dimensional Weisfeiler-Leman).
Rows are then paired, those of the finest and rarest colors first, each pair deciding on its atoms' names, and the rows
around them following. If every row has found its pair, then the states are equal: the names are the proof. If not,
though the colors are balanced (rings, say), then a pair of atoms is assumed, and colors are refined from there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_ROUNDS = 200  # of refinement; only rows that hang together over twice as many rows would need more
_WORK = 200_000  # rows to color, about a second; only states without any distinct part need more than one refinement


class Atom(NamedTuple):
    """A value that may be renamed.

    Attributes:
        kind: Atoms of one kind only are names for each other.
        value: Which atom of that kind.
    """

    kind: str
    value: Hashable


@dataclass(frozen=True, slots=True)
class Shaped:
    """A row, taken apart.

    Attributes:
        shape: All that must be equal in two rows for them to be the same.
        atoms: The values that may be renamed, in order.
        raw: The row as it was, to prefer one of several possible pairs.
    """

    shape: Hashable
    atoms: tuple[Atom, ...]
    raw: Hashable


Names = dict[Atom, int]
_Rows = tuple[Sequence[Shaped], Sequence[Shaped]]
_Colors = tuple[list[int], list[int]]
_AtomColors = tuple[dict[Atom, int], dict[Atom, int]]


def match(expected: Iterable[Shaped], actual: Iterable[Shaped]) -> tuple[Names, Names]:
    """Name the atoms of two states, so that as many rows as possible are the same.

    Two rows are the same if their shapes and their atoms' names are. All rows are exactly if the states are equal but
    for a renaming. (A state without any distinct part, for which guessing takes too long, is taken for another one.)

    Returns:
        The names of the expected and of the actual atoms. Those without a counterpart have names of their own.
    """
    rows = [row for row in expected if row.atoms], [row for row in actual if row.atoms]
    forward = _Matching(rows).best(()).forward
    names = {atom: number for number, atom in enumerate(dict.fromkeys(atom for row in rows[0] for atom in row.atoms))}
    backward = {twin: names[atom] for atom, twin in forward.items()}
    for atom in (atom for row in rows[1] for atom in row.atoms):
        backward.setdefault(atom, len(names) + len(backward))
    return names, backward


class _Matching:
    """The search for a naming under which all rows are the same."""

    def __init__(self, rows: _Rows) -> None:
        self._rows = rows
        self._left = _WORK

    def best(self, assumed: tuple[tuple[Atom, Atom], ...]) -> _Pairing:
        rounds, atoms = _refine(self._rows, assumed)
        self._left -= len(self._rows[0]) * len(rounds)
        pairing = _Pairing(self._rows, rounds)
        if pairing.complete or Counter(rounds[-1][0]) != Counter(rounds[-1][1]):
            return pairing
        sizes = Counter(atoms[0].values())
        first = next((atom for atom, color in atoms[0].items() if sizes[color] > 1), None)
        for twin, color in atoms[1].items():
            if first is not None and color == atoms[0][first] and self._left > 0:
                attempt = self.best((*assumed, (first, twin)))
                if attempt.complete:
                    return attempt
        return pairing


def _refine(rows: _Rows, assumed: tuple[tuple[Atom, Atom], ...]) -> tuple[list[_Colors], _AtomColors]:
    """The rows' colors of each round, until nothing new is told apart, and the atoms' last ones, in one palette."""
    palette: dict[Hashable, int] = {}

    def color(what: Hashable) -> int:
        return palette.setdefault(what, len(palette))

    def start(side: int) -> dict[Atom, int]:
        fixed = {pair[side]: number for number, pair in enumerate(assumed)}
        return {atom: color(fixed.get(atom, atom.kind)) for row in rows[side] for atom in row.atoms}

    def by_atoms(side: int) -> list[int]:
        return [color((shape, *map(atoms[side].__getitem__, row.atoms))) for shape, row in shaped[side]]

    def by_rows(side: int, colors: list[int]) -> dict[Atom, int]:
        places: dict[Atom, list[tuple[int, int]]] = {atom: [] for atom in atoms[side]}
        for row, row_color in zip(rows[side], colors, strict=True):
            for position, atom in enumerate(row.atoms):
                places[atom].append((row_color, position))
        return {atom: color((atoms[side][atom], *sorted(found))) for atom, found in places.items()}

    shaped = [[(color((row.shape,)), row) for row in side] for side in rows]
    atoms = start(0), start(1)
    rounds: list[_Colors] = []
    known = 0
    for _ in range(_ROUNDS):
        rounds.append((by_atoms(0), by_atoms(1)))
        atoms = by_rows(0, rounds[-1][0]), by_rows(1, rounds[-1][1])
        told_apart = len({*atoms[0].values(), *atoms[1].values()})
        if told_apart == known:
            break
        known = told_apart
    return rounds, atoms


class _Pairing:
    """Pairs of rows, and the naming that they agree on.

    Attributes:
        forward: Expected atom to actual atom.
    """

    def __init__(self, rows: _Rows, rounds: list[_Colors]) -> None:
        self.forward: dict[Atom, Atom] = {}
        self._backward: dict[Atom, Atom] = {}
        self._rows = rows
        self._free = dict.fromkeys(range(len(rows[0]))), dict.fromkeys(range(len(rows[1])))
        self._around = _around(rows[0]), _around(rows[1])
        self._alike: dict[Hashable, list[int]] = defaultdict(list)
        for number, row in reversed([*enumerate(rows[1])]):
            self._alike[row.raw].append(number)
        for colors in reversed(rounds):
            self._pair_up(colors)

    @property
    def complete(self) -> bool:
        """True if every row has its pair."""
        return not self._free[0] and not self._free[1]

    def _pair_up(self, colors: _Colors) -> None:
        for row in list(self._free[0]):
            self._follow(row, [], colors)  # rows with the very same values make the diff that is easiest to understand
        waiting: dict[Hashable, list[int]] = defaultdict(list)
        for other in reversed(self._free[1]):
            names = tuple(atom if atom in self._backward else None for atom in self._rows[1][other].atoms)
            waiting[colors[1][other], names].append(other)
        options = {
            row: waiting[colors[0][row], tuple(map(self.forward.get, self._rows[0][row].atoms))]
            for row in self._free[0]
        }
        for row in sorted(options, key=lambda row: len(options[row])):  # the surest first
            self._follow(row, options[row], colors)

    def _follow(self, row: int, options: list[int], colors: _Colors) -> None:
        """Pair a row, then those that share an atom with it, and so on."""
        todo = [(row, options)]
        while todo:
            row, options = todo.pop()
            other = self._choose(row, options, colors) if row in self._free[0] else None
            if other is None:
                continue
            del self._free[0][row], self._free[1][other]
            for atom, twin in zip(self._rows[0][row].atoms, self._rows[1][other].atoms, strict=True):
                if atom not in self.forward:
                    self.forward[atom], self._backward[twin] = twin, atom
                    near: dict[int, list[int]] = defaultdict(list)
                    for number in reversed(self._around[1][twin]):
                        near[colors[1][number]].append(number)
                    todo += [(number, near[colors[0][number]]) for number in self._around[0][atom]]

    def _choose(self, row: int, options: list[int], colors: _Colors) -> int | None:
        for candidates in (self._alike[self._rows[0][row].raw], options):
            while candidates and candidates[-1] not in self._free[1]:
                candidates.pop()
            for other in reversed(candidates):
                if other in self._free[1] and colors[0][row] == colors[1][other] and self._agree(row, other):
                    return other
        return None

    def _agree(self, row: int, other: int) -> bool:
        atoms, twins = self._rows[0][row].atoms, self._rows[1][other].atoms
        pairs = set(zip(atoms, twins, strict=True))
        return len(set(atoms)) == len(pairs) == len(set(twins)) and all(
            self.forward.get(atom, twin) == twin and self._backward.get(twin, atom) == atom for atom, twin in pairs
        )


def _around(rows: Sequence[Shaped]) -> dict[Atom, list[int]]:
    around: dict[Atom, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        for atom in dict.fromkeys(row.atoms):
            around[atom].append(number)
    return around
