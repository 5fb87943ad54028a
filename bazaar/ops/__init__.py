"""Only the old name of the launcher; `bazaar.cluster` runs and operates clusters."""
