"""The programs of cwpipe: one package a role, none importing another.

fetcher, normalizer and forwarder are the pipeline and meet only in `shared`: its messages and its queues.
supervisor runs them on one host, operator looks at them, demo shows them at work.
"""
