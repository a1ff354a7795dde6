"""`cwpipe dead-letters`: what was not delivered, shown, put back, or given up."""
