"""The sales department's own system; tests replace it."""


def push(email):
    """Tell it of a customer."""
    raise RuntimeError("not in tests")
