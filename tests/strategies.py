"""Hypothesis strategies for the domain, in one place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from bridge.domain.alert import Alert, Severity, Status

START = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)


def alert(
    minute: float = 0,
    status: Status = Status.FIRING,
    event: str = "",
    *,
    severity: Severity = Severity.ERROR,
    fingerprint: str = "f" * 24,
    **more: object,
) -> Alert:
    """Return a statement made at a minute after START."""
    fields: dict[str, object] = {
        "source": "sentry",
        "fingerprint": fingerprint,
        "event_id": event or f"{status}-{minute}-{severity}",
        "status": status,
        "severity": severity,
        "at": START + timedelta(minutes=minute),
        "title": "ZeroDivisionError",
        **more,
    }
    return Alert(**fields)  # type: ignore[arg-type]  # fields by name


def statements(limit: int = 8) -> st.SearchStrategy[list[Alert]]:
    """Return strategies of distinct statements about one problem, minutes apart."""
    one = st.builds(
        alert,
        minute=st.integers(0, 30),
        status=st.sampled_from([Status.FIRING, Status.FIRING, Status.RESOLVED]),
        severity=st.sampled_from(list(Severity)),
    )
    return st.lists(one, min_size=1, max_size=limit, unique_by=lambda a: a.event_id)
