"""Watching a database after a change: one short look at it, kept in the ledger, and held against the looks before."""
