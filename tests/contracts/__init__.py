"""Laws that every member of a kind keeps."""
