"""The bus to HDF5 sessions, and sessions to aligned samples."""
