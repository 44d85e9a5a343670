"""Sink that writes records to files in a folder: NDJSON for programs, CSV for spreadsheets, and a manifest.

What it gives: one file per dispatch, record type and format, complete or absent, never half written; the same bytes
again after a crash; ``manifest.ndjson`` with one line per finished file (name, rows, bytes, SHA-256). A reader follows
the manifest and may take files away once it has read them.

Where the view grants it (`raw`), what a record was made of lies beside it as received.

What it cannot give: a file is handed over when it is on this machine's disk; who reads it afterwards, and whether the
disk is encrypted, is up to the owner of the folder. CSV has no way to tell "empty" from "not there".

NDJSON: https://github.com/ndjson/ndjson-spec. CSV: https://www.rfc-editor.org/rfc/rfc4180.
"""
