"""What two services or more need: messages, queues, the worker, books, settings, the AWS edge, errors, logs, metrics.

A thing moves here when a second service needs it, not before.
"""
