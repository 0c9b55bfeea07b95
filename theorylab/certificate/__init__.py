"""What is handed to the independent checker, and the checker's run in a process of its own."""
