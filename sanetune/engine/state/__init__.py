"""The state of training as safetensors and JSON, without a pickle: optimizer, schedule, scaler and random states."""
