"""Masking: credentials are never shown, wherever they turn up in a label, an outcome or a cell."""

from __future__ import annotations

import re

MASK = "***"

_NAME = (
    r"(?:passw(?:or)?d|passphrase|pwd|secret|credentials?|api[_-]?key|private[_-]?key"
    r"|(?:access|auth|bearer|refresh|session)[_-]?token)(?:_\w{1,30})?(?![a-z])"
)
_HEADER = r"(?:proxy-)?authorization|x-api-key|x-auth-token|(?:set-)?cookie"
_SCHEME = r"(?:aws4-hmac-sha256|basic|bearer|digest|negotiate|token)\s+"
_VALUE = (
    r"""[bru]{0,2}(?:"(?:[^"\\]|\\.)*(?:"|$)|'(?:[^'\\]|\\.|'')*(?:'|$))"""  # cut off or not
    r"""|\\+"[^"\\]*(?:\\+"|$)"""  # JSON in JSON
    r"""|[^\s,;&)\]}"']+"""
)
_IS = r"""\\*["']?\s*[:=]\s*"""
_PATTERNS = (
    # Authorization: Digest username="ann", response="..."
    re.compile(rf"""((?:{_HEADER}){_IS}["']?(?:{_SCHEME})?)(?:="[^"]*"|[^"'\r\n])+""", re.IGNORECASE),
    re.compile(r"\b((?:Basic|Bearer)\s+)[\w.~+/=-]{12,}"),
    # postgres://ann:secret@host, but not http://127.0.0.1:8080/users/ann@example.com
    re.compile(r"""(://[^\s/:@"']*:)(?!\d+[/?#])[^\s"'<>]{1,1000}(?=@)"""),
    re.compile(r"""([?&](?:code|key|sig|signature|token)=)[^&\s"'#]+""", re.IGNORECASE),
    re.compile(rf"""({_NAME}{_IS})(?:{_VALUE})""", re.IGNORECASE),
    re.compile(rf"""([(\[]\s*["'](?:{_NAME}|{_HEADER})["']\s*,\s*)(?:{_VALUE})(?=\s*[)\]])""", re.IGNORECASE),  # a pair
)
_SECRET_COLUMN = re.compile(_NAME, re.IGNORECASE)


def mask(text: str) -> str:
    """Return `text` with the values of passwords, keys and authorization headers replaced by `***`."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text


def is_secret(column: str) -> bool:
    """True if a column of this name holds credentials, going by its name."""
    return _SECRET_COLUMN.search(column) is not None
