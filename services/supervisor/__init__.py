"""`cwpipe run`: all roles on one host under one supervisor, with a Redis of its own where none is configured.

run        what the command does: server, children, until a signal or, with --once, until all is delivered
embedded   the embedded Valkey: its data directory, its lock, its life
children   the roles as processes: started again when they die, stopped in order, never left behind
report     what --once shows: a progress bar and a table on a terminal, plain lines and JSON elsewhere
"""
