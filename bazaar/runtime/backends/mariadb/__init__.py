"""MariaDB as the database of a role."""
