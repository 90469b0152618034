"""How people and programs reach the system; for now the command line."""
