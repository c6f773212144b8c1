"""The laws of losses."""
