"""Names whose values are secret: `password`, `X-Api-Key`, `client_secret`, …"""

from __future__ import annotations

import re
from collections.abc import Iterable

_FOLD = re.compile(r"[-_. ]+")

# A "-" marks where a name may be written with -, _, ., a blank or nothing.
ANYWHERE = (
    "password", "passwd", "pass-phrase", "credential", "api-key", "secret-key", "private-key", "access-key",
    "access-token", "client-secret", "csrf", "xsrf",
)  # fmt: skip
"""Secret wherever they stand in a name: `db_password_old`, `csrfmiddlewaretoken`."""
AT_END = (
    "secret", "secrets", "token", "cookie", "cookies", "session", "session-id", "sessid", "pwd", "pass-code",
    "authorization", "signing-key", "encryption-key",
)  # fmt: skip
"""Secret at the end of a name: `slack_token`, but not `token_count` or `max_tokens`."""
ALONE = ("auth", "jwt", "sid", "connect-sid", "otp", "pin", "cvv", "cvc", "ssn", "pass", "symfony")
"""Secret only as a whole name, or after its last dot."""


def fold(name: str) -> str:
    """Return a name in lower case without -, _, dots and blanks."""
    return _FOLD.sub("", name.lower())


class SecretKeys:
    """Which names are secret: the built-in ones and the operator's, but never those the operator allows."""

    def __init__(self, extra: Iterable[str] = (), allowed: Iterable[str] = ()) -> None:
        extra = tuple(extra)
        self._allowed = frozenset(fold(name) for name in allowed)
        self._anywhere = tuple(fold(name) for name in ANYWHERE)
        self._at_end = tuple(fold(name) for name in (*AT_END, *extra))
        self._alone = frozenset(fold(name) for name in ALONE)
        self.pattern = "|".join(_loose(name) for name in (*ANYWHERE, *AT_END, *extra))
        """RE2 text that finds every name that could be secret; case is the caller's."""
        self.pattern += "|" + "|".join(rf"\b{_loose(name)}" for name in ALONE)

    def __contains__(self, name: str) -> bool:
        """Return True when a name's value is to be taken out."""
        folded = fold(name)
        if folded in self._allowed:
            return False
        if folded.endswith(self._at_end) or any(word in folded for word in self._anywhere):
            return True
        return folded in self._alone or fold(name.rpartition(".")[2]) in self._alone


def _loose(name: str) -> str:
    words = [re.escape(word) for word in _FOLD.split(name) if word]
    return "[-_. ]?".join(words)
