"""`cwpipe plan`: what would be read, with how many calls, before anything is."""
