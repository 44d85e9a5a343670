"""E-mail to patients by SMTP (RFC 5321, submission by RFC 6409): reminders out, and links that end them.

What it gives: one message to one recipient for each reminder by e-mail that is due, over TLS with authentication, under
a Message-ID that is the same for every attempt; 4xx is tried again, a refused recipient is told as a failed message. A
source of this adapter keeps what became of e-mails, of other mail sinks too, and receives one-click unsubscribe links.

What it cannot give: bounces that come later as mail; an answer to an e-mail. When a connection breaks after the text
was handed over, nobody can tell whether it was taken, so it waits for a person instead of going out twice.
"""
