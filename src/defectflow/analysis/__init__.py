"""Pure functions: numbers in, numbers out. No files, no database, no crystals."""
