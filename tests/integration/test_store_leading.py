"""Who leads among processes that share one PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from gateway.store.leading import Leadership
from gateway.store.opening import Store
from tests.integration.parts import Parts


@pytest.mark.postgres
def test_one_leads_until_its_session_ends(parts: Parts) -> None:
    """Two processes never lead together; when the leader's connection is cut, the other takes over."""
    store: Store = parts.store
    first, second = store.leadership(), store.leadership()
    if store.dialect == "sqlite":
        assert first is None
        return
    assert isinstance(first, Leadership)
    assert isinstance(second, Leadership)
    try:
        assert [first.holds(), second.holds(), first.holds()] == [True, False, True]
        kill = "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'"
        store.write_sync(lambda connection: connection.execute(text(kill)).all())
        assert not first.holds()
        assert second.holds()
        assert not first.holds()
    finally:
        first.close()
        second.close()
