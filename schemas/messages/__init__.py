"""The messages, a file a topic family: pure types with units and bounds, and their JSON codecs."""
