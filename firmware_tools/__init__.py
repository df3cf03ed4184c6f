"""Tools of the workstation: they never run on a device."""
