"""The page's tabs: thin handlers and the components they fill."""
