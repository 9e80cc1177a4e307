"""Submissions: built from scores, written, read back, validated as the server would, and recorded in a ledger."""
