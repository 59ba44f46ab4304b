"""Sensor-to-bone alignment: steps that a wearer follows, what each sensor shows of them, and the rotation."""
