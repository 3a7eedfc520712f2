"""How long a run takes and what it costs, from steps that were measured; and what the device could have done."""
