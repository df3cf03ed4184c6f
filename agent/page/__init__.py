"""The device's own page and the words for people, in Spanish and English."""
