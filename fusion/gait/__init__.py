"""Steps from the pose stream: foot contacts, cadence, left beside right."""

from fusion.gait.contacts import Contact, FootContacts
from fusion.gait.steps import Gait, GaitTracker, Step

__all__ = ["Contact", "FootContacts", "Gait", "GaitTracker", "Step"]
