"""E-mail to patients by SendGrid (v3 mail/send).

What it gives: one e-mail for each reminder that is due, with click and open tracking off, an unsubscribe link of our
own, and a dry run in SendGrid's sandbox. Fates and links belong to a source of the adapter ``smtp``, which the route
names under ``answers``.

What it cannot give: an idempotency key or a way to look a message up, so that what is doubtful waits for a person;
bounces that come later by its event webhook. SendGrid is not known to be eligible for patient data: send it none unless
an agreement says otherwise.

Documentation: https://www.twilio.com/docs/sendgrid/api-reference/mail-send.
"""
