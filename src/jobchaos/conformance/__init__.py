"""Conformance: what every store and every probe must do, as test classes for their authors to subclass.

    from jobchaos.conformance import StoreContract

    class TestMyStore(StoreContract):
        resource = "mine:things"

        def make(self): ...
        def change(self, store, number): ...

A method that is a hook says so; all others are tests. Fixtures work in subclasses as in any test class.
"""

from __future__ import annotations

from jobchaos.conformance.ledgers import LedgerContract
from jobchaos.conformance.probes import ProbeContract
from jobchaos.conformance.stores import StoreContract

__all__ = ["LedgerContract", "ProbeContract", "StoreContract"]
