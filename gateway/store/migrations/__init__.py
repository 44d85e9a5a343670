"""Schema migrations: Alembic revisions, applied at start, refused when the schema is newer than the code."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Engine, MetaData, String, Table, inspect, select

from gateway.errors import StoreIncompatible

HEAD = "0020"
"""The revision this code was written for; the newest file in ``versions``."""

version_table = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def upgrade(engine: Engine) -> None:
    """Bring the schema to :data:`HEAD`; Alembic is only imported when there is something to do."""
    found = _revision(engine)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise StoreIncompatible(
            f"The schema is at revision {found}, this code knows {HEAD}",
            fix="Start the newer gateway this data was used with.",
        )
    from alembic import command  # a tenth of a second that most starts need not spend
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table(version_table.name):
            return None
        return connection.execute(select(version_table.c.version_num)).scalar_one_or_none()
