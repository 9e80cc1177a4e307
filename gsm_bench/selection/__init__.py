"""Which members an ensemble should take."""
