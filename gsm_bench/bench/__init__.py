"""How fast this machine scores and fuses, what it could do at most, and what it waits for. This room needs torch."""
