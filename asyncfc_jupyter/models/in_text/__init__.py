"""What stands in the text of a reply and belongs elsewhere: reasoning between tags, and calls that the server did not parse."""
