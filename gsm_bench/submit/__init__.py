"""Servers' files: built from scores, written, read back, judged as the server would, and kept in a ledger."""
