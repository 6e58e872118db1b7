"""Makers, doubles and programs that tests share; never tests."""
