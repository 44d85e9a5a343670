"""Units that minutes of timed codes allow, by the two rules that payers use. Pure.

CMS (Pub. 100-04 chapter 5 section 20.2): the day's timed minutes together decide how many units, one for 8 to 22, two
for 23 to 37 and so on; whole quarters of an hour go to their codes, the rest to the codes with most minutes left over.
Midpoint: each code by itself, by the same table.
"""

from __future__ import annotations

from collections.abc import Mapping

QUARTER = 15


def units_of(minutes: int) -> int:
    """Units of some timed minutes: 0 below 8, 1 from 8 to 22, 2 from 23 to 37."""
    return (minutes + 7) // QUARTER


def cms_units(minutes: Mapping[str, int]) -> dict[str, int]:
    """Units by code when all count together; codes in the order of the visit break ties."""
    total = units_of(sum(minutes.values()))
    units = {code: count // QUARTER for code, count in minutes.items()}
    left = {code: count % QUARTER for code, count in minutes.items()}
    for code in sorted(minutes, key=lambda one: (-left[one], -minutes[one])):
        if sum(units.values()) < total and left[code]:
            units[code] += 1
    return {code: count for code, count in units.items() if count}


def midpoint_units(minutes: Mapping[str, int]) -> dict[str, int]:
    """Units by code when each counts by itself."""
    units = {code: units_of(count) for code, count in minutes.items()}
    return {code: count for code, count in units.items() if count}
