"""Features of all images, made once without any answer and read by every run; the folder is the registry."""
