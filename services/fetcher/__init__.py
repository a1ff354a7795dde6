"""CloudWatch Logs in, batches on the queue `raw` out.

Guarantee: what a page brought, the ids remembered of it and the place where reading goes on are committed in one
transaction that watches the checkpoint. A crash repeats a call to AWS, never an event, and skips nothing; two fetchers
of one group cannot both commit.

    __main__    the role: settings, wiring, signals
    discovery_task, group_task   what the schedule runs: a search a source and region, a reader a group; each fails alone
    fetching    what the tasks share
    backfill*   a past range of a group, page by page, while its tail is idle
    search      the search for groups, which one of many fetchers makes for all
    owners      which source reads which group
    leases      which fetcher reads which group
    division    the same, decided (pure)
    turns       a group's place in the schedule, and the calls that a turn may make
    polling     when a group is due again, and what it costs (pure)
    schedule    what is due, on threads, with a permit for the call
    patience    the back-off of what failed
    budget      back-pressure: the byte budget of the queues
    start       where the reading of a new group begins
    fetch       one group: read a page, drop what was seen, commit
    commit      the transaction that this ends with
    prefetch    the pages of a turn, one ahead of the commit
    slices      which time range next (pure)
    sweeps      deep sweeps: what is behind that, for events that come very late (pure)
    lateness    how late events are (pure)
    notes       what the operator is told of a group
    seen        the event ids that a later read may bring again
    batches     pages that make one batch, events as batches (pure)
"""
