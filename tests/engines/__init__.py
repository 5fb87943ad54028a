"""Databases on servers: Debian's own, as processes of the tests."""
