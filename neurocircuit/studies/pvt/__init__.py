"""A mapped network at the characterised corners, temperatures and supplies of a process."""
