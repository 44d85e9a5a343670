"""Every canonical field that the shipped golden messages make is explained: by place, rule, file and value."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict

import pytest

from gateway.access import View
from gateway.flow.explain import Explainer
from gateway.flow.source import Source
from gateway.flow.texts import keep_texts
from gateway.model import TYPES
from gateway.model.exchange import Item
from gateway.testing.conformance_subject import find_subject
from tests.integration.parts import TENANT, Parts, Written, deliver_all

EACH = 1
"""Records of each type that are asked about."""
ALL = View("all", {name: ["*"] for name in TYPES})


def taken(parts: Parts, name: str) -> Source:
    """A source with all golden messages of an adapter, normalized."""
    subject = find_subject(name)
    bound = subject.bound()
    source = Source.bind(TENANT, name, bound.adapter, bound.config, bound.mapping)
    parts.sources[TENANT, name] = source
    kept = [(source.mapping_hash, "mapping", source.mapping.text), (bytes.fromhex(ALL.version), "view", ALL.text)]
    parts.store.write_sync(lambda connection: keep_texts(connection, parts.audit, [TENANT], kept))
    files = [file.read_bytes() for file in subject.golden()]
    items = [one for file in files for one in source.adapter.cut([file], source.config) if isinstance(one, Item)]
    asyncio.run(parts.receiver(name).accept(items))
    parts.settle()
    return source


@pytest.mark.parametrize("place", ["embedded"], indirect=True)
@pytest.mark.parametrize("name", ["hl7", "webpt", "cliniko", "jane", "spry", "reports", "fhir", "bank", "x12"])
def test_every_field_is_explained(parts: Parts, name: str) -> None:
    """Each field of each record names the place in its message, the rule, its file, the raw value and the result."""
    source = taken(parts, name)
    explainer = Explainer(TENANT, parts.store, parts.vault, parts.audit, parts.sources, "user:ann")
    asked: Counter[str] = Counter()
    added: defaultdict[str, set[str]] = defaultdict(set)
    for rules in source.mapping._parsed.records:
        added[rules.record] |= set(rules.added)
    sink = Written()
    deliver_all(parts.delivering(sink, name="all", view=ALL))
    for delivery in sink.effects:
        if delivery.change != "created" or asked[delivery.type] >= EACH:
            continue
        asked[delivery.type] += 1
        for field in json.loads(delivery.body):
            found = explainer.explain(delivery.record_id, field)
            made = [step for step in found.steps if step["result"] is not None]
            assert made or field in added[delivery.type], (delivery.type, field)
            for step in made:
                file, _, key = step["rule"].partition(": ")
                assert file.startswith(f"{name}/"), step
                assert key.startswith(("fields.", "patient", "added.")), step
                assert step["path"] or step["raw"] is None, step
            assert found.mapping == source.mapping.version
    assert asked
