"""What the standard itself says of a resource: asked in strict mode, and when one is quarantined."""

from __future__ import annotations

from gateway.errors import InvalidContent


def refuse_invalid(body: bytes) -> None:
    """Raise ``InvalidContent`` for the first fault that fhir.resources finds."""
    from gateway_fhir.strict import check

    found = check(body)
    if found:
        first = found[0]
        raise InvalidContent("not-valid-fhir", first.what, where=first.where, fix=first.fix)


def faults(body: bytes) -> str:
    """What the standard finds wrong with a resource, where its library is installed; empty for nothing."""
    try:
        from gateway_fhir.strict import told
    except ImportError:  # the extra is not installed, and quarantine works without it
        return ""
    return told(body)


def validated(error: InvalidContent, body: bytes) -> InvalidContent:
    """The same refusal, with what else the standard finds wrong."""
    found = faults(body)
    if not found:
        return error
    fix = " ".join(filter(None, (error.fix, found)))
    return InvalidContent(error.reason, error.what, where=error.where, fix=fix)
