"""Sink that puts records into a FHIR R4 server: Bundles of writes, each of which may be repeated without harm.

What it gives: a record as the resource that the gateway's own FHIR facade shows, cut down to the view; written under
our id, or found again by an identifier of ours where the server gives ids itself; a tag by which the adapter `fhir`
leaves alone what came from here; SMART Backend Services; one bad resource refused without the others of its Bundle.

What it cannot give: record types that no resource shows are refused (name the route's types); where a server checks
that references lead somewhere, a record waits until what it refers to was written; a change that the server's own users
make to what we wrote is overwritten by our next version.

R4: https://hl7.org/fhir/R4/http.html#transaction.
"""
