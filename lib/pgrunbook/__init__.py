"""Runbook notebooks for changes to PostgreSQL databases."""

__version__ = "0.1.0"
