"""`cwpipe audit`: a second read of a range, compared with what the fetcher committed."""
