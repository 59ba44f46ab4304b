"""One HTML page with pictures of a session: what was recorded, how well in step, trained and tracked."""
