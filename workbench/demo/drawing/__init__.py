"""How the demo's pictures are drawn: a canvas, coast lines, maps, portraits and places."""
