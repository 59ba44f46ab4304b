"""A vision front end over many recordings: ``chorus extract``."""
