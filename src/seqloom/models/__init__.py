"""Complete networks, built from layers; count-based models; word vectors."""
