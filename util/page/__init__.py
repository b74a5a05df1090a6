"""Pages of results to look at in a browser: what they show, and the files that they are made of."""
