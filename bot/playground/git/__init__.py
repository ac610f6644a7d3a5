"""Git in the playground: bare repositories, and Git over HTTP."""
