"""Nothing but the former name of the launcher; `bazaar.cluster` operates a cluster."""
