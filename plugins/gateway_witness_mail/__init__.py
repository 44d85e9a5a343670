"""Witness that mails the newest signed head to the compliance officer, once an hour while the log grows.

What it gives: three lines in a mailbox that whoever rules the database does not rule. A head names the log, its size
and its root; it holds no patient data. To check, save the mail's text and give it to the verifier with ``--witness``.

What it cannot give: an answer. A mailbox cannot be asked, so ``gateway verify audit`` does not; and an hour is the
longest time for which a rewritten log could agree with every mail.
"""
