"""Values computed by libraries that cannot live beside ours, and the scripts that made them."""
