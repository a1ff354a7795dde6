"""Text restored to what Wazuh's decoders read. Pure functions: bytes of an event in, bytes of a line out.

lines      what a line has in front or around it: a runtime's prefix, colours, a stamp that analysisd misreads
wrappers   a line inside a JSON object: what container runtimes, log routers and journald write
stamps     the date of a syslog header
"""
