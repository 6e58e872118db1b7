"""Tests. Importing `streams` first sets numpy to one thread, as the agents and a replay have it."""

import streams as streams
