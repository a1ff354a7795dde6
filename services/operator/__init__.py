"""The commands that look and mend, and may run at any time beside the service.

    check         tries everything a run needs
    status        queues, workers, groups, books
    settings      what is in force, and where it came from
    audit         reads a range again and names what is not accounted for
    dead_letters  what was not delivered: shows it, sends it again, throws it away
    passwords     makes those of a stack

Only `dead-letters replay`, `dead-letters discard` and `passwords` change anything.
"""
