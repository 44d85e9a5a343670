"""Sink that writes records to Parquet files in a folder, partitioned by day, for analysts and their engines.

What it gives: ``<type>/day=2026-07-14/<type>-<dispatch>.parquet``, complete or absent, never half written; the same
names and rows again after a crash; ``manifest.ndjson`` with one line per finished file. The day is that of the journal,
in UTC. The columns are the same in every file of a type: the envelope, and every field of the model; amounts and dates
have types of their own, nested values are JSON text.

What it cannot give: a table of records as they stand: a row is a change, and the newest version of a record is its row
with the highest ``version``. Needs the extra ``parquet`` (pyarrow).

Format: https://parquet.apache.org/docs/.
"""
