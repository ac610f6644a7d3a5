"""What `plangate doctor` looks at, part by part; each check says what it found and what to do about it."""
