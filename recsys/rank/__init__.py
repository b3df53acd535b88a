"""What to show: candidates, their arrangement, and the reasons for it."""
