"""The Files API: files by path with a credential, or by signed link without one. All bodies are streamed."""
