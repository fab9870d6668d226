"""Photos on their way to a network: read from any file within bounds, fetched, labelled examples, masks, edits. No Gradio."""
