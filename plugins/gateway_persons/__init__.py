"""Persons: which patients of several systems are one human being, by exact rules and by what people decided.

Exact: the same birth date, and the same medical record number of one domain, or the same name and a shared telephone
number or e-mail address. Everything that is near and not exact becomes a task for a person; nothing is ever merged.
Birth dates stand at the head of every rule, so patients without one, and those whose date is known as a filler, are
linked by hand only.
"""
