"""What a submission would do, cost and be able to show, before anything is written."""
