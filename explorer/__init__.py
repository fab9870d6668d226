"""The app: a page and endpoints that show where a classifier looked. Gradio is imported in page, controls, tabs and server only."""
