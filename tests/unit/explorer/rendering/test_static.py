"""Scripts are concatenated, and placeholders are filled."""

from explorer.rendering.static import FOLDER, script, style, styles


def test_scripts_are_concatenated_and_placeholders_filled():
    assert script("curtain.js", "lightbox.js") == script("curtain.js") + script("lightbox.js")
    assert "'$tab'" in script("arrive.js") and "'explain'" in script("arrive.js", tab="explain")
    assert [path.name for path in styles()] == sorted(path.name for path in FOLDER.glob("*.css"))
    assert style("page.css") == (FOLDER / "page.css").read_text(encoding="utf-8")
