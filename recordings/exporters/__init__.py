"""Sessions into the formats of other programs, one file a format; see ``docs/recording.md``."""
