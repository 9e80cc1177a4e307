"""Other people's score dumps: read safely, detected by content, converted to score files."""
