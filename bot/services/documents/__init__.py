"""Records as documents of JSON: the command line prints them, and the web hands them to programs."""
