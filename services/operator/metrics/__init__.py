"""`cwpipe metrics`: the state that Redis holds, for Prometheus. One for all workers."""
