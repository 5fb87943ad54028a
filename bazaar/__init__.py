"""The Django project of all roles, and everything that the roles share; see ARCHITECTURE.md."""
