"""Sink that puts records as files into a partner's SFTP mailbox: NDJSON for programs, CSV for spreadsheets.

What it gives: one file per dispatch, record type and format, uploaded under a name that marks it unfinished, checked by
its size and then renamed, so that nobody reads half a file; the same names and bytes again after a crash; a pinned host
key, without which there is no connection; text in CSV that a spreadsheet would run is disarmed.

What it cannot give: a partner that takes a file away before its receipt is stored here (a crash within that moment)
finds the same file, by name and bytes, once more. What a record was made of as received lies beside it only where the
view grants it (`raw`).

SFTP: https://datatracker.ietf.org/doc/html/draft-ietf-secsh-filexfer-02. CSV: https://www.rfc-editor.org/rfc/rfc4180.
"""
