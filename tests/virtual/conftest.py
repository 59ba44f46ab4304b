"""Small tensors are faster on one thread, and tests run beside other things."""

from fixtures import one_thread  # noqa: F401
