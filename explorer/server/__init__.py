"""The server: HTTP, MCP, process and operating system, and all uses of Gradio's internals, which GRADIO.md lists."""
