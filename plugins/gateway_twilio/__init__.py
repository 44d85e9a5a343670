"""Twilio Programmable Messaging and Voice (API 2010-04-01): reminders out, answers and opt-outs in.

What it gives: a text message or a call for each reminder that is due; the message's own fate by signed callbacks;
inbound texts and keys pressed as communications, with STOP, START, HELP, confirm, cancel and reschedule understood.
The API has no idempotency key: after a lost answer the list of messages is read before anything is sent again.

What it cannot give: a call whose outcome was lost is not looked for, and never repeated by itself; media messages;
scheduling at Twilio. Patient data may go there only under an agreement (BAA) and in an account flagged for HIPAA.

Documentation: https://www.twilio.com/docs/messaging/api, https://www.twilio.com/docs/voice/api.
"""
