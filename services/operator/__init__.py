"""The commands that look: `check`, `status`, `settings`. They change nothing and may run at any time, anywhere."""
