"""PostgreSQL as the database of a role."""
