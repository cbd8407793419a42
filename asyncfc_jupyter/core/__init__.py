"""The pure core: no clock, no loop, no randomness, no files, no third party. Events in, commands out."""
