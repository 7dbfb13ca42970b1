"""`make bench`: what Gofer costs, measured in one run side by side with a naive worker. Nothing here is a test."""
