"""`freshet doctor`: looks at everything that Freshet needs, and says of what is wrong the cause and the remedy."""
