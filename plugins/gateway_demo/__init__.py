"""``gateway demo``: the whole gateway on this machine, with a made-up clinic group around it.

A vendor API, a hospital partner that speaks HL7 over MLLP and a payer's 835 files come in; a signed webhook and a
folder of files go out. Everything listens on loopback only, uses keys made for the occasion and is removed at the end.
It shows what the gateway does with real bytes on real sockets; it is no measure of speed and no set-up to copy.
"""
