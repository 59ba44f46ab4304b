"""Sessions made of other sessions: repaired, trimmed, merged, anonymised.

The originals are never touched; what was lost or left away is on the new file's ledger and in its history.
"""
