"""A photo's way in: Gradio's image component, handing over the uploaded file as it came."""

import gradio as gr


class Upload(gr.Image):
    """gr.Image that leaves decoding to `explorer.photo`, where every kind of bad file has its sentence.

    Gradio's own preprocessing opens the file first and fails with a bare badge when it is no image. The constructor
    stays Gradio's: the page learns a component's properties from its signature. Make one with `upload`.
    """

    def preprocess(self, payload):
        if payload is not None and payload.url and payload.url.startswith("data:"):
            return super().preprocess(payload)  # sent inline, as text: written to a file first
        return None if payload is None else payload.path

    # The browser and the clients know this component by its parent's name.
    def get_block_name(self):
        return "image"

    @classmethod
    def get_component_class_id(cls):
        return gr.Image.get_component_class_id()


def upload(**options) -> Upload:
    """An Upload whose handlers get the path of the untouched file."""
    return Upload(type="filepath", image_mode=None, **options)
