"""What stands in the way of a recording, one file for each kind of obstacle; none asks the network."""
