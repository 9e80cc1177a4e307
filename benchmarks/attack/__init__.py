"""Parts of ``benchmarks/attack.py``: what is done to the commands, and what must hold."""
