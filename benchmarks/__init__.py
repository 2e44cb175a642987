"""Programs that measure against named peers; ``results`` holds what they printed."""
