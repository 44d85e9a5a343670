"""Sink that posts each change to an HTTPS endpoint, signed by Standard Webhooks 1.0.0.

What it gives: one POST per change, in order for each patient, with ``webhook-id`` (the same for every attempt),
``webhook-timestamp`` and ``webhook-signature`` (one ``v1`` signature per secret, so secrets rotate without a gap); the
whole granted record, or ids only (``payload = "thin"``, disclosed as thin); clients that subscribe over HTTP are served
by it too; ``Retry-After`` obeyed; private and local addresses refused.

What it cannot give: an effect exactly once at a receiver that does not remember ``webhook-id``. A connection that
breaks after the body was sent is tried again with the same id. What a receiver refuses (410 and other 4xx) waits in
quarantine until a person releases it. Receivers without a public HTTPS address cannot be reached.

Specification: https://www.standardwebhooks.com. Receivers in many languages: https://github.com/standard-webhooks.
"""
