"""``chorus data check``: which data sets are in a folder, what is missing or broken, and how to get it."""
