"""The front door for Python: everything that the command line prints, as objects and DataFrames."""
