"""One person's profile: what it holds, how events are folded into it, and its bytes."""
