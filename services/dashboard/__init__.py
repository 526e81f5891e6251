"""The studio in a browser: pages that look at a running studio and control it, for whoever has a link to them."""
