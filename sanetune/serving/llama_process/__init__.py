"""The process that runs llama.cpp's server."""
