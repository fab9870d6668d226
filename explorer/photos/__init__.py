"""Photos before a network sees them: reading files within limits, download, examples, masks, edits. No Gradio."""
