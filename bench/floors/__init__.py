"""The floors: the least a program could do in the bridge's place. They promise nothing; they only show the limit."""
