"""How pages of the dashboard write numbers."""
