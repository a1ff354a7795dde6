"""Batches from the queue `enriched` in, datagrams on analysisd's socket out.

Guarantee: at least once. A batch is acknowledged after every datagram of it is confirmed, at the level that the
setting wazuh.confirm names; confirmed offsets are recorded window by window, so what a killed forwarder repeats is one
window of at most 1,000 datagrams. No receiver is waited for too long: absent, restarting, stalled or closed to us, the
forwarder holds what it has, says why, and goes on.

    __main__    the role: settings, wiring, signals
    forward     the stage: send, confirm, record, acknowledge
    analysisd   the sink: one connected UNIX datagram socket, and what its kernel queue tells
"""
