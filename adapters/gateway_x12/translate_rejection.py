"""What a rejected question (AAA) means for the clinic, in our own words."""

from __future__ import annotations

from typing import Any

from gateway.wire.x12_835 import Elements, element

NEXT_STEPS = {
    "04": "Ask again for fewer days or services at once.",
    "15": "The question lacks something the payer needs: compare it with the payer's companion guide.",
    "33": "Correct what was entered and ask again.",
    "41": "This clinic may not ask this payer yet: finish the enrollment with the payer or clearinghouse.",
    "42": "The payer cannot answer now: ask again later.",
    "43": "Correct the provider's identifier (NPI) and ask again.",
    "44": "Correct the provider's name and ask again.",
    "45": "Correct the provider's specialty and ask again.",
    "46": "Correct the provider's telephone number and ask again.",
    "47": "Correct the provider's state and ask again.",
    "48": "Correct the referring provider's identifier and ask again.",
    "50": "The payer does not take questions from this provider: enroll it, or ask by telephone.",
    "51": "The payer does not know this provider: check the NPI, then the enrollment.",
    "52": "The dates of service are before the provider's contract: check both.",
    "53": "The inquired benefit is not one the payer answers about: ask by telephone.",
    "54": "The product or service is not one the payer knows: correct the service type.",
    "55": "The product or service cannot be asked about alone: ask about the plan.",
    "56": "Correct the date and ask again.",
    "57": "Correct the dates of service and ask again.",
    "58": "Enter the patient's date of birth and ask again.",
    "60": "The date of birth is after the date of service: correct one of them.",
    "61": "The date of death is before the date of service: check the patient.",
    "62": "The date of service is outside what the payer answers about: ask for a nearer date.",
    "63": "The date of service is in the future: ask again on or before the day.",
    "64": "Enter the patient's member number and ask again.",
    "65": "Enter the patient's name as on the card and ask again.",
    "66": "Enter the patient's sex and ask again.",
    "67": "The payer does not find the patient: check name, date of birth and member number against the card.",
    "68": "The payer holds this patient twice: ask by telephone.",
    "69": "The patient's age does not fit the service: check the date of birth.",
    "70": "The patient's sex does not fit the service: check the patient.",
    "71": "The date of birth differs from the payer's: check it against the card and ask again.",
    "72": "Check the member number against the card and ask again.",
    "73": "Check the subscriber's name against the card and ask again.",
    "74": "Check the subscriber's sex and ask again.",
    "75": "The payer does not find the subscriber: check member number, name and date of birth against the card.",
    "76": "The payer holds this subscriber twice: ask with more of name, date of birth and member number.",
    "77": "The payer finds the subscriber and not the patient: check the patient's name and date of birth.",
    "78": "The subscriber is not in this group or plan: ask the patient for the current card.",
    "79": "The payer's or clearinghouse's identifier is wrong: check it in the settings.",
    "80": "No answer came from the payer: ask again later.",
    "97": "Enter the patient's address or correct it and ask again.",
    "98": "The payer needs the diagnosis or service in more detail: ask by telephone.",
    "AA": "There is no authorization of that number: check it and ask again.",
    "AE": "The request lacks its authorization number: add it and send again.",
    "AF": "Add the diagnosis the payer asks for and send again.",
    "AG": "Correct the diagnosis and send again.",
    "AH": "Add the procedure code and send again.",
    "AI": "Correct the procedure code and send again.",
    "AJ": "Add the onset date and send again.",
    "AK": "Correct the onset date and send again.",
    "AM": "Correct the admission date and send again.",
    "T1": "This question must be asked by telephone.",
    "T4": "Name the payer and ask again.",
    "T5": "The certification is missing or too old: ask the payer.",
}
"""By AAA03."""
OTHERWISE = "Ask the payer what it needs."


def rejection(segments: list[Elements]) -> dict[str, Any]:
    """The fields of a rejection; every one of them deleted where the question was answered."""
    codes = [code for one in segments if (code := element(one, 3).strip())]
    if not segments:
        return {"rejection": None, "next_step": None}
    code = codes[0] if codes else ""
    fields: dict[str, Any] = {"rejection": code or "unspecified", "next_step": NEXT_STEPS.get(code, OTHERWISE)}
    return fields
