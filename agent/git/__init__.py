"""The only room that speaks git. Policy (when, what, again) lives elsewhere."""
