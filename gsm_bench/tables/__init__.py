"""Results as rows of raw numbers, drawn elsewhere."""
