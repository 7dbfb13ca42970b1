"""The crew: worker processes that only run tasks, and the lane of the desk that sends the tasks to them."""
