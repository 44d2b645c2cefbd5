"""One renderer for each kind of result: `render(file)` gives a Document."""
