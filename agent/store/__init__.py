"""What the store's adapter is made of: bundles, lanes, the page's past. Each owns its tables."""
