"""The optional adviser and judge: any endpoint that speaks OpenAI's chat completions, never trusted."""
