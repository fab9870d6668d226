"""How the embedded photos are made: four pot plants, rendered with Blender, each with an exact mask."""
