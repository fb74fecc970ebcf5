"""Anomaly: why the copies of a run cannot have run one after the other, with the cycle that shows it.

Each conflict of two copies says which came first: the one that wrote before the other read (wr) or wrote (ww), and the
one that read before the other wrote (rw, an anti-dependency). A run is conflict serialisable iff these edges have no
cycle (Adya, Weak Consistency, PhD thesis, MIT 1999, section 3.1). The shape of the shortest cycle has a name (Berenson
et al., A Critique of ANSI SQL Isolation Levels, SIGMOD 1995). A copy counts as one transaction, whatever it commits.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from jobchaos.core.effect import Mode
from jobchaos.core.trace import Trace
from jobchaos.oracle.access import Access, accesses, overlap

DIRTY_READ = "dirty read"
LOST_UPDATE = "lost update"
DIRTY_WRITE = "dirty write"
NON_REPEATABLE_READ = "non-repeatable read"
READ_SKEW = "read skew"
WRITE_SKEW = "write skew"
OTHER = "non-serialisable"

_RANKS = (DIRTY_READ, LOST_UPDATE, DIRTY_WRITE, NON_REPEATABLE_READ, READ_SKEW, WRITE_SKEW, OTHER)
"""Of two cycles as short as each other, the one that is named first here explains more."""


class Edge(NamedTuple):
    """One copy comes before another.

    Attributes:
        kind: `wr`, `ww` or `rw`: what the first did, then what the second did.
        first: The earlier access.
        second: The later one, of another copy.
    """

    kind: str
    first: Access
    second: Access

    @property
    def resource(self) -> str:
        """What both use: the narrower one of the two resources."""
        return max(self.first.resource, self.second.resource, key=len)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What went wrong between copies.

    Attributes:
        name: One of the names in this module.
        cycle: Edges from copy to copy, back to the first one; a dirty read is a single edge.
    """

    name: str
    cycle: tuple[Edge, ...]

    def __str__(self) -> str:
        """`lost update: A reads stock (jobs.py:12) -> B writes stock (jobs.py:20) -> A writes stock (jobs.py:14)`."""
        text = str(self.cycle[0].first)
        before = self.cycle[0].first
        for edge in self.cycle:
            text += "" if edge.first == before else f", {edge.first}"
            text += f" -> {edge.second}"
            before = edge.second
        return f"{self.name}: {text}"


def anomaly_of(trace: Trace, changed: Collection[str] = ()) -> Anomaly | None:
    """The anomaly that a run shows, if it shows any.

    Args:
        trace: The run.
        changed: Names of tables and files that are wrong after it; a cycle through one of them explains that best.
    """
    edges, dirty = _edges(accesses(trace))
    copies = sorted({copy for pair in edges for copy in pair})
    if dirty is not None:
        return Anomaly(DIRTY_READ, (dirty,))
    for length in range(2, len(copies) + 1):
        cycles = [
            cycle
            for ring in itertools.permutations(copies, length)
            if ring[0] == min(ring)
            for cycle in _cycles(ring, edges)
        ]
        if cycles:
            cycle = min(cycles, key=lambda cycle: _weight(cycle, changed))
            return Anomaly(_name(cycle), cycle)
    return None


_Edges = dict[tuple[str, str], list[Edge]]


def _edges(used: Iterable[Access]) -> tuple[_Edges, Edge | None]:
    """For each two copies one edge for each kind and pair of resources, the tightest; and the first dirty read."""
    latest: dict[tuple[str, str, Mode], Access] = {}
    tightest: dict[tuple[str, str, str, str, str], Edge] = {}
    dirty: Edge | None = None
    for second in used:
        for first in latest.values():
            kind = _kind(first, second)
            if first.copy == second.copy or not kind or not overlap(first.resource, second.resource):
                continue
            edge = Edge(kind, first, second)
            key = (first.copy, second.copy, kind, first.resource, second.resource)
            if key not in tightest or _span(edge) < _span(tightest[key]):
                tightest[key] = edge
            if dirty is None and second.dirty and kind == "wr":
                dirty = edge
        latest[second.copy, second.resource, second.mode] = second
    edges: _Edges = {}
    for edge in tightest.values():
        edges.setdefault((edge.first.copy, edge.second.copy), []).append(edge)
    return edges, dirty


def _kind(first: Access, second: Access) -> str:
    """`wr`, `ww` or `rw`; empty if the two commute."""
    reads = first.mode is Mode.READ, second.mode is Mode.READ
    if all(reads) or (first.mode is Mode.APPEND and second.mode is Mode.APPEND):
        return ""
    return {(False, True): "wr", (True, False): "rw", (False, False): "ww"}[reads]


def _cycles(ring: tuple[str, ...], edges: _Edges) -> Iterable[tuple[Edge, ...]]:
    """The cycles through some copies in turn, each begun where it began; of a long ring only the tightest."""
    hops = [edges.get(pair, []) for pair in itertools.pairwise((*ring, ring[0]))]
    if not all(hops):
        return
    if len(ring) > 2:  # their names do not depend on the choice, but for that of dirty writes
        writes = [[edge for edge in hop if edge.kind == "ww"] for hop in hops]
        hops = [[min(hop, key=_span)] for hop in (writes if all(writes) else hops)]
    for cycle in itertools.product(*hops):
        start = min(range(len(cycle)), key=lambda index: cycle[index].first.at)
        yield (*cycle[start:], *cycle[:start])


def _weight(cycle: tuple[Edge, ...], changed: Collection[str]) -> tuple[bool, int, int, int]:
    unrelated = not any(part in changed for edge in cycle for part in edge.resource.split("/"))
    breaks = sum(one.second != other.first for one, other in itertools.pairwise(cycle))
    return unrelated, _RANKS.index(_name(cycle)), breaks, sum(map(_span, cycle))


def _span(edge: Edge) -> int:
    return edge.second.at - edge.first.at


def _name(cycle: tuple[Edge, ...]) -> str:
    """The name of a cycle.

    Dirty write: P0 in Berenson et al., G0 in Adya. Lost update: P4. Non-repeatable read: P2. Read skew: A5A, and write
    skew: A5B, in Berenson et al.; there are no names for other shapes.
    """
    kinds = sorted(edge.kind for edge in cycle)
    if set(kinds) == {"ww"}:
        return DIRTY_WRITE
    same = overlap(cycle[0].resource, cycle[1].resource)
    if kinds == ["rw", "ww"] and same:
        return LOST_UPDATE
    if kinds == ["rw", "wr"]:
        return NON_REPEATABLE_READ if same else READ_SKEW
    return WRITE_SKEW if kinds == ["rw", "rw"] else OTHER
