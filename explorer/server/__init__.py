"""What the operating system, HTTP, MCP and Gradio's inside need; GRADIO.md lists what is relied on inside Gradio."""
