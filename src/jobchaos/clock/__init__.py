"""Virtual time on freezegun."""
