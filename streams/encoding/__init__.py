"""The encoding agent: uploads to what the catalogue holds of them."""
