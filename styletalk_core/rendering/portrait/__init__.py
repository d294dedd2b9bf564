"""From a photo to a portrait: checks, crop, person mask."""
