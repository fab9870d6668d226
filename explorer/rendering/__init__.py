"""From values to HTML: Jinja2 templates with autoescape, images as data, numbers in words. No Gradio."""
