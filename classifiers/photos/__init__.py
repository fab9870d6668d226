"""Files of photos, read within limits of memory and time, to upright RGB arrays. Neither torch nor Gradio."""
