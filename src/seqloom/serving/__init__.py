"""The server: models that programs ask over HTTP, and a page on which people try them."""
