"""Mapping files and code tables: what each system's fields and codes mean in the canonical model. Data only."""
