"""Lines of code that show a fault without this library."""
