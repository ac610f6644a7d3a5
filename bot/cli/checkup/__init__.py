"""The checks of `plangate doctor`: each says what it found and how to fix it."""
