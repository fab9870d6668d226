"""The app: a page and endpoints that show where a classifier looked. Gradio: page, controls, tabs and server only."""
