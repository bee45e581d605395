"""SQLite files as targets of index runbooks. What is done otherwise than on PostgreSQL stands here alone."""
