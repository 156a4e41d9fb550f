"""The command line. Torch and the like are imported by the commands that use them, not here."""
