"""Eligibility answers: one benefit for each coverage, service type and network."""

from __future__ import annotations

from decimal import Decimal

from tests.unit.adapters.fhir.test_translate import WITH, body, coded, told, usd


def test_items_are_grouped_by_service_and_network() -> None:
    """Figures of one service type come together, those of another make a record of their own."""
    items = [
        {
            "category": coded("PT"),
            "network": coded("in"),
            "authorizationRequired": True,
            "benefit": [
                {"type": coded("visit"), "allowedUnsignedInt": 30, "usedUnsignedInt": 4},
                {"type": coded("copay"), "allowedMoney": usd(25)},
            ],
        },
        {"category": coded("PT"), "network": coded("in"), "benefit": [
            {"type": coded("deductible"), "allowedMoney": usd(500), "usedMoney": usd(120)}]},
        {"category": coded("PT"), "network": coded("out"), "benefit": [
            {"type": coded("copay-percent"), "allowedUnsignedInt": 40},
            {"type": coded("copay"), "allowedMoney": {"value": 9, "currency": "SAR"}}]},
    ]  # fmt: skip
    insurance = [{"coverage": {"reference": "Coverage/7"}, "inforce": True, "item": items}]
    inside, outside = WITH(body("CoverageEligibilityResponse", status="active", insurance=insurance), b"").patches
    assert (inside.native_id, outside.native_id) == ("x1/PT/in", "x1/PT/out")
    assert told(inside) == {
        "coverage": "7", "active": True, "service_type": "PT", "in_network": True, "authorization_required": True,
        "visit_limit": 30, "visits_used": 4, "copay": Decimal("25.00"), "deductible": Decimal("500.00"),
        "deductible_left": Decimal("380.00"),
    }  # fmt: skip
    assert told(outside)["coinsurance"] == Decimal("0.4")
    assert "copay" not in told(outside)
    assert inside.references is None
