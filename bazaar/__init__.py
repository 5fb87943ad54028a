"""The Django project of all roles, and what they share; see ARCHITECTURE.md."""
