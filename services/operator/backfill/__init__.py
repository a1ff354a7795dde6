"""`cwpipe backfill`: asks for a past range of a group, and tells how far it is."""
