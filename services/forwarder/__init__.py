"""Batches from the queue `enriched` in, datagrams on analysisd's socket out.

Guarantee: at least once. A batch is acknowledged after every datagram of it is confirmed, at the level that the
setting wazuh.confirm names; confirmed offsets are recorded as they come, so what a killed forwarder repeats is at most
1,000 datagrams. No receiver is waited for too long: absent, restarting, stalled or closed to us, the forwarder holds
what it has, says why, and goes on.

    __main__    the role: settings, wiring, signals
    forward     the stage: send, confirm, record, acknowledge
    progress    how far a batch is, in Redis and in the books
    waiting     what is said while the receiver keeps us waiting
    sink        what the stage needs of a receiver
    level       which sink: what the settings ask for, as far as the receiver can give it
    analysisd   the sink of `read` and `sent`: one connected socket, and what its kernel queue tells
    processed   the sink of `processed`, by the receiver's own statistics
    evidence    what is on its way, and what looks prove of it, by turnover and in_hand (all pure)
    getstats    one look at the statistics; tempo: when to look
    senders     who else sends to the receiver; pace: the rate that the settings allow
"""
