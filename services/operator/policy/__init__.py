"""`cwpipe policy`: the least that a configuration needs to be allowed."""
