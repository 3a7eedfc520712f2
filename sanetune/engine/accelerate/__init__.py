"""The engine that is sanetune's own loop on Hugging Face Accelerate."""
