"""IMUs over Bluetooth LE and over the network: a module for each transport, and layouts of packets."""
