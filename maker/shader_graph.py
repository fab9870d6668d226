"""A material's shader nodes, built by nested calls."""

# pyright: reportMissingImports=false
# (bpy and mathutils are installed by maker/make alone, into an environment of their own)

import bpy

from maker.colours import scaled


class Graph:
    """A material under construction: nodes are added by nested calls, and `surface` closes it."""

    def __init__(self, name, rng):
        self.material = bpy.data.materials.new(name)
        self.tree = self.material.node_tree
        self.tree.nodes.clear()
        # Each material samples its own part of the infinite noise.
        self.origin = tuple(rng.uniform(-50, 50, 3))

    def add(self, kind, inputs=(), output: int | str = 0, **settings):
        """Add a node; `inputs` maps a socket's name or number to a value or to another node's output."""
        node = self.tree.nodes.new("ShaderNode" + kind)
        for key, value in settings.items():
            setattr(node, key, value)
        for key, value in dict(inputs).items():
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, node.inputs[key])
            elif node.inputs[key].type == "RGBA":
                node.inputs[key].default_value = (*value, 1.0)
            else:
                node.inputs[key].default_value = value
        return node.outputs[output]

    def place(self, scale=(1, 1, 1), upright=False):
        """Coordinates on the object; `upright` lays the pattern on a wall (x, z) instead of a table (x, y)."""
        coordinates = self.add("TexCoord", output="Object")
        if upright:
            parts = self.add("SeparateXYZ", {0: coordinates}).node.outputs
            coordinates = self.add("CombineXYZ", {0: parts[0], 1: parts[2], 2: parts[1]})
        return self.add("Mapping", {"Vector": coordinates, "Location": self.origin, "Scale": scale})

    def noise(self, scale, vector=None, detail=2.0, distortion=0.0):
        """Cloudy noise in 0..1."""
        vector = vector or self.place()
        return self.add("TexNoise", {"Vector": vector, "Scale": scale, "Detail": detail, "Distortion": distortion})

    def attribute(self, name):
        """A number that the mesh stores for each vertex."""
        return self.add("Attribute", output="Factor", attribute_name=name)

    def math(self, operation, a, b=0.0):
        """One arithmetic step on numbers."""
        return self.add("Math", {0: a, 1: b}, operation=operation)

    def between(self, value, low, high):
        """A smooth step: 0 where value is below low, 1 where it is above high."""
        return self.add(
            "MapRange", {"Value": value, "From Min": low, "From Max": high}, interpolation_type="SMOOTHSTEP"
        )

    def mix(self, factor, a, b, blend="MIX"):
        """Two colours blended by a factor."""
        # ShaderNodeMix has one set of sockets per data type; 6 and 7 are its colours.
        return self.add("Mix", {0: factor, 6: a, 7: b}, output=2, data_type="RGBA", blend_type=blend)

    def tint(self, colour, amount, scale, vector=None):
        """The colour, darker and lighter in clouds."""
        clouds = self.noise(scale, vector)
        return self.mix(clouds, self.shade(colour, 1 - amount), self.shade(colour, 1 + amount))

    def shade(self, colour, factor):
        """A colour (value or output) times a number."""
        if isinstance(colour, bpy.types.NodeSocket):
            return self.mix(1.0, colour, (factor, factor, factor), "MULTIPLY")
        return scaled(colour, factor)

    def bump(self, height, strength, distance=0.02):
        """Relief from a height in 0..1."""
        return self.add("Bump", {"Height": height, "Strength": strength, "Distance": distance})

    def surface(self, colour, roughness=0.6, normal=None, **more):
        """Close the material with one principled shader; `more` names its other inputs."""
        inputs = {"Base Color": colour, "Roughness": roughness, **{k.replace("_", " "): v for k, v in more.items()}}
        if normal is not None:
            inputs["Normal"] = normal
        return self.finish(self.add("BsdfPrincipled", inputs))

    def finish(self, shader):
        """Close the material with this shader."""
        output = self.tree.nodes.new("ShaderNodeOutputMaterial")
        self.tree.links.new(shader, output.inputs["Surface"])
        return self.material
