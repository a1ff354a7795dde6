"""`cwpipe dashboard`: rq-dashboard's pages over our queues, fit to be left open.

    browser --> server --> gate (password, headers) --> routes (what is open) --> rq-dashboard --> reading --> Redis

server     waitress, and the sign of life
gate       in front of everything: the password, and the headers that every answer has
password   the password that is configured, or one that is made and kept
routes     which of rq-dashboard's routes are open, to which methods, with which values; all others are closed
reading    RQ's classes made to read JSON and nothing else, and to survive what is not
jobs       a page of a list of jobs, and one job with the facts of its batch
overview   the rows of queues and of workers
pages      rq-dashboard's templates, mended as they are loaded
app        the application that these make up
"""
