"""Databases with planted faults, and how well the audit finds them."""
