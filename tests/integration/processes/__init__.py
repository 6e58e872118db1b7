"""What starts interpreters and other programs; no broker is needed."""
