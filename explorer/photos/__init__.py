"""Photos before a network sees them: download, examples, masks, edits. No Gradio."""
