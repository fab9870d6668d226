"""explorer — the app: gradcam meets potplants meets a visitor. Gradio is imported in page and tabs only."""
