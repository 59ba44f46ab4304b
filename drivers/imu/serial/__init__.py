"""IMUs on a serial port: the driver, and a module for each protocol."""
