"""What is wrong with an IMU's units and axes, found by laying it on the desk and turning it."""
