"""Addresses: how to reach the servers that probes have seen, for the stores that restore them.

A resource path names a server and its database, but no password. Probes know more: what the job has connected with.
Neither knows the other, so they meet here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Addresses:
    """Options to connect with, by the resource path of a server."""

    def __init__(self) -> None:
        self._known: dict[str, Mapping[str, Any]] = {}
        self._news: dict[str, Mapping[str, Any]] = {}

    def learn(self, server: str, options: Mapping[str, Any], *, is_local: bool = False) -> None:
        """A job has connected to a server.

        Args:
            server: Its resource path: `redis:127.0.0.1:6379`.
            options: What its driver takes to connect. The first ones that were seen stay.
            is_local: True if they mean nothing to another process.
        """
        if server not in self._known:
            self._known[server] = options
            if not is_local:
                self._news[server] = options

    def of(self, resource: str) -> Mapping[str, Any]:
        """The options of the server that a resource is on; empty if no job has connected to it."""
        known = [server for server in self._known if resource == server or resource.startswith(f"{server}/")]
        return self._known[max(known, key=len)] if known else {}

    def take_news(self) -> dict[str, Mapping[str, Any]]:
        """What was learnt since the last call; in a forked worker, for `learn` in the controller."""
        news, self._news = self._news, {}
        return news
