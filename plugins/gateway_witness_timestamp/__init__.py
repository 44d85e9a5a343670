"""Witness that has a time-stamping authority (RFC 3161) sign each hour's head: proof that it existed by then.

What it gives: one token file for each stamped head, checked against the authority's pinned root before it is kept. Who
rewrites the log later cannot obtain a token for an earlier time, not even with the log's own signing key.

What it cannot give: the heads in between, and secrecy of how often the log is stamped. The authority sees a hash only.
Needs the extra ``[timestamps]``. Verify a token with any RFC 3161 tool: ``openssl ts -verify -data HEAD -in TOKEN``.
"""
