"""The page's five tabs, each with tab.py (Gradio), api.py (its endpoint), view.py (its HTML), and its own work without Gradio."""
