"""Existing migrations as runbooks: read, cleaned, with a way back, and told what became of each statement."""
