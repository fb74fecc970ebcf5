"""One file per backend: capture, restore, snapshot."""
