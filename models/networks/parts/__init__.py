"""Layers and steps that several networks are made of."""
