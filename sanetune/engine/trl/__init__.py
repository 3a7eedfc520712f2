"""The engine on TRL's SFTTrainer."""
