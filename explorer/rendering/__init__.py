"""HTML from values: Jinja2 templates with autoescape, images as data URIs, number formatting. No Gradio."""
