"""One URLconf for each listener, made of its room's table of endpoints."""
