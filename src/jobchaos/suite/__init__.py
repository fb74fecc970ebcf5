"""Zero-change mode: which tasks an unchanged suite executes, how they are delivered anew, and what that shows."""
