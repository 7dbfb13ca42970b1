"""The vault: values and the files they live in."""
