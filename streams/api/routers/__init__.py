"""The routes, by what they are about; `streams/api/app.py` puts them together."""
