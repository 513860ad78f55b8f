// Placeholder: the list of embedded files.
