"""Address: a resource path that also knows how its backend is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self


class Address(str):
    """A resource path like any other, for a probe to announce. A store that is made for it can connect.

    Attributes:
        access: What a driver takes to connect, credentials included: a DSN, a URL; or the server itself, if it is a
            fake one in this process. It is never shown.
    """

    access: Any

    def __new__(cls, resource: str, access: Any) -> Self:
        """Make one."""
        address = super().__new__(cls, resource)
        address.access = access
        return address

    def __reduce__(self) -> tuple[type[Address], tuple[str, Any]]:
        return type(self), (str(self), self.access)
