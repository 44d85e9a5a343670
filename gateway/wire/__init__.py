"""The standards as bytes in and values out: no sockets, no clock, no files.

Whoever owns the I/O feeds these parsers; so each can be tried whole, byte by byte and truncated, and used by a server,
a file import and a test alike.
"""
