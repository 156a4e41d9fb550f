"""Recurrent cells, one file each, with their equations and sources."""
