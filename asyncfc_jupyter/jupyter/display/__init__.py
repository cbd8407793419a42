"""What cells show: outputs, the live timeline, tool output, errors."""
