"""One measurement of a characterisation each: a bench, what is read off it, and the quantities it gives."""
