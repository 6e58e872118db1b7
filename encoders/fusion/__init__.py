"""Several modalities to the one vector that retrieval uses."""
