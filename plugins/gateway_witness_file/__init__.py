"""Witness that appends every signed head to a file: on another mount, another host's share, or write-once media.

What it gives: the heads in the form of C2SP's checkpoints, one after the other, each synced before it counts as kept;
``gateway verify audit`` reads them back, and so does the stand-alone verifier with ``--witness``.

What it cannot give: protection from whoever may write this file as well. Put it where the database's account can
append but not rewrite.
"""
