"""Commands in comments: parse, authorise, carry out, answer."""
