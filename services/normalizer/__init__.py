"""Batches from the queue `raw` in, batches of finished datagrams on the queue `enriched` out.

Guarantee: the enriched batch, what became of the other events, and the end of the raw batch are one transaction. What
an event holds is hostile until shaped: no message, group or stream name can forge a header, an origin or a finding,
and one bad event never stops another.

    __main__      the role: settings, wiring, signals
    normalize     the stage: decode a batch, shape each event, hand the batch over
    shape         what becomes of one event (pure), with the help of the modules below it
    recognise     which family of AWS's logs it is of; families/ has them all
    restore/      text as Wazuh's decoders read it
    datagrams     what is decided on, within the bounds of a datagram
    explain*      the command `explain`, and the hints of `check`: what a Shaper did, in words
"""
