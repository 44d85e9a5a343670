"""Acme's front desk: one line per appointment, fields between bars."""
