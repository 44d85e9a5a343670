"""A made-up vendor's adapter, sound in every rule of the scale; faults are switched on one by one."""
