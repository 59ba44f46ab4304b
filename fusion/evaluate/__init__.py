"""What a network is worth: metrics of pose and action, trivial baselines beside it, and a table of both."""
