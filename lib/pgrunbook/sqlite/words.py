"""What there is not on SQLite, in the words that stages, claims and notebooks tell it in."""

from __future__ import annotations

NO_ROLES = "SQLite knows no roles and no privileges: who may open the file may do anything with it"
NO_POLICIES = "SQLite knows no policies"
NO_LOAD = "not put on: pgbench speaks to PostgreSQL alone"
NO_APPLICATION = "the model of the application speaks to PostgreSQL alone"
NO_SQUAWK = "squawk, a linter of PostgreSQL's migrations, isn't asked about SQLite's"

UNMEASURED = {  # metrics of claims that there is nothing to measure by
    "buffers_fewer_percent": "SQLite tells no buffers",
    "written_concurrently": "SQLite builds no index concurrently: other writers wait",
    "access_exclusive": "SQLite knows no table locks",
    "repeatable": "what is written is PostgreSQL's; a second plan says what is left to do",
    "cpu_change_percent": "the processor's time is not told apart from this program's",
    "visibility": NO_ROLES,
    "same_rows": "queries that replace others are not compared on SQLite",
    "application": NO_APPLICATION,
    "load_p95_ms": NO_LOAD,
    "load_stall_ms": NO_LOAD,
    "load_errors": NO_LOAD,
    "load_connections_percent": NO_LOAD,
    "evaluations_before": NO_POLICIES,
    "evaluations_after": NO_POLICIES,
    "evaluations_fewer_percent": NO_POLICIES,
}
