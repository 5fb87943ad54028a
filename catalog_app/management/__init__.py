"""The management commands of this room."""
