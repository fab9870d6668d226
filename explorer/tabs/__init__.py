"""The page's five tabs: each has tab.py (Gradio), api.py (its endpoint), view.py (its HTML) and its own work."""
